"""A restore reads every row to its end, whatever else is in the log, and nothing that was not committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from switchboard.errors import RestoreError
from switchboard.kafka.clients import Connection, transactional_producer
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.reading import restore
from switchboard.kafka.topics import ROWS, Topic, TopicNames
from tests.integration.conftest import ReadAll


@asynccontextmanager
async def stranger(conn: Connection, name: str, *, timeout_ms: int = 60_000) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer with an id that nobody fences."""
    producer = transactional_producer(conn, name, timeout_ms=timeout_ms)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@pytest.fixture
async def ledger(conn: Connection, names: TopicNames) -> AsyncIterator[Ledger]:
    """The ledger of shard 0, open."""
    ledger = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await ledger.open()
    yield ledger
    await ledger.close()


async def test_an_empty_shard_has_no_rows(conn: Connection, names: TopicNames) -> None:
    """The first start of all finds nothing, at once."""
    assert await restore(conn, names, 0) == {topic: {} for topic in ROWS}


async def test_the_latest_committed_value_of_each_key_is_restored(
    conn: Connection,
    names: TopicNames,
    ledger: Ledger,
    read_all: ReadAll,
) -> None:
    """Aborted transactions, control records at the end, tombstones and many batches: just the live rows come back."""
    wanted: dict[bytes, bytes] = {}
    for turn in range(5):
        batch = CommitBatch()
        for number in range(turn * 100, turn * 100 + 1000):
            key, value = b"default/c-%d" % number, b"%d:" % turn + b"x" * 2000
            batch.add(Topic.OPEN_CHATS, key, value)
            wanted[key] = value
        for number in range(turn * 50, turn * 50 + 25):
            batch.add(Topic.OPEN_CHATS, b"default/c-%d" % number, None)
            wanted.pop(b"default/c-%d" % number, None)
        batch.add(Topic.SHARD_PROGRESS, b"clock", b"%d" % turn)
        await ledger.commit(batch)
        async with stranger(conn, f"{names.prefix}aborts") as other:
            await other.begin_transaction()
            for topic in ROWS:
                await other.send_and_wait(names.of(topic), b"never", key=b"default/c-999", partition=0)
            await other.abort_transaction()
    rows = await restore(conn, names, 0)
    assert rows[Topic.OPEN_CHATS] == wanted
    assert rows[Topic.SHARD_PROGRESS] == {b"clock": b"4"}
    assert rows[Topic.AGENT_CAPACITY] == {}
    # The log really ends in something that is no row of ours.
    assert (await read_all(Topic.OPEN_CHATS, committed=False))[-1].value == b"never"


async def test_another_shard_is_not_read(conn: Connection, names: TopicNames, ledger: Ledger) -> None:
    """A shard restores its own partition, which holds all that is its and nothing else."""
    batch = CommitBatch()
    batch.add(Topic.AGENT_CAPACITY, b"default/a-1", b"{}")
    await ledger.commit(batch)
    assert (await restore(conn, names, 1))[Topic.AGENT_CAPACITY] == {}
    assert (await restore(conn, names, 0))[Topic.AGENT_CAPACITY] == {b"default/a-1": b"{}"}


@pytest.mark.parametrize(("commits", "value"), [(True, b"after"), (False, b"before")])
async def test_an_open_transaction_is_waited_for(
    conn: Connection,
    names: TopicNames,
    ledger: Ledger,
    value: bytes,
    *,
    commits: bool,
) -> None:
    """What is behind another's open transaction can't be read yet: the restore waits until it has ended, either way."""
    batch = CommitBatch()
    batch.add(Topic.AGENT_CAPACITY, b"default/a-1", b"before")
    await ledger.commit(batch)
    async with stranger(conn, f"{names.prefix}open") as other:
        await other.begin_transaction()
        await other.send_and_wait(names.of(Topic.AGENT_CAPACITY), b"after", key=b"default/a-1", partition=0)
        later = CommitBatch()
        later.add(Topic.AGENT_CAPACITY, b"default/a-2", b"later")
        await ledger.commit(later)
        restoring = asyncio.create_task(restore(conn, names, 0))
        done, _ = await asyncio.wait([restoring], timeout=1)
        assert not done
        await (other.commit_transaction() if commits else other.abort_transaction())
        rows = await asyncio.wait_for(restoring, 10)
    assert rows[Topic.AGENT_CAPACITY] == {b"default/a-1": value, b"default/a-2": b"later"}


async def test_a_transaction_that_stays_open_is_named(conn: Connection, names: TopicNames) -> None:
    """The wait is bounded: then the error says which topic it is and how far it could be read."""
    async with stranger(conn, f"{names.prefix}hangs") as other:
        await other.begin_transaction()
        await other.send_and_wait(names.of(Topic.OPEN_CHATS), b"hanging", key=b"default/c-1", partition=0)
        with pytest.raises(RestoreError, match=r"a transaction stayed open for 1 s: .*open-chats/0 at 0 of 1"):
            await restore(conn, names, 0, stable_within=1)
        await other.abort_transaction()


async def test_a_dead_owners_transaction_does_not_hold_up_a_takeover(
    conn: Connection,
    names: TopicNames,
    ledger: Ledger,
) -> None:
    """Opening the shard's ledger aborts what its last owner left open, so the restore need not wait for a timeout."""
    producer = ledger._producer
    assert producer is not None
    await producer.begin_transaction()
    await producer.send_and_wait(names.of(Topic.OPEN_CHATS), b"lost", key=b"default/c-1", partition=0)
    successor = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await successor.open()
    rows = await asyncio.wait_for(restore(conn, names, 0), 5)
    assert rows[Topic.OPEN_CHATS] == {}
    await successor.close()
