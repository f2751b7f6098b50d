import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Every admin call that weir serves, in the order of a topic's life. */
class Walk {
    static final String TOPIC = "java-walk";
    static final String GROUP = "java-walkers";
    static final TopicPartition PART = new TopicPartition(TOPIC, 0);

    static void run(String addr) throws Exception {
        Properties p = Client.at(addr);
        try (Admin admin = Admin.create(p)) {
            topics(admin);
            offsets(admin, addr);
            groups(admin, addr);
            deletion(admin, addr);
        }
    }

    static void topics(Admin admin) throws Exception {
        check(admin.describeCluster().nodes().get().size() == 1, "one node");
        check(admin.describeCluster().clusterId().get().length() == 22, "a cluster id");
        NewTopic wanted = new NewTopic(TOPIC, 2, (short) 1).configs(Map.of("max.message.bytes", "500000"));
        admin.createTopics(List.of(wanted)).all().get();
        refused(TopicExistsException.class, () -> admin.createTopics(List.of(wanted)).all().get());
        NewTopic odd = new NewTopic("odd", 1, (short) 1).configs(Map.of("no.such.setting", "1"));
        refused(InvalidConfigurationException.class, () -> admin.createTopics(List.of(odd)).all().get());
        check(admin.listTopics().names().get().contains(TOPIC), "the topic in the list");
        TopicDescription d = describe(admin);
        check(d.partitions().size() == 2, "two partitions");
        check(d.partitions().get(0).leader().id() == 1, "a leader");
        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(3))).all().get();
        check(describe(admin).partitions().size() == 3, "three partitions");

        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        Config c = admin.describeConfigs(List.of(r)).all().get().get(r);
        check(c.get("max.message.bytes").value().equals("500000"), "the setting that was given");
        check(!c.get("max.message.bytes").isDefault(), "a setting that is no default");
        check(c.get("cleanup.policy").isDefault(), "a default setting");
        ConfigResource b = new ConfigResource(ConfigResource.Type.BROKER, "1");
        Config bc = admin.describeConfigs(List.of(b)).all().get().get(b);
        check(bc.get("advertised.listeners").value().startsWith("PLAINTEXT://"), "advertised.listeners");
    }

    static TopicDescription describe(Admin admin) throws Exception {
        return admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
    }

    static void offsets(Admin admin, String addr) throws Exception {
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(Client.at(addr), new StringSerializer(), new StringSerializer())) {
            long[] times = {1000, 3000, 2000, 4000, 3500};
            for (long at : times) {
                long offset = producer.send(new ProducerRecord<>(TOPIC, 0, at, null, "v" + at)).get().offset();
                check(offset >= 0, "an offset");
            }
        }
        offset(admin, OffsetSpec.earliest(), 0);
        offset(admin, OffsetSpec.latest(), 5);
        offset(admin, OffsetSpec.forTimestamp(0), 0);
        offset(admin, OffsetSpec.forTimestamp(1001), 1);
        offset(admin, OffsetSpec.forTimestamp(3001), 3);
        offset(admin, OffsetSpec.forTimestamp(4001), -1);
        offset(admin, OffsetSpec.maxTimestamp(), 3);
        offset(admin, OffsetSpec.earliestLocal(), 0);
        offset(admin, OffsetSpec.latestTiered(), -1);
    }

    static void offset(Admin admin, OffsetSpec spec, long want) throws Exception {
        ListOffsetsResultInfo got = admin.listOffsets(Map.of(PART, spec)).partitionResult(PART).get();
        check(got.offset() == want, spec.getClass().getSimpleName() + " is " + got.offset() + ", want " + want);
    }

    static void groups(Admin admin, String addr) throws Exception {
        Properties p = Client.at(addr);
        p.put("group.id", GROUP);
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(PART));
            consumer.commitSync(Map.of(PART, new OffsetAndMetadata(3, "note")));
            check(consumer.committed(Set.of(PART)).get(PART).metadata().equals("note"), "commit metadata");
            check(consumer.endOffsets(List.of(PART)).get(PART) == 5, "the end offset");
            check(consumer.offsetsForTimes(Map.of(PART, 3001L)).get(PART).offset() == 3, "offsets for times");
        }
        check(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(GROUP)), "the group in the list");
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(GROUP)).all().get().get(GROUP);
        check(d.groupState().toString().equals("Empty"), "an empty group");
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
        check(committed.get(PART).offset() == 3, "the committed offset");
        Map<TopicPartition, OffsetAndMetadata> moved = new HashMap<>();
        moved.put(PART, new OffsetAndMetadata(1));
        admin.alterConsumerGroupOffsets(GROUP, moved).all().get();
        committed = admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
        check(committed.get(PART).offset() == 1, "the moved offset");
        check(admin.listConsumerGroupOffsets("nobody").partitionsToOffsetAndMetadata().get().isEmpty(),
            "nothing of an unknown group");
        admin.deleteConsumerGroups(List.of(GROUP)).all().get();
        check(admin.listGroups().all().get().stream().noneMatch(g -> g.groupId().equals(GROUP)), "the group gone");
    }

    static void deletion(Admin admin, String addr) throws Exception {
        Object before = describe(admin).topicId();
        admin.deleteTopics(List.of(TOPIC)).all().get();
        refused(UnknownTopicOrPartitionException.class, () -> describe(admin));
        refused(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(TOPIC)).all().get());
        admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all().get();
        check(!describe(admin).topicId().equals(before), "a new topic id");
        offset(admin, OffsetSpec.latest(), 0);
        admin.deleteTopics(List.of(TOPIC)).all().get();
    }

    interface Call {
        void run() throws Exception;
    }

    static void refused(Class<? extends Exception> want, Call call) throws Exception {
        try {
            call.run();
        } catch (ExecutionException e) {
            check(want.isInstance(e.getCause()), "refused with " + e.getCause() + ", want " + want);
            return;
        }
        throw new AssertionError("not refused, want " + want);
    }

    static void check(boolean ok, String claim) {
        if (!ok) {
            throw new AssertionError("not so: " + claim);
        }
    }
}
