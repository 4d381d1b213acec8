"""Partitions read in the router's merge order, in no group: up to ends that are known, or on and on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from switchboard.errors import StalledError
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, decode_event
from switchboard.kafka.reading import STALLED_SECONDS, Offsets
from switchboard.kafka.record_batches import work_of
from switchboard.router.merging import Partition, Taken, merge, rank_of

BUFFER_BYTES: Final = 1024 * 1024
"""Memory of the records at hand of a partition, beyond which it is not read on."""
BUFFER_LOW: Final = 200
"""A partition with fewer records at hand is read on."""
FETCH_RECORDS: Final = 1000
MOST: Final = 1000
MOST_BYTES: Final = 4 * 1024 * 1024
"""Records, and bytes of their values, that are handed out at a time."""
FETCH_MS: Final = 100

_NO_EVENT: Final = BadInput("unknown-type", "not of a topic that events are read from")


class MergedReading:
    """Reads partitions and hands their records out by timestamp, each partition's in its own order.

    Args:
        consumer: started, and with nothing else to do.
        topics: name on the bus -> plain name, in the order in which partitions of equal heads are taken.
        begins: the first offset of each partition.
        ends: the offset before which each is read; None reads on and on.
        merge_wait: seconds for which a reading without ends waits for a partition that has more and delivers nothing.
            With ends it waits for as long as it takes, so the order is that of the timestamps alone.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topics: Mapping[str, str],
        begins: Offsets,
        ends: Offsets | None,
        merge_wait: float,
    ) -> None:
        self._consumer = consumer
        self._topics = topics
        self._ends = ends
        self._wait = STALLED_SECONDS if ends is not None else merge_wait
        self._waiting_since: float | None = None
        self._partitions: dict[TopicPartition, Partition] = {}
        self.take_up(begins)

    def take_up(self, positions: Offsets) -> None:
        """Read these partitions, from these offsets, and no others; what is at hand of those known is kept."""
        # assign() forgets all positions: none may be read before each is set again, hence no await between.
        self._consumer.assign(list(positions))
        for tp, offset in positions.items():
            self._consumer.seek(tp, offset)
        places = list(self._topics)
        order = sorted(positions, key=lambda tp: (places.index(tp.topic), tp.partition))
        self._partitions = {tp: self._partitions.get(tp) or Partition(tp, 0) for tp in order}
        for place, (tp, partition) in enumerate(self._partitions.items()):
            partition.order = place
            partition.lag = self._ends is None or positions[tp] < self._ends[tp]

    async def positions(self) -> Offsets:
        """How far each partition is read."""
        return {tp: await self._consumer.position(tp) for tp in self._partitions}

    async def take(self, stop: asyncio.Event) -> AsyncIterator[list[ConsumerRecord]]:
        """The records, some at a time, none now and then; ends at the ends, or once `stop` is set.

        Raises:
            StalledError: nothing came for half a minute of a partition that has not reached its end.
        """
        while not stop.is_set() and (self._ends is None or self._has_more()):
            await self._fetch()
            yield [each.record for each in self._merge()]

    def _has_more(self) -> bool:
        return any(partition.lag or partition.buffer for partition in self._partitions.values())

    async def _fetch(self) -> None:
        low = [
            tp
            for tp, partition in self._partitions.items()
            if partition.is_low(BUFFER_LOW, BUFFER_BYTES) and (self._ends is None or partition.lag)
        ]
        if not low:
            return
        idle = all(not partition.buffer for partition in self._partitions.values()) or self._waiting_since is not None
        wait = FETCH_MS if idle else 0
        for tp, records in (await self._consumer.getmany(*low, timeout_ms=wait, max_records=FETCH_RECORDS)).items():
            partition = self._partitions[tp]
            if partition.awaited:
                self._waiting_since = None  # the wait is for silence: while they deliver, one by one, it is none
            partition.given_up = False
            end = self._ends[tp] if self._ends is not None else None
            partition.buffer.extend(self._taken(record) for record in records if end is None or record.offset < end)
        for tp in low:
            end = self._ends[tp] if self._ends is not None else self._consumer.last_stable_offset(tp)
            partition = self._partitions[tp]
            partition.lag = end is None or await self._consumer.position(tp) < end
            partition.given_up = partition.given_up and partition.lag

    def _taken(self, record: ConsumerRecord) -> Taken:
        topic = self._topics[record.topic]
        what = (
            decode_event(
                topic,
                record.headers,
                record.value,
                source=(record.topic, record.partition, record.offset),
                timestamp=record.timestamp,
            )
            if topic in SOURCE_TOPICS
            else _NO_EVENT
        )
        return Taken(record.timestamp, rank_of(what), what, record, len(record.value or b""), work_of(record))

    def _merge(self) -> list[Taken]:
        awaited = [partition for partition in self._partitions.values() if partition.awaited]
        if awaited:
            now = time.monotonic()
            if self._waiting_since is None:
                self._waiting_since = now
            if now - self._waiting_since < self._wait:
                return []
            if self._ends is not None:
                told = ", ".join(f"{each.tp.topic}/{each.tp.partition}" for each in awaited)
                raise StalledError(f"reading stalled for {STALLED_SECONDS} s: {told}; is a broker away?")
            for partition in awaited:
                partition.given_up = True
        self._waiting_since = None
        return merge(list(self._partitions.values()), MOST, MOST_BYTES)
