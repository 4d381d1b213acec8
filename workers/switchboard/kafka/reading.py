"""Partitions read from their beginnings to an end, committed records only, in no group.

Ends and positions are compared, not offsets of records: control records and compaction leave holes, also at the end.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from switchboard.errors import ReadingError, StalledError
from switchboard.kafka.clients import TRANSACTION_TIMEOUT_MS, Connection, learn, reader

STABLE_SECONDS: Final = TRANSACTION_TIMEOUT_MS / 1000 + 20
"""A hung transaction ends within its timeout and the 10 s that the broker takes to notice; then as much again."""

STALLED_SECONDS: Final = 30
"""A reading that got no further for so long is given up."""

Offsets: TypeAlias = dict[TopicPartition, int]

Batches: TypeAlias = AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]
"""Records as they come in, some of one partition at a time: each partition's in order, the partitions in any."""


@asynccontextmanager
async def started(consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer started, knowing these topics; stopped at the end."""
    try:
        await consumer.start()
        await learn(consumer, {tp.topic for tp in tps})
        yield consumer
    finally:
        await consumer.stop()


async def read_between(consumer: AIOKafkaConsumer, begins: Offsets, ends: Offsets) -> Batches:
    """All records from these offsets up to these ends, by a started consumer that has nothing else to do.

    Raises:
        StalledError: nothing came for half a minute.
    """
    consumer.assign(list(ends))
    for tp in ends:
        # Besides auto_offset_reset="earliest": without it a reading could race with the reset and read nothing.
        consumer.seek(tp, begins[tp])
    reached = {tp: begins[tp] for tp in ends}
    moved_at = time.monotonic()
    while behind := [tp for tp, end in ends.items() if reached[tp] < end]:
        for tp, records in (await consumer.getmany(*behind, timeout_ms=100)).items():
            end = ends[tp]
            kept = records if records[-1].offset < end else [record for record in records if record.offset < end]
            if kept:
                yield tp, kept
        before, reached = reached, {tp: await consumer.position(tp) for tp in ends}
        if reached != before:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALLED_SECONDS:
            raise StalledError(
                f"reading stalled for {STALLED_SECONDS} s: {_told(behind, reached, ends)}; is a broker away?"
            )


@asynccontextmanager
async def read_to_now(
    conn: Connection, tps: Iterable[TopicPartition], *, stable_within: float = STABLE_SECONDS
) -> AsyncIterator[Batches]:
    """Partitions from their beginnings to where they end now.

    1. see how far each partition reaches, committed or not;
    2. wait until all up to there is decided: the last stable offset has come up to it;
    3. read from the beginning up to there, what is committed.

    Args:
        conn: the cluster.
        tps: the partitions.
        stable_within: seconds to wait for open transactions.

    Raises:
        ReadingError: a transaction stayed open, or the reading stalled.
    """
    async with _settled(conn, list(tps), stable_within) as (consumer, ends):
        yield read_between(consumer, await consumer.beginning_offsets(list(ends)), ends)


@asynccontextmanager
async def read_to(conn: Connection, ends: Offsets) -> AsyncIterator[Batches]:
    """Partitions from their beginnings to ends that are known, from `ends_of`.

    Raises:
        ReadingError: the reading stalled.
    """
    async with started(reader(conn), ends) as consumer:
        yield read_between(consumer, await consumer.beginning_offsets(list(ends)), ends)


async def ends_of(conn: Connection, tps: Iterable[TopicPartition]) -> Offsets:
    """Where the partitions end now, once all that was written until now is committed or aborted.

    Raises:
        ReadingError: a transaction stayed open.
    """
    async with _settled(conn, list(tps), STABLE_SECONDS) as (_, ends):
        return ends


class Partition:
    """One partition as it stood at a moment, record by record."""

    def __init__(self, first: int, batches: Batches) -> None:
        self.first = first
        """The offset from which on there is something: above 0 where retention has deleted what stood before."""
        self._batches = batches
        self._ready: deque[ConsumerRecord] = deque()

    async def next(self) -> ConsumerRecord | None:
        """The next record; None at the end.

        Raises:
            StalledError: nothing came for half a minute.
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
    """A partition from `begin`, or from its first record where that is later, up to `end`."""
    async with started(reader(conn), [tp]) as consumer:
        first = (await consumer.beginning_offsets([tp]))[tp]
        yield Partition(first, read_between(consumer, {tp: max(first, begin)}, {tp: end}))


@asynccontextmanager
async def _settled(
    conn: Connection, tps: list[TopicPartition], within: float
) -> AsyncIterator[tuple[AIOKafkaConsumer, Offsets]]:
    """A consumer that has read nothing yet, and where the partitions end now, all up to there being decided."""
    async with started(reader(conn, committed=False), tps) as all_there_is:
        ends: Offsets = await all_there_is.end_offsets(tps)
    async with started(reader(conn), tps) as consumer:
        until = time.monotonic() + within
        while True:
            # Asked with read_committed, the end is the last stable offset.
            stable = await consumer.end_offsets(tps)
            behind = [tp for tp, end in ends.items() if stable[tp] < end]
            if not behind:
                break
            if time.monotonic() > until:
                raise ReadingError(f"a transaction stayed open for {within:g} s: {_told(behind, stable, ends)}")
            await asyncio.sleep(0.05)
        yield consumer, ends


def _told(tps: list[TopicPartition], reached: Offsets, ends: Offsets) -> str:
    return ", ".join(f"{tp.topic}/{tp.partition} at {reached[tp]} of {ends[tp]}" for tp in tps)
