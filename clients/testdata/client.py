"""kafka-python behind the line protocol of process_test.go, with its default settings."""
import sys
import threading

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener


def produce(addr, topic, codec):
    options = {}
    if codec != "default":
        options["compression_type"] = None if codec == "none" else codec
    producer = KafkaProducer(bootstrap_servers=addr, **options)
    futures = [producer.send(topic, line.rstrip("\n").encode()) for line in sys.stdin]
    producer.flush()
    for f in futures:
        f.get(timeout=30)
    producer.close()


def consume(addr, topic, count):
    consumer = KafkaConsumer(bootstrap_servers=addr)
    part = TopicPartition(topic, 0)
    consumer.assign([part])
    consumer.seek_to_beginning(part)
    for _, record in zip(range(int(count)), consumer):
        print(record.value.decode())
    consumer.close()


class Teller(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        tell("assigned", assigned)

    def on_partitions_revoked(self, revoked):
        tell("revoked", revoked)


def tell(what, partitions):
    print(what, *[p.partition for p in partitions], flush=True)


def group(addr, topic, name):
    consumer = KafkaConsumer(bootstrap_servers=addr, group_id=name, auto_offset_reset="earliest")
    consumer.subscribe([topic], listener=Teller())
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        for records in consumer.poll(timeout_ms=100).values():
            for r in records:
                print("value", r.value.decode(), flush=True)
    consumer.close()


if __name__ == "__main__":
    commands = {"produce": produce, "consume": consume, "group": group}
    if sys.argv[1] == "admin":
        from admin import walk
        commands["admin"] = walk
    commands[sys.argv[1]](*sys.argv[2:])
