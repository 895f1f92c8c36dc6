"""What users of aiokafka do: python aiokafka_checks.py host:port"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import MessageSizeTooLargeError

from checks import START_MS, Checks, equal, fresh_name, holds_all, message, number_of

LIMIT = 30
ADDRESS = sys.argv[1]
TOPIC_ALREADY_EXISTS = 36
UNKNOWN_TOPIC_OR_PARTITION = 3
checks = Checks("aiokafka")


async def new_topic(partitions, configs=None):
    topic = fresh_name("topic")
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs or {})])
    await admin.close()
    return topic


async def produce(topic, count, first=0, **options):
    producer = AIOKafkaProducer(bootstrap_servers=ADDRESS, linger_ms=5, **options)
    await producer.start()
    sent = []
    for n in range(first, count):
        key, value, headers, timestamp = message(n)
        future = await producer.send(
            topic, value, key, headers=headers, timestamp_ms=timestamp
        )
        sent.append(future)
    await asyncio.gather(*sent)
    await producer.stop()


async def consumer(*topics, **options):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}
    reader = AIOKafkaConsumer(*topics, bootstrap_servers=ADDRESS, **settings)
    await reader.start()
    return reader


async def poll(reader, count):
    records = []
    deadline = time.monotonic() + LIMIT
    while len(records) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(records)} of {count} records")
        for some in (await reader.getmany(timeout_ms=200)).values():
            records.extend(some)
    return records


async def read_all(topic, partitions, count):
    reader = await consumer()
    reader.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    records = await poll(reader, count)
    await reader.stop()
    return records


async def round_trip(options):
    topic = await new_topic(3)
    await produce(topic, 2_000, **options)
    holds_all(await read_all(topic, 3, 2_000), 2_000)


async def empty_records():
    topic = await new_topic(1)
    producer = AIOKafkaProducer(bootstrap_servers=ADDRESS)
    await producer.start()
    await producer.send_and_wait(topic, None, b"k")
    await producer.send_and_wait(topic, b"", b"")
    await producer.stop()
    found = [(record.key, record.value) for record in await read_all(topic, 1, 2)]
    equal("keys and values", found, [(b"k", None), (b"", b"")])


async def too_large():
    topic = await new_topic(1, {"max.message.bytes": "10000"})
    producer = AIOKafkaProducer(bootstrap_servers=ADDRESS)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"y" * 20_000)
    except MessageSizeTooLargeError:
        return
    finally:
        await producer.stop()
    raise AssertionError("a record above max.message.bytes was taken")


async def created_on_use():
    topic = fresh_name("auto")
    await produce(topic, 10)
    holds_all(await read_all(topic, 1, 10), 10)


async def seek_and_times():
    topic = await new_topic(1)
    await produce(topic, 100)
    place = TopicPartition(topic, 0)
    reader = await consumer()
    reader.assign([place])
    equal("beginning", await reader.beginning_offsets([place]), {place: 0})
    equal("end", await reader.end_offsets([place]), {place: 100})
    times = await reader.offsets_for_times({place: START_MS + 42})
    equal("offset for a time", times[place].offset, 42)
    after = await reader.offsets_for_times({place: START_MS + 1_000})
    equal("after the last", after[place], None)
    reader.seek(place, 61)
    equal("first record after a seek", number_of((await poll(reader, 39))[0]), 61)
    await reader.stop()


class Member:
    """A consumer of a group as a task of its own."""

    @classmethod
    async def join(cls, group, topic, **options):
        self = cls()
        self.records = []
        self._reader = await consumer(
            topic, group_id=group, session_timeout_ms=6_000, heartbeat_interval_ms=200, **options
        )
        self._stop = False
        self._is_to_commit = False
        self._task = asyncio.create_task(self._run())
        return self

    async def _run(self):
        while not self._stop:
            for some in (await self._reader.getmany(timeout_ms=100)).values():
                self.records.extend(some)
            if self._is_to_commit:
                await self._reader.commit()
                self._is_to_commit = False
        await self._reader.commit()
        await self._reader.stop()

    async def has(self, partitions):
        await self.wait(
            lambda: len(self._reader.assignment()) == partitions, f"{partitions} partitions"
        )

    async def wait(self, is_so, what):
        deadline = time.monotonic() + LIMIT
        while not is_so():
            if self._task.done():
                self._task.result()
            if time.monotonic() > deadline:
                raise AssertionError(f"not: {what}; assigned {self._reader.assignment()}")
            await asyncio.sleep(0.02)

    async def commit(self):
        """Commits what it has read."""
        self._is_to_commit = True
        await self.wait(lambda: not self._is_to_commit, "committed")

    async def leave(self):
        """Commits what it has read, and leaves."""
        self._stop = True
        await asyncio.wait_for(self._task, LIMIT)


async def two_members():
    topic, group = await new_topic(6), fresh_name("group")
    await produce(topic, 300)
    first = await Member.join(group, topic)
    await first.has(6)
    await first.wait(lambda: len(first.records) == 300, "300 records")
    await first.commit()
    joining = asyncio.create_task(Member.join(group, topic))
    await first.has(3)
    second = await joining
    await second.has(3)
    await produce(topic, 600, first=300)

    def are_read():
        numbers = {number_of(record) for record in first.records + second.records}
        return numbers == set(range(600))

    await first.wait(are_read, "600 records")
    await first.commit()
    await second.leave()
    await first.has(6)
    await first.leave()
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    offsets = await admin.list_consumer_group_offsets(group)
    equal("sum of the offsets", sum(offset.offset for offset in offsets.values()), 600)
    await admin.close()


async def goes_on_from_commits():
    topic, group = await new_topic(2), fresh_name("group")
    for begun in range(0, 300, 100):
        await produce(topic, begun + 100, first=begun)
        reader = await consumer(topic, group_id=group)
        numbers = sorted(number_of(record) for record in await poll(reader, 100))
        equal("numbers", numbers, list(range(begun, begun + 100)))
        await reader.commit()
        committed = [await reader.committed(place) for place in reader.assignment()]
        equal("committed", sum(committed), begun + 100)
        await reader.stop()


def codes(answer):
    """Error codes by topic in an answer about topics."""
    fields = answer.to_object()
    topics = fields.get("topic_errors") or fields.get("topic_error_codes")
    return {topic["topic"]: topic["error_code"] for topic in topics}


async def topics(admin):
    topic = fresh_name("topic")
    one = NewTopic(topic, 2, 1, topic_configs={"retention.ms": "123456"})
    equal("validate only", codes(await admin.create_topics([one], validate_only=True)), {topic: 0})
    equal("listed after validate only", topic in await admin.list_topics(), False)
    equal("created", codes(await admin.create_topics([one])), {topic: 0})
    equal("listed", topic in await admin.list_topics(), True)
    again = codes(await admin.create_topics([one]))
    equal("created again", again, {topic: TOPIC_ALREADY_EXISTS})
    await admin.create_partitions({topic: NewPartitions(5)})
    described = await admin.describe_topics([topic])
    equal("partitions", len(described[0]["partitions"]), 5)
    equal("deleted", codes(await admin.delete_topics([topic])), {topic: 0})
    equal("listed after its deletion", topic in await admin.list_topics(), False)
    again = codes(await admin.delete_topics([topic]))
    equal("deleted again", again, {topic: UNKNOWN_TOPIC_OR_PARTITION})


async def configs(admin):
    topic = await new_topic(1, {"retention.bytes": "1000000"})

    async def setting(name):
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        for entry in answers[0].resources[0][4]:
            if entry[0] == name:
                return entry[1]
        raise AssertionError(f"no {name}")

    equal("retention.bytes", await setting("retention.bytes"), "1000000")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "5000"})
    await admin.alter_configs([change])
    equal("retention.ms", await setting("retention.ms"), "5000")
    equal("retention.bytes, which was not named", await setting("retention.bytes"), "-1")


async def records_deleted(admin):
    topic = await new_topic(1)
    await produce(topic, 100)
    place = TopicPartition(topic, 0)
    await admin.delete_records({place: RecordsToDelete(before_offset=40)})
    reader = await consumer()
    reader.assign([place])
    equal("beginning", await reader.beginning_offsets([place]), {place: 40})
    equal("first record", number_of((await poll(reader, 60))[0]), 40)
    await reader.stop()


async def groups(admin):
    topic, group = await new_topic(6), fresh_name("group")
    member = await Member.join(group, topic)
    await member.has(6)
    equal("type of the listed group", dict(await admin.list_consumer_groups())[group], "consumer")

    async def state_and_members():
        described = await admin.describe_consumer_groups([group])
        _, _, state, _, _, members = described[0].groups[0][:6]
        return state, len(members)

    equal("state and members", await state_and_members(), ("Stable", 1))
    coordinator = await admin.find_coordinator(group)
    cluster = await admin.describe_cluster()
    equal("coordinator", coordinator, cluster["brokers"][0]["node_id"])
    await member.leave()
    equal("state and members after", await state_and_members(), ("Empty", 0))


async def with_admin(check):
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    await check(admin)
    await admin.close()


async def main():
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        await checks.await_(f"producer, {codec}", round_trip, {"compression_type": codec})
    await checks.await_("idempotent producer", round_trip, {"enable_idempotence": True})
    await checks.await_("acks 0", round_trip, {"acks": 0})
    await checks.await_("null and empty keys and values", empty_records)
    await checks.await_("record above max.message.bytes", too_large)
    await checks.await_("topic created on first use", created_on_use)
    await checks.await_("seek, bounds, offsets for times", seek_and_times)
    await checks.await_("group of two members", two_members)
    await checks.await_("group goes on from its commits", goes_on_from_commits)
    for title, check in {
        "topics": topics,
        "settings": configs,
        "deleted records": records_deleted,
        "groups": groups,
    }.items():
        await checks.await_(f"admin: {title}", with_admin, check)


asyncio.run(main())
