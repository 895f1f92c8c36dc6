"""What users of kafka-python do: python kafka_python.py host:port"""

import sys
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (
    InvalidReplicationFactorError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata

from checks import START_MS, Checks, equal, fresh_name, holds_all, message, number_of, raises

LIMIT = 30
# A poll that ends while the answer to JoinGroup or SyncGroup is under way loses the assignment in
# kafka-python 3.0.12, so that members poll for longer than that takes.
MEMBER_POLL_MS = 3_000
ADDRESS = sys.argv[1]
checks = Checks("kafka-python")


def admin_client():
    return KafkaAdminClient(bootstrap_servers=ADDRESS)


def new_topic(partitions, configs=None):
    topic = fresh_name("topic")
    admin = admin_client()
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs or {})])
    admin.close()
    return topic


def produce(topic, count, first=0, **options):
    producer = KafkaProducer(bootstrap_servers=ADDRESS, linger_ms=5, **options)
    sent = []
    for n in range(first, count):
        key, value, headers, timestamp = message(n)
        sent.append(producer.send(topic, value, key, headers, timestamp_ms=timestamp))
    producer.flush(LIMIT)
    answers = [future.get(LIMIT) for future in sent]
    producer.close()
    return answers


def consumer(*topics, **options):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}
    return KafkaConsumer(*topics, bootstrap_servers=ADDRESS, **settings)


def poll(reader, count):
    records = []
    deadline = time.monotonic() + LIMIT
    while len(records) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(records)} of {count} records")
        for some in reader.poll(MEMBER_POLL_MS).values():
            records.extend(some)
    return records


def read_all(topic, partitions, count):
    reader = consumer()
    reader.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    records = poll(reader, count)
    reader.close()
    return records


def round_trip(options):
    topic = new_topic(3)
    produce(topic, 2_000, **options)
    holds_all(read_all(topic, 3, 2_000), 2_000)


def fire_and_forget():
    topic = new_topic(1)
    produce(topic, 100, acks=0, enable_idempotence=False)
    holds_all(read_all(topic, 1, 100), 100)


def empty_records():
    topic = new_topic(1)
    producer = KafkaProducer(bootstrap_servers=ADDRESS)
    producer.send(topic, None, b"k").get(LIMIT)
    producer.send(topic, b"", b"").get(LIMIT)
    producer.close()
    found = [(record.key, record.value) for record in read_all(topic, 1, 2)]
    equal("keys and values", found, [(b"k", None), (b"", b"")])


def too_large():
    topic = new_topic(1, {"max.message.bytes": "10000"})
    producer = KafkaProducer(bootstrap_servers=ADDRESS)
    future = producer.send(topic, b"y" * 20_000)
    raises(MessageSizeTooLargeError, future.get, LIMIT)
    producer.close()


def created_on_use():
    topic = fresh_name("auto")
    produce(topic, 10)
    holds_all(read_all(topic, 1, 10), 10)


def seek_and_times():
    topic = new_topic(1)
    produce(topic, 100)
    place = TopicPartition(topic, 0)
    reader = consumer()
    reader.assign([place])
    equal("beginning", reader.beginning_offsets([place]), {place: 0})
    equal("end", reader.end_offsets([place]), {place: 100})
    equal("offset for a time", reader.offsets_for_times({place: START_MS + 42})[place].offset, 42)
    equal("after the last", reader.offsets_for_times({place: START_MS + 1_000})[place], None)
    reader.seek(place, 61)
    equal("first record after a seek", number_of(poll(reader, 39)[0]), 61)
    reader.close()


class Member:
    """A consumer of a group on a thread of its own."""

    def __init__(self, group, topic, **options):
        self.records = []
        self.error = None
        self._reader = consumer(
            topic, group_id=group, session_timeout_ms=6_000, heartbeat_interval_ms=200, **options
        )
        self._assigned = set()
        self._stop = threading.Event()
        self._is_to_commit = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.is_set():
                for some in self._reader.poll(MEMBER_POLL_MS).values():
                    self.records.extend(some)
                self._assigned = self._reader.assignment()
                if self._is_to_commit:
                    self._reader.commit()
                    self._is_to_commit = False
            self._reader.commit()
            self._reader.close()
        except Exception as error:
            self.error = error

    def has(self, partitions):
        self.wait(lambda: len(self._assigned) == partitions, f"{partitions} partitions")

    def wait(self, is_so, what):
        deadline = time.monotonic() + LIMIT
        while not is_so():
            if self.error is not None:
                raise self.error
            if time.monotonic() > deadline:
                raise AssertionError(f"not: {what}; assigned {self._assigned}")
            time.sleep(0.02)

    def commit(self):
        """Commits what it has read."""
        self._is_to_commit = True
        self.wait(lambda: not self._is_to_commit, "committed")

    def leave(self):
        """Commits what it has read, and leaves."""
        self._stop.set()
        self._thread.join(LIMIT)
        if self.error is not None:
            raise self.error
        equal("still running", self._thread.is_alive(), False)


def two_members(options):
    topic, group = new_topic(6), fresh_name("group")
    produce(topic, 300)
    first = Member(group, topic, **options)
    first.has(6)
    first.wait(lambda: len(first.records) == 300, "300 records")
    first.commit()
    second = Member(group, topic, **options)
    first.has(3)
    second.has(3)
    produce(topic, 600, first=300)

    def are_read():
        numbers = {number_of(record) for record in first.records + second.records}
        return numbers == set(range(600))

    first.wait(are_read, "600 records")
    first.commit()
    second.leave()
    first.has(6)
    first.leave()
    admin = admin_client()
    offsets = admin.list_group_offsets({group: None})[group]
    equal("sum of the offsets", sum(offset.offset for offset in offsets.values()), 600)
    admin.close()


def goes_on_from_commits():
    topic, group = new_topic(2), fresh_name("group")
    for begun in range(0, 300, 100):
        produce(topic, begun + 100, first=begun)
        reader = consumer(topic, group_id=group)
        numbers = sorted(number_of(record) for record in poll(reader, 100))
        equal("numbers", numbers, list(range(begun, begun + 100)))
        reader.commit()
        committed = sum(reader.committed(place) for place in reader.assignment())
        equal("committed", committed, begun + 100)
        reader.close()


def topics(admin):
    topic = fresh_name("topic")
    one = NewTopic(topic, 2, 1, topic_configs={"retention.ms": "123456"})
    admin.create_topics([one], validate_only=True, wait_for_metadata=False)
    equal("listed after validate only", topic in admin.list_topics(), False)
    admin.create_topics([one])
    equal("listed", topic in admin.list_topics(), True)
    raises(TopicAlreadyExistsError, admin.create_topics, [one])
    raises(
        InvalidReplicationFactorError, admin.create_topics, [NewTopic(fresh_name("topic"), 1, 5)]
    )
    admin.create_partitions({topic: NewPartitions(5)})
    described = admin.describe_topics([topic])
    equal("partitions", len(described[0]["partitions"]), 5)
    admin.delete_topics([topic])
    equal("listed after its deletion", topic in admin.list_topics(), False)
    raises(UnknownTopicOrPartitionError, admin.delete_topics, [topic])


def configs(admin):
    topic = new_topic(1, {"retention.bytes": "1000000"})

    def setting(name):
        described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
        return described["topic"][topic][name]["value"]

    equal("retention.bytes", setting("retention.bytes"), "1000000")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "5000"})
    admin.alter_configs([change])
    equal("retention.ms", setting("retention.ms"), "5000")
    equal("retention.bytes after", setting("retention.bytes"), "1000000")
    admin.reset_configs([ConfigResource("TOPIC", topic, {"retention.ms": None})])
    equal("retention.ms after its reset", setting("retention.ms"), "604800000")


def records_deleted(admin):
    topic = new_topic(1)
    produce(topic, 100)
    place = TopicPartition(topic, 0)
    admin.delete_records({place: 40})
    reader = consumer()
    reader.assign([place])
    equal("beginning", reader.beginning_offsets([place]), {place: 40})
    equal("first record", number_of(poll(reader, 60)[0]), 40)
    reader.close()


def groups(admin):
    topic, group = new_topic(6), fresh_name("group")
    member = Member(group, topic)
    member.has(6)
    listed = {found["group_id"]: found["protocol_type"] for found in admin.list_groups()}
    equal("type of the listed group", listed.get(group), "consumer")
    described = admin.describe_groups([group])[group]
    equal("state", described["group_state"], "Stable")
    equal("members", len(described["members"]), 1)
    errors = dict(admin.delete_groups([group]))
    equal("deleted while it is read", "NonEmpty" in repr(errors), True)
    member.leave()
    equal("state after", admin.describe_groups([group])[group]["group_state"], "Empty")
    place = TopicPartition(topic, 0)
    admin.alter_group_offsets(group, {place: OffsetAndMetadata(5, "five", -1)})
    found = admin.list_group_offsets({group: [place]})[group][place]
    equal("offset and text", (found.offset, found.metadata), (5, "five"))
    admin.delete_group_offsets(group, [place])
    admin.delete_groups([group])
    equal("listed after", group in {found["group_id"] for found in admin.list_groups()}, False)


def cluster(admin):
    described = admin.describe_cluster()
    equal("there are brokers", len(described["brokers"]) > 0, True)
    topic = new_topic(1)
    produce(topic, 100)
    equal("the topic has a size", topic in repr(admin.describe_log_dirs()), True)
    place = TopicPartition(topic, 0)
    reassigned = admin.list_partition_reassignments([place])
    equal("partitions on the move", reassigned, {})


def with_admin(check):
    admin = admin_client()
    check(admin)
    admin.close()


for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    checks.run(f"producer, {codec}", round_trip, {"compression_type": codec})
checks.run("producer without idempotence", round_trip, {"enable_idempotence": False, "acks": 1})
checks.run("idempotent producer", round_trip, {"enable_idempotence": True, "acks": "all"})
checks.run("acks 0", fire_and_forget)
checks.run("null and empty keys and values", empty_records)
checks.run("record above max.message.bytes", too_large)
checks.run("topic created on first use", created_on_use)
checks.run("seek, bounds, offsets for times", seek_and_times)
checks.run("group of two members", two_members, {})
checks.run("group goes on from its commits", goes_on_from_commits)
for title, check in {
    "topics": topics,
    "settings": configs,
    "deleted records": records_deleted,
    "groups": groups,
    "cluster": cluster,
}.items():
    checks.run(f"admin: {title}", with_admin, check)
