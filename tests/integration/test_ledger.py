"""The ledger on a real broker: a commit is visible whole or not at all, and a ledger that lost is never used again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ProducerFenced

from switchboard.dev.local_broker import LocalBroker
from switchboard.errors import FencedError, LedgerLostError
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import BATCH_BYTES, Connection, session
from switchboard.kafka.ledger import CLEAN_STOP_SECONDS, CommitBatch, Ledger
from switchboard.kafka.reading import restore
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.integration.conftest import ReadAll, journaled
from tests.waiting import eventually

STREAMS = (Topic.JOURNAL, Topic.ASSIGNMENT, Topic.OPEN_CHATS, Topic.SHARD_PROGRESS)


def frame(number: int, *, chat: bytes | None = b'{"stage":"waiting"}') -> CommitBatch:
    """A commit of one frame with one decision, one row and the progress."""
    batch = journaled(number)
    batch.add(Topic.ASSIGNMENT, b"c-1", b"decision %d" % number, [("ce_type", b"chat-queued")])
    batch.add(Topic.OPEN_CHATS, b"default/c-1", chat)
    batch.add(Topic.SHARD_PROGRESS, b"clock", b"%d" % number)
    return batch


async def test_a_commit_is_read_as_it_was_written(conn: Connection, names: TopicNames, read_all: ReadAll) -> None:
    """Keys, values, tombstones, headers and order arrive, all in the shard's own partition."""
    ledger = Ledger(conn, f"{names.prefix}shard-1", names, 1)
    await ledger.open()
    await ledger.commit(frame(0))
    await ledger.commit(frame(1, chat=None))
    await ledger.close()
    journal = await read_all(Topic.JOURNAL, 1)
    assert [(each.key, each.value) for each in journal] == [(None, b'{"n":0}'), (None, b'{"n":1}')]
    assert journal[0].headers == (("rules", b"1"), ("format", b"1"))
    assert [each.value for each in await read_all(Topic.OPEN_CHATS, 1)] == [b'{"stage":"waiting"}', None]
    decisions = await read_all(Topic.ASSIGNMENT, 1)
    assert [each.value for each in decisions] == [b"decision 0", b"decision 1"]
    assert decisions[0].headers == (("ce_type", b"chat-queued"),)
    assert await read_all(Topic.JOURNAL, 0) == []


async def narrow(conn: Connection, names: TopicNames, topic: Topic) -> None:
    """Have the broker take batches of 300 bytes at most for the topic."""
    async with session(conn) as client:
        limit = {"max.message.bytes": "300"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, names.of(topic), limit)])

    async def is_refused() -> bool:
        # The broker learns of the change a little after the controller took it.
        async with opened(conn, names, "probe", 1) as probe:
            try:
                await probe.commit(large(topic))
            except LedgerLostError:
                return True
        return False

    await eventually(is_refused)


def large(topic: Topic) -> CommitBatch:
    """A commit of one record of 400 bytes."""
    batch = CommitBatch()
    batch.add(topic, b"c-1", b"x" * 400)
    return batch


@asynccontextmanager
async def opened(conn: Connection, names: TopicNames, name: str, shard: int = 0) -> AsyncIterator[Ledger]:
    """A ledger, open, and closed at the end."""
    ledger = Ledger(conn, f"{names.prefix}{name}", names, shard)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.mark.parametrize("rows", [1, 3000])
async def test_a_rejected_batch_makes_nothing_visible(
    conn: Connection,
    names: TopicNames,
    read_all: ReadAll,
    rows: int,
) -> None:
    """The broker rejects one topic's batch: none of the commit is seen, and the ledger refuses further use."""
    await narrow(conn, names, Topic.ASSIGNMENT)
    async with opened(conn, names, "shard-0") as ledger:
        await ledger.commit(frame(0))
        bad = frame(1)
        bad.add(Topic.ASSIGNMENT, b"c-1", b"x" * 400)
        for number in range(rows):
            bad.add(Topic.OPEN_CHATS, b"default/c-%d" % number, b"y" * 2000)
        for refused in (bad, frame(2)):
            with pytest.raises(LedgerLostError, match="MESSAGE_SIZE_TOO_LARGE"):
                await ledger.commit(refused)
    # Reopening aborts what was left open: what the broker did take stays unseen for ever.
    async with opened(conn, names, "shard-0") as ledger:
        await ledger.commit(frame(3))
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}', b'{"n":3}']
    assert {len(await read_all(topic)) for topic in STREAMS} == {2}
    assert b'{"n":1}' in {each.value for each in await read_all(Topic.JOURNAL, committed=False)}


async def test_a_missing_topic_makes_nothing_visible(conn: Connection, names: TopicNames, read_all: ReadAll) -> None:
    """A topic that is deleted under a router: its commits fail as a whole, within their deadline."""
    async with opened(conn, names, "shard-0") as ledger:
        await ledger.commit(frame(0))
        async with session(conn) as client:
            await client.delete_topics([names.of(Topic.ASSIGNMENT)])
        with pytest.raises(LedgerLostError):  # noqa: PT012 - which one fails is the broker's to say
            for number in range(1, 100):
                await ledger.commit(frame(number), within=3)
    async with opened(conn, names, "shard-0"):
        numbers = [each.value for each in await read_all(Topic.JOURNAL)]
    # Until the deletion reaches the broker commits may succeed, each of them whole.
    assert len(numbers) == len(await read_all(Topic.OPEN_CHATS)) == len(await read_all(Topic.SHARD_PROGRESS))
    assert len(numbers) < 100


async def test_a_zombie_is_fenced_and_does_not_fence_back(
    conn: Connection,
    names: TopicNames,
    read_all: ReadAll,
) -> None:
    """Who held the shard before can commit nothing more, and does not trouble the one who holds it now."""
    async with opened(conn, names, "shard-0") as zombie:
        await zombie.commit(frame(0))
        async with opened(conn, names, "shard-0") as owner:
            with pytest.raises(FencedError):
                await zombie.commit(frame(101))
            with pytest.raises(FencedError):
                await zombie.commit(frame(102))
            await owner.commit(frame(1))
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}', b'{"n":1}']
    assert {len(await read_all(topic)) for topic in STREAMS} == {2}


async def test_what_a_zombie_left_open_is_aborted(conn: Connection, names: TopicNames, read_all: ReadAll) -> None:
    """Killed, or fenced, between writing and committing: what was written is never seen."""
    async with opened(conn, names, "shard-0") as zombie:
        await zombie.commit(frame(0))
        producer = zombie._producer
        assert producer is not None
        await producer.begin_transaction()
        await producer.send_and_wait(names.of(Topic.JOURNAL), b'{"n":101}', partition=0)
        async with opened(conn, names, "shard-0") as owner:
            await owner.commit(frame(1))
            with pytest.raises(ProducerFenced):
                await producer.commit_transaction()
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}', b'{"n":1}']
    assert b'{"n":101}' in {each.value for each in await read_all(Topic.JOURNAL, committed=False)}


async def test_several_megabytes_are_one_commit(conn: Connection, names: TopicNames, read_all: ReadAll) -> None:
    """A commit larger than a batch is split over several, in order, and all of it is seen."""
    batch = frame(0)
    wanted = [b"%d" % number + b"y" * 2000 for number in range(3000)]
    for number, value in enumerate(wanted):
        batch.add(Topic.AGENT_CAPACITY, b"default/a-%d" % number, value)
        batch.add(Topic.ASSIGNMENT, b"a-%d" % number, value)
    async with opened(conn, names, "shard-0") as ledger:
        await ledger.commit(batch)
    assert [each.value for each in await read_all(Topic.AGENT_CAPACITY)] == wanted
    assert [each.value for each in await read_all(Topic.ASSIGNMENT)] == [b"decision 0", *wanted]


async def test_a_record_too_large_for_a_batch_is_refused_before_it_is_sent(
    conn: Connection,
    names: TopicNames,
    read_all: ReadAll,
) -> None:
    """Such a record is the caller's mistake: it is named, nothing is written, and the ledger goes on."""
    async with opened(conn, names, "shard-0") as ledger:
        bad = frame(0)
        bad.add(Topic.DEAD_LETTER, None, b"z" * BATCH_BYTES)
        with pytest.raises(ValueError, match="a record for dead-letter"):
            await ledger.commit(bad)
        await ledger.commit(frame(1))
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":1}']


async def test_a_commit_that_hangs_ends_within_its_deadline(private_broker: LocalBroker) -> None:
    """A broker that is there and says nothing: the commit fails in time, and nothing of the producer goes on."""
    conn, names = Connection(private_broker.bootstrap), TopicNames()
    await create_topics(conn, TopicPlan(names, replication=1, min_insync=1))
    ledger = Ledger(conn, "shard-0", names, 0)
    await ledger.open()
    await ledger.commit(frame(0))
    private_broker.suspend()
    began = time.monotonic()
    with pytest.raises(LedgerLostError, match="its deadline passed"):
        await ledger.commit(frame(1), within=2)
    await ledger.close()
    assert time.monotonic() - began < 2 + CLEAN_STOP_SECONDS
    assert asyncio.all_tasks() == {asyncio.current_task()}
    private_broker.resume()
    async with opened(conn, names, "shard-0") as again:
        await again.commit(frame(2))


async def test_closing_while_the_broker_hangs_is_bounded(private_broker: LocalBroker) -> None:
    """A stop does not wait for a broker that says nothing, not even with a commit under way."""
    conn, names = Connection(private_broker.bootstrap), TopicNames()
    await create_topics(conn, TopicPlan(names, replication=1, min_insync=1))
    ledger = Ledger(conn, "shard-0", names, 0)
    await ledger.open()
    private_broker.suspend()
    under_way = asyncio.create_task(ledger.commit(frame(0)))
    await asyncio.wait([under_way], timeout=0.2)
    began = time.monotonic()
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    await ledger.close()
    assert time.monotonic() - began < CLEAN_STOP_SECONDS
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_broker_restart_in_a_commit_is_survived(private_broker: LocalBroker) -> None:
    """The broker dies and comes back while a commit waits: it is made once, by the same ledger."""
    conn, names = Connection(private_broker.bootstrap), TopicNames()
    await create_topics(conn, TopicPlan(names, replication=1, min_insync=1))
    async with opened(conn, names, "shard-0") as ledger:
        await ledger.commit(frame(0))
        private_broker.kill()
        commit = asyncio.create_task(ledger.commit(frame(1), within=60))
        await asyncio.to_thread(private_broker.start)
        await commit
        await ledger.commit(frame(2))
    rows = await restore(conn, names, 0)
    assert rows[Topic.SHARD_PROGRESS] == {b"clock": b"2"}
