"""Reading of committed records: the partitions of topics, their records up to an end, and the rows of a shard."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from switchboard.errors import ReadingError, RestoreError, StalledError, WrongTopicsError
from switchboard.kafka.admin import describe
from switchboard.kafka.aiokafka_patches import learn
from switchboard.kafka.clients import TRANSACTION_TIMEOUT_MS, Connection, in_words, reader, session
from switchboard.kafka.topics import ROWS, Topic, TopicNames


async def partitions_of(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of the existing topics among these: topics in the order given, partitions ascending.

    Asks an admin client: a consumer's `partitions_for_topic` knows only topics whose metadata the consumer has
    requested before, and `topics()` requests none.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: the right to describe a topic is missing.
    """
    wanted = list(topics)
    async with session(conn) as client:
        there = await describe(client, wanted)
    return [
        TopicPartition(name, partition)
        for name in wanted
        for partition in sorted(each["partition"] for each in there.get(name, ()))
    ]


async def require_partitions(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of topics that have to exist; a consumer would wait for a missing topic without end.

    Raises:
        WrongTopicsError: topics are missing; the message names them.
        BrokerAwayError, NotAllowedError: as `partitions_of`.
    """
    wanted = list(dict.fromkeys(topics))
    tps = await partitions_of(conn, wanted)
    if missing := missing_from(wanted, tps):
        raise no_such_topic(missing)
    return tps


def missing_from(topics: Iterable[str], tps: Iterable[TopicPartition]) -> list[str]:
    """The topics without a partition among `tps`, in order."""
    there = {tp.topic for tp in tps}
    return [name for name in topics if name not in there]


def no_such_topic(missing: Iterable[str]) -> WrongTopicsError:
    """The error for missing topics, with the remedy."""
    return WrongTopicsError(
        f"no such topic: {', '.join(sorted(missing))}; are topic_prefix and source_prefix right? What is missing is "
        "made with: switchboard topics create (the bus's too: switchboard topics create --sources)"
    )


STABLE_SECONDS: Final = TRANSACTION_TIMEOUT_MS / 1000 + 20
"""Time to wait for open transactions. A broker aborts one that hangs within 10 s of its timeout; 10 s are to spare."""

STALLED_SECONDS: Final = 30
"""Reading ends with an error after so long without progress in any partition."""

Offsets: TypeAlias = dict[TopicPartition, int]
"""Partition -> offset. A plain (topic, partition) tuple is an equal key."""

Batches: TypeAlias = AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]
"""Lists of records of one partition each, in order within a partition; partitions alternate in any order."""


@asynccontextmanager
async def started(consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """Start the consumer, with the metadata of these topics; stop it at the end."""
    try:
        await consumer.start()
        await learn(consumer, {tp.topic for tp in tps})
        yield consumer
    finally:
        await consumer.stop()


async def read_between(consumer: AIOKafkaConsumer, begins: Offsets, ends: Offsets) -> Batches:
    """All records between these offsets (end exclusive), by a started consumer that nothing else uses.

    Raises:
        StalledError: no position moved for STALLED_SECONDS.
    """
    consumer.assign(list(ends))
    for tp in ends:
        # Without seek() the read could race with the reset to "earliest", and return nothing.
        consumer.seek(tp, begins[tp])
    reached = {tp: begins[tp] for tp in ends}
    moved_at = time.monotonic()
    while behind := [tp for tp, end in ends.items() if reached[tp] < end]:
        # 1. Pass on what was read, without records beyond the ends.
        for tp, records in (await consumer.getmany(*behind, timeout_ms=100)).items():
            end = ends[tp]
            kept = records if records[-1].offset < end else [record for record in records if record.offset < end]
            if kept:
                yield tp, kept
        # 2. Positions also move past transaction markers and aborted records, which `getmany` does not return.
        before, reached = reached, {tp: await consumer.position(tp) for tp in ends}
        if reached != before:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALLED_SECONDS:
            raise StalledError(
                f"reading stalled for {STALLED_SECONDS} s: {_progress(behind, reached, ends)}; is a broker away?"
            )


@asynccontextmanager
async def read_to_now(
    conn: Connection, tps: Iterable[TopicPartition], *, stable_within: float = STABLE_SECONDS
) -> AsyncIterator[Batches]:
    """All committed records of the partitions up to their present ends.

    1. read the end of each partition, open transactions included;
    2. wait until the last stable offset reaches each end, so that every record before it is committed or aborted;
    3. read the committed records from the beginning to these ends.

    Args:
        conn: the cluster.
        tps: the partitions.
        stable_within: seconds to wait for open transactions.

    Raises:
        ReadingError: a transaction stayed open, or reading stalled.
    """
    async with _settled(conn, list(tps), stable_within) as (consumer, ends):
        yield read_between(consumer, await consumer.beginning_offsets(list(ends)), ends)


@asynccontextmanager
async def read_to(conn: Connection, ends: Offsets) -> AsyncIterator[Batches]:
    """All committed records of the partitions up to these ends, as `ends_of` returns them.

    Raises:
        ReadingError: reading stalled.
    """
    async with started(reader(conn), ends) as consumer:
        yield read_between(consumer, await consumer.beginning_offsets(list(ends)), ends)


async def ends_of(conn: Connection, tps: Iterable[TopicPartition]) -> Offsets:
    """The present ends of the partitions, once every record before them is committed or aborted.

    Raises:
        ReadingError: a transaction stayed open.
    """
    async with _settled(conn, list(tps), STABLE_SECONDS) as (_, ends):
        return ends


class Partition:
    """The records of one partition up to a fixed end, one by one."""

    def __init__(self, first: int, batches: Batches) -> None:
        self.first = first
        """The lowest offset that still exists; above 0 if retention has deleted records."""
        self._batches = batches
        self._ready: deque[ConsumerRecord] = deque()

    async def next(self) -> ConsumerRecord | None:
        """The next record; None at the end.

        Raises:
            StalledError: the position did not move for STALLED_SECONDS.
        """
        if not self._ready:
            async for _, records in self._batches:
                self._ready.extend(records)
                break
        return self._ready.popleft() if self._ready else None

    async def __aiter__(self) -> AsyncIterator[ConsumerRecord]:
        while (record := await self.next()) is not None:
            yield record


@asynccontextmanager
async def opened(conn: Connection, tp: TopicPartition, end: int, *, begin: int = 0) -> AsyncIterator[Partition]:
    """A partition from `begin`, or from its first existing record if that is later, up to `end` (exclusive)."""
    async with started(reader(conn), [tp]) as consumer:
        first = (await consumer.beginning_offsets([tp]))[tp]
        yield Partition(first, read_between(consumer, {tp: max(first, begin)}, {tp: end}))


@asynccontextmanager
async def _settled(
    conn: Connection, tps: list[TopicPartition], within: float
) -> AsyncIterator[tuple[AIOKafkaConsumer, Offsets]]:
    """A consumer that has read nothing yet, and the present ends of the partitions.

    Waits until every record before these ends is committed or aborted.

    Raises:
        ReadingError: a transaction stayed open for `within` seconds.
    """
    async with started(reader(conn, committed=False), tps) as uncommitted:
        ends: Offsets = await uncommitted.end_offsets(tps)
    async with started(reader(conn), tps) as consumer:
        until = time.monotonic() + within
        while True:
            # For a read_committed consumer, the end is the last stable offset.
            stable = await consumer.end_offsets(tps)
            behind = [tp for tp, end in ends.items() if stable[tp] < end]
            if not behind:
                break
            if time.monotonic() > until:
                raise ReadingError(f"a transaction stayed open for {within:g} s: {_progress(behind, stable, ends)}")
            await asyncio.sleep(0.05)
        yield consumer, ends


def _progress(tps: list[TopicPartition], reached: Offsets, ends: Offsets) -> str:
    """How far each partition was read, for messages."""
    return ", ".join(f"{tp.topic}/{tp.partition} at {reached[tp]} of {ends[tp]}" for tp in tps)


Rows = dict[Topic, dict[bytes, bytes]]
"""For each row topic: the latest value of each key; deleted keys are left out."""


async def restore(conn: Connection, names: TopicNames, shard: int, *, stable_within: float = STABLE_SECONDS) -> Rows:
    """Read all rows of a shard. Open its ledger first: that ends the transaction of the last owner.

    The latest value of a key wins; a tombstone deletes the key.

    Args:
        conn: the cluster.
        names: the topics' names on the bus.
        shard: the partition to read.
        stable_within: seconds to wait for open transactions of other producers.

    Raises:
        RestoreError: a transaction stayed open, or reading stalled.
    """
    topics = {TopicPartition(names.of(topic), shard): topic for topic in ROWS}
    rows: Rows = {topic: {} for topic in ROWS}
    try:
        async with read_to_now(conn, topics, stable_within=stable_within) as batches:
            async for tp, records in batches:
                table = rows[topics[tp]]
                for record in records:
                    if record.value is None:
                        table.pop(record.key, None)
                    else:
                        table[record.key] = record.value
    except ReadingError as cause:
        raise RestoreError(str(cause)) from cause
    except (KafkaError, TimeoutError) as cause:
        raise RestoreError(f"the rows of shard {shard} could not be read: {in_words(cause)}") from cause
    return rows
