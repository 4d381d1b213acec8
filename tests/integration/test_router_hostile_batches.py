"""Batches that no client library builds, on the real broker: each is set aside, and the shard goes on behind it."""

import time

from switchboard.journal.codec import KEPT_BYTES
from switchboard.kafka.batch_codecs import BatchLimits
from switchboard.kafka.topics import Topic
from switchboard.tools.dead_letters import DeadLetter, read_letter
from tests.attacks.batches import Batch, Codec, Poster, batch_of, batch_of_blanks, with_empty_headers
from tests.batches import record
from tests.routers import Bus, a_bus

LIMITS = BatchLimits()
NOW_MS = int(time.time() * 1000)
"""A broker deletes segments older than 7 days when it looks, 30 s after its start and then each 5 minutes: records of
an older time might be gone before they are checked."""

HOSTILE: dict[str, tuple[Batch, str, str]] = {
    "a value that unpacks to 700 MB": (batch_of_blanks(700_000_000), "too-large", "unpack to more than"),
    "a value of 20 MB": (batch_of_blanks(20_000_000), "too-large", "20000000 bytes; at most 65536 are taken"),
    "a million records": (
        batch_of([record(place, b"{}") for place in range(LIMITS.records + 1)], Codec.ZSTD),
        "too-large",
        f"a batch of {LIMITS.records + 1} records",
    ),
    "ten million headers": (batch_of([with_empty_headers(10_000_000)], Codec.ZSTD), "undecodable", "10000000 headers"),
    "headers within a megabyte": (batch_of([with_empty_headers(524_220)]), "undecodable", "524220 headers"),
    "lists in 255 levels": (batch_of([record(0, b"[" * 255 + b"]" * 255)]), "undecodable", "nested too deep"),
    "half a megabyte of headers": (
        batch_of([record(0, b"{}", headers=((b"h", b"x" * 500_000),))]), "undecodable", "1 headers of 500",
    ),
    "a key of a megabyte": (batch_of([record(0, b"[", key=b"k" * 1_040_000)]), "not-json", ""),
}  # fmt: skip
"""What is sent, the dead letter's reason, and what its detail holds."""


def letters(bus: Bus) -> list[DeadLetter]:
    """The dead letters that came so far."""
    return [read_letter(each) for each in bus.dead]


async def test_no_batch_stops_a_shard(broker_bootstrap: str, bus_prefix: str) -> None:
    """Each is one dead letter with its place and its reason; a router that starts afterwards reads behind all of them.

    Each of these ended every router, and ended it again after each restart.
    """
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        name = bus.names.of(Topic.CHAT_ARRIVAL)
        async with Poster(broker_bootstrap, [name]) as poster:
            for number, (batch, reason, detail) in enumerate(HOSTILE.values()):
                first = await poster.send(name, 0, batch.encode(NOW_MS))
                await bus.until(lambda number=number: len(bus.dead) == number + 1, 45)  # type: ignore[misc]
                letter = letters(bus)[-1]
                assert (letter.reason, letter.source) == (reason, (name, 0, first)), letter
                assert detail in letter.detail
                is_batch = batch.records > 1 or batch.unpacked > LIMITS.size
                assert letter.last_offset == (first + batch.records - 1 if is_batch else None)
                assert len(letter.value or b"") <= KEPT_BYTES
                assert letter.obstacle is not None or reason in {"undecodable", "not-json"}
        await bus.arrive("behind-them")
        await bus.until_decided("chat-queued", "behind-them")
        await router.stop()
        async with bus.router() as another:
            await bus.arrive("of-another")
            await bus.until_decided("chat-queued", "of-another")
            await another.stop()
        await bus.check()


async def test_a_bad_header_name_in_a_large_batch_costs_one_step_each_thousand(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """The records before and behind it are read, and the router keeps its session meanwhile."""
    many = 200_000
    records = [record(place, b'{"type":"agent-heartbeat","agent_id":"a"}') for place in range(many - 1)]
    records.append(record(many - 1, b'{"type":"agent-logged-in","agent_id":"last"}', headers=((b"\xff", b"x"),)))
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        name = bus.names.of(Topic.AGENT_PRESENCE)
        async with Poster(broker_bootstrap, [name]) as poster:
            await poster.send(name, 0, batch_of(records, Codec.ZSTD).encode(NOW_MS))
        await bus.until(lambda: any(event["data"].get("agent_id") == "last" for event in bus.journaled), 45)
        assert len(bus.journaled) == many
        assert "opened again" not in router.log
        await router.stop()


async def test_records_that_lie_about_their_offsets_keep_no_shard_from_starting(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """A broker counts the records of an uncompressed batch, and takes whatever offsets they say.

    Taken from the record, the next offset to read was a million behind the partition's end, and it was committed: each
    router that started afterwards ended with the message that records are gone.
    """
    lying = batch_of([record(0, b'{"chat_id":"before"}'), record(1_000_000, b'{"chat_id":"far"}')])
    plain = record(0, b'{"chat_id":"odd"}')
    odd = batch_of([plain[:1] + b"\xff" + plain[2:]])  # attributes that nothing defines: aiokafka reads a number there
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        name = bus.names.of(Topic.CHAT_ARRIVAL)
        async with bus.router() as router, Poster(broker_bootstrap, [name]) as poster:
            await bus.arrive("first")
            await bus.until_decided("chat-queued", "first")  # so the new topic has a leader that takes batches
            await poster.send(name, 0, odd.encode(NOW_MS))
            first = await poster.send(name, 0, lying.encode(NOW_MS))
            await bus.until_decided("chat-queued", "odd")
            await bus.until_decided("chat-queued", "before")
            await bus.until(lambda: len(bus.dead) == 1, 45)
            [letter] = letters(bus)
            assert (letter.reason, letter.source, letter.last_offset) == (
                "undecodable",
                (name, 0, first + 1),
                first + 1,
            )
            await router.stop()
        async with bus.router() as another:
            await bus.arrive("of-another")
            await bus.until_decided("chat-queued", "of-another")
            await another.stop()
        await bus.check()
