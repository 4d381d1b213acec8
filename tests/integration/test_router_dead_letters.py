"""What can't be taken is set aside, byte for byte, with the reason; the good events around it are served."""

import asyncio
import shutil
from asyncio.subprocess import PIPE

import pytest
from aiokafka.structs import ConsumerRecord

from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, REASONS
from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus

OWN = ("reason", "detail", "source-topic", "source-partition", "source-offset", "original-size")

BAD: tuple[tuple[Topic, bytes | None, str, str], ...] = (
    (Topic.CHAT_ARRIVAL, None, "no-value", "the record has no value"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"x' + b"x" * MAX_VALUE_BYTES + b'"}', "too-large", "65551 bytes"),
    (Topic.CHAT_LIFECYCLE, b"[" * 255 + b"]" * 255, "undecodable", "at most 64 levels"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":%s}' % (b"[" * 255 + b"]" * 255), "undecodable", "at most 64 levels"),
    (Topic.CHAT_ARRIVAL, b"\xff\x00 chat", "not-json", ""),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"c","attributes":{"a":NaN}}', "not-json", ""),
    (Topic.CHAT_ACCEPTED, b"", "not-json", ""),
    (Topic.REQUEST_CHAT, b'["ana"]', "not-an-object", ""),
    (Topic.CHAT_LIFECYCLE, b'{"chat_id":"c"}', "unknown-type", ""),
    (Topic.AGENT_PRESENCE, b'{"type":"agent-promoted","agent_id":"ana"}', "unknown-type", "agent-promoted"),
    (
        Topic.CHAT_LIFECYCLE,
        b'{"type":"pool-configured","pool":"default","config":{}}',
        "unknown-type",
        "routing-config",
    ),
    (Topic.CHAT_ACCEPTED, b'{"chat_id":"c"}', "schema", "/agent_id required"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":null}', "schema", "/chat_id type"),
    (Topic.AGENT_PRESENCE, b'{"type":"agent-logged-in","agent_id":"a","max_sessions":0}', "schema", "/max_sessions"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"c","pool":"no such pool!"}', "schema", "/pool"),
    (Topic.ROUTING_CONFIG, b'{"pool":"default","config":{"queues":[],"profiles":[]}}', "schema", "/config/queues"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"c","arrived_at":"yesterday"}', "bad-time", "/arrived_at"),
)
"""(topic, value, reason, what its detail holds)."""


def told(record: ConsumerRecord) -> dict[str, str]:
    """The headers that tell why, as text."""
    return {name: value.decode() for name, value in record.headers if name in OWN}


async def test_each_reason_is_told_and_the_good_events_around_are_served(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Every bad record between two good ones: it arrives as it was, the good ones are decided on, and it is counted."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        for number, (topic, value, _, _) in enumerate(BAD):
            await bus.arrive(f"good-{number}")
            await bus.say(
                topic, value, key=b"k\xff%d" % number, headers=[("trace", b"\x00\xfe"), ("n", b"%d" % number)]
            )
        await bus.arrive("good-last")
        await bus.until(lambda: len(bus.dead) == len(BAD) and "good-last" in bus.ids("chat-queued"), 45)
        assert len(bus.ids("chat-queued")) == len(BAD) + 1
        by_key = {record.key: record for record in bus.dead}
        for number, (topic, value, reason, detail) in enumerate(BAD):
            record = by_key[b"k\xff%d" % number]
            why = told(record)
            assert (why["reason"], why["source-topic"]) == (reason, bus.names.of(topic)), why
            assert detail in why["detail"]
            assert record.value == (value[:KEPT_BYTES] if value and reason == "too-large" else value)
            assert record.headers[:2] == (("trace", b"\x00\xfe"), ("n", b"%d" % number))
            assert why.get("original-size") == (str(len(value)) if value and reason == "too-large" else None)
        metrics = await router.metrics()
        for reason in REASONS[:-1]:
            expected = sum(each[2] == reason for each in BAD)
            assert metrics[f'switchboard_dead_letters_total{{reason="{reason}"}}'] == expected
        await router.stop()
        await bus.check()


async def test_a_bad_record_belongs_to_its_pools_shard(broker_bootstrap: str, bus_prefix: str) -> None:
    """Of two shards its pool's sets it aside, and no other; of one that tells no pool it is the shard of `default`."""
    pools = ("a", "b", "c", "d", "e", "f")
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus, bus.router() as router:
        for pool in pools:
            await bus.say(Topic.CHAT_ARRIVAL, {"pool": pool})
        await bus.say(Topic.CHAT_ARRIVAL, b"{")
        for pool in (*pools, "default"):
            await bus.arrive(f"of-{pool}", pool=pool)
        await bus.until(lambda: len(bus.dead) == len(pools) + 1 and len(bus.ids("chat-queued")) == len(pools) + 1, 45)
        shard_of = {each["pool"]: each["id"].split("/")[1] for each in bus.of("chat-queued")}
        assert set(shard_of.values()) == {"0", "1"}
        for record in bus.dead:
            pool = next((pool for pool in pools if f'"{pool}"'.encode() in record.value), "default")
            assert str(record.partition) == shard_of[pool]
        await router.stop()
        await bus.check()


@pytest.fixture
def kcat() -> str:
    """The command that writes what no Python client would."""
    found = shutil.which("kcat")
    assert found, "kcat is needed: apt-get install kcat"
    return found


async def test_a_record_that_breaks_the_client_does_not_stop_a_shard(
    broker_bootstrap: str, bus_prefix: str, kcat: str
) -> None:
    """A header's name that is no UTF-8 is any producer's to write: the events behind it are served all the same."""

    async def write(bus: Bus, value: bytes) -> None:
        arguments = ["-P", "-b", broker_bootstrap, "-t", bus.names.of(Topic.CHAT_ARRIVAL), "-p", "0", "-H"]
        process = await asyncio.create_subprocess_exec(kcat, *arguments, b"\xff\xfe=x", stdin=PIPE)
        await process.communicate(value)
        assert process.returncode == 0

    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        await router.ready()
        await write(bus, b'{"chat_id":"odd"}')
        await bus.arrive("behind")
        await bus.until_decided("chat-queued", "behind")
        assert bus.ids("chat-queued") == ["odd", "behind"]
        assert router.process.returncode is None
