import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java client behind the line protocol of process_test.go, with its default settings. */
public class Client {
    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "produce": produce(args[1], args[2], args[3]); break;
            case "consume": consume(args[1], args[2], Integer.parseInt(args[3])); break;
            case "group": group(args[1], args[2], args[3]); break;
            case "admin": Walk.run(args[1]); break;
            default: throw new IllegalArgumentException(args[0]);
        }
    }

    static Properties at(String addr) {
        Properties p = new Properties();
        p.put("bootstrap.servers", addr);
        return p;
    }

    static void produce(String addr, String topic, String codec) throws Exception {
        Properties p = at(addr);
        if (!codec.equals("default")) {
            p.put("compression.type", codec);
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                sent.add(producer.send(new ProducerRecord<>(topic, line)));
            }
            producer.flush();
            for (Future<RecordMetadata> f : sent) {
                f.get();
            }
        }
    }

    static void consume(String addr, String topic, int count) {
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(at(addr), new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> part = List.of(new TopicPartition(topic, 0));
            consumer.assign(part);
            consumer.seekToBeginning(part);
            for (int seen = 0; seen < count; ) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println(r.value());
                    seen++;
                }
            }
        }
    }

    static void group(String addr, String topic, String group) {
        Properties p = at(addr);
        p.put("group.id", group);
        p.put("auto.offset.reset", "earliest");
        AtomicBoolean ended = new AtomicBoolean();
        Thread waiter = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
            ended.set(true);
        });
        waiter.setDaemon(true);
        waiter.start();
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic), new Teller());
            while (!ended.get()) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println("value " + r.value());
                }
            }
        }
    }

    static class Teller implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> parts) {
            tell("assigned", parts);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> parts) {
            tell("revoked", parts);
        }

        static void tell(String what, Collection<TopicPartition> parts) {
            StringBuilder line = new StringBuilder(what);
            for (TopicPartition p : parts) {
                line.append(' ').append(p.partition());
            }
            System.out.println(line);
        }
    }
}
