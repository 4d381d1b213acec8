"""Partitions read from beginning to end, committed records only, in no group."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.structs import TopicPartition

from switchboard.kafka.clients import Connection, learn, reader

STABLE_SECONDS: Final = 30.0
"""A transaction that somebody left open ends within its timeout and the broker's sweep: 20 s at most for ours."""
STALLED_SECONDS: Final = 30.0


class ReadingError(Exception):
    """A partition could not be read to its end; the message says which and why."""


class Partition:
    """One partition as it stood at a moment, record by record."""

    def __init__(self, consumer: AIOKafkaConsumer, tp: TopicPartition, first: int, end: int) -> None:
        self.first = first
        """The offset from which on there is something: above 0 where retention has deleted what stood before."""
        self._consumer = consumer
        self._tp = tp
        self._end = end
        self._ready: deque[ConsumerRecord] = deque()

    async def next(self) -> ConsumerRecord | None:
        """The next record; None at the end.

        Raises:
            ReadingError: nothing came for half a minute.
        """
        until = time.monotonic() + STALLED_SECONDS
        # The position, not the offsets of records: control records leave holes, also at the end.
        while not self._ready and (position := await self._consumer.position(self._tp)) < self._end:
            if time.monotonic() > until:
                raise ReadingError(f"{self._tp.topic}/{self._tp.partition} stalled at {position} of {self._end}")
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                self._ready.extend(record for record in records if record.offset < self._end)
        return self._ready.popleft() if self._ready else None

    async def __aiter__(self) -> AsyncIterator[ConsumerRecord]:
        while (record := await self.next()) is not None:
            yield record


async def records_of(conn: Connection, ends: dict[TopicPartition, int]) -> AsyncIterator[ConsumerRecord]:
    """All records of several partitions up to these ends: each partition in order, the partitions as they come.

    Raises:
        ReadingError: nothing came for half a minute.
    """
    async with _started(reader(conn), ends) as consumer:
        begins = await consumer.beginning_offsets(list(ends))
        consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, begins[tp])
        until = time.monotonic() + STALLED_SECONDS
        while behind := [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            if time.monotonic() > until:
                raise ReadingError(f"stalled: {', '.join(f'{tp.topic}/{tp.partition}' for tp in behind)}")
            for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                until = time.monotonic() + STALLED_SECONDS
                for record in records:
                    if record.offset < ends[tp]:
                        yield record


async def ends_of(conn: Connection, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the partitions end now, once all that was written until now is committed or aborted.

    Raises:
        ReadingError: a transaction stayed open.
    """
    async with _started(reader(conn, committed=False), tps) as all_there_is:
        ends: dict[TopicPartition, int] = await all_there_is.end_offsets(tps)
    async with _started(reader(conn), tps) as consumer:
        until = time.monotonic() + STABLE_SECONDS
        while open_ := [tp for tp, end in (await consumer.end_offsets(tps)).items() if end < ends[tp]]:
            if time.monotonic() > until:
                told = ", ".join(f"{tp.topic}/{tp.partition}" for tp in open_)
                raise ReadingError(f"a transaction stayed open for {STABLE_SECONDS:g} s on {told}")
            await asyncio.sleep(0.05)
    return ends


@asynccontextmanager
async def opened(conn: Connection, tp: TopicPartition, end: int, *, begin: int = 0) -> AsyncIterator[Partition]:
    """A partition from `begin`, or from its first record where that is later, up to `end`."""
    async with _started(reader(conn), [tp]) as consumer:
        first = (await consumer.beginning_offsets([tp]))[tp]
        consumer.assign([tp])
        consumer.seek(tp, max(first, begin))
        yield Partition(consumer, tp, first, end)


@asynccontextmanager
async def _started(consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    try:
        await consumer.start()
        await learn(consumer, {tp.topic for tp in tps})
        yield consumer
    finally:
        await consumer.stop()
