"""Every admin call of kafka-python that weir serves, in the order of a topic's life."""
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import (
    InvalidConfigurationError, TopicAlreadyExistsError, UnknownTopicOrPartitionError)
from kafka.structs import OffsetAndMetadata

TOPIC = "python-walk"
GROUP = "python-walkers"
PART = TopicPartition(TOPIC, 0)


def check(ok, claim):
    if not ok:
        raise AssertionError("not so: " + claim)


def refused(want, call):
    try:
        call()
    except want:
        return
    raise AssertionError("not refused with " + want.__name__)


def walk(addr):
    admin = KafkaAdminClient(bootstrap_servers=addr)
    topics(admin)
    offsets(admin, addr)
    groups(admin, addr)
    deletion(admin)
    admin.close()


def describe(admin):
    return admin.describe_topics([TOPIC])[0]


def topics(admin):
    check(len(admin.describe_cluster()["brokers"]) == 1, "one broker")
    wanted = {TOPIC: {"num_partitions": 2, "configs": {"max.message.bytes": "500000"}}}
    admin.create_topics(wanted)
    refused(TopicAlreadyExistsError, lambda: admin.create_topics(wanted))
    odd = {"odd": {"num_partitions": 1, "configs": {"no.such.setting": "1"}}}
    refused(InvalidConfigurationError, lambda: admin.create_topics(odd))
    check(TOPIC in admin.list_topics(), "the topic in the list")
    check(len(describe(admin)["partitions"]) == 2, "two partitions")
    admin.create_partitions({TOPIC: 3})
    check(len(describe(admin)["partitions"]) == 3, "three partitions")
    resource = ConfigResource(ConfigResourceType.TOPIC, TOPIC)
    got = admin.describe_configs([resource], config_filter="all")["topic"][TOPIC]
    check(got["max.message.bytes"]["value"] == "500000", "the setting that was given")
    check(got["cleanup.policy"]["value"] == "delete", "a default setting")
    broker = ConfigResource(ConfigResourceType.BROKER, "1")
    got = admin.describe_configs([broker], config_filter="all")["broker"]["1"]
    check(got["advertised.listeners"]["value"].startswith("PLAINTEXT://"), "advertised.listeners")


def offsets(admin, addr):
    producer = KafkaProducer(bootstrap_servers=addr)
    for at in (1000, 3000, 2000, 4000, 3500):
        producer.send(TOPIC, b"v", partition=0, timestamp_ms=at).get(timeout=30)
    producer.close()
    wants = [(OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 5), (0, 0), (1001, 1), (3001, 3), (4001, -1),
             (OffsetSpec.MAX_TIMESTAMP, 3)]
    for spec, want in wants:
        got = admin.list_partition_offsets({PART: spec})[PART]
        check(got.offset == want, "offset of %s is %s, want %d" % (spec, got, want))


def groups(admin, addr):
    consumer = KafkaConsumer(bootstrap_servers=addr, group_id=GROUP)
    consumer.assign([PART])
    consumer.commit({PART: OffsetAndMetadata(3, "note", -1)})
    check(consumer.committed(PART) == 3, "the committed offset")
    check(consumer.committed(PART, metadata=True).metadata == "note", "commit metadata")
    check(consumer.end_offsets([PART])[PART] == 5, "the end offset")
    check(consumer.beginning_offsets([PART])[PART] == 0, "the beginning offset")
    check(consumer.offsets_for_times({PART: 3001})[PART].offset == 3, "offsets for times")
    check(consumer.partitions_for_topic(TOPIC) == {0, 1, 2}, "the topic's partitions")
    consumer.close()
    check(GROUP in [g["group_id"] for g in admin.list_groups()], "the group in the list")
    check(admin.describe_groups([GROUP])[GROUP]["group_state"] == "Empty", "an empty group")
    check(admin.list_group_offsets(GROUP)[GROUP][PART].offset == 3, "the group's offsets")
    admin.alter_group_offsets(GROUP, {PART: OffsetAndMetadata(1, "", -1)})
    check(admin.list_group_offsets(GROUP)[GROUP][PART].offset == 1, "the moved offset")
    check(not admin.list_group_offsets("nobody")["nobody"], "nothing of an unknown group")
    admin.delete_groups([GROUP])
    check(GROUP not in [g["group_id"] for g in admin.list_groups()], "the group gone")


def deletion(admin):
    before = describe(admin)["topic_id"]
    admin.delete_topics([TOPIC])
    check(TOPIC not in admin.list_topics(), "the topic gone")
    refused(UnknownTopicOrPartitionError, lambda: admin.delete_topics([TOPIC]))
    admin.create_topics({TOPIC: {"num_partitions": 1}})
    check(describe(admin)["topic_id"] != before, "a new topic id")
    check(admin.list_partition_offsets({PART: OffsetSpec.LATEST})[PART].offset == 0, "an empty log")
    admin.delete_topics([TOPIC])
