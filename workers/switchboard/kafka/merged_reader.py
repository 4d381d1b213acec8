"""The merged reader: fetches partitions with one consumer, and hands their records out in merged order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from switchboard.domain.events import Event
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, decode_event
from switchboard.kafka.reading import STALLED_SECONDS, Offsets
from switchboard.kafka.record_batches import work_of
from switchboard.kafka.record_merge import Item, Merge, Taken, merge, rank_of

FETCH_RECORDS: Final = 1000
"""Records that one call of `getmany` returns at most: about 3 ms to decode."""
TURN_RECORDS: Final = 100
"""Records decoded between two turns of the event loop, in which a commit under way makes progress."""

# Records that a tool takes at a time, the bytes of their values, and the seconds that it waits for the first.
TOOL_RECORDS: Final = 1000
TOOL_BYTES: Final = 4 * 1024 * 1024
TOOL_FETCH_SECONDS: Final = 0.1

Decode: TypeAlias = Callable[[str, Sequence[ConsumerRecord]], Iterable[Item]]
"""Decodes or drops records of one partition, given the topic's bare name."""

_NO_EVENT: Final = BadInput("unknown-type", "not of a topic that events are read from")


def decode_all(topic: str, records: Sequence[ConsumerRecord]) -> Iterable[Taken]:
    """Decode records for a tool; records of other topics than source topics come last among those of one timestamp."""
    for record in records:
        what: Event | BadInput = _NO_EVENT
        if topic in SOURCE_TOPICS:
            source = (record.topic, record.partition, record.offset)
            what = decode_event(topic, record.headers, record.value, source=source, timestamp=record.timestamp)
        yield Taken(record.timestamp, rank_of(what), what, record, len(record.value or b""), work_of(record))


class MergedReader:
    """Reads partitions in merged order, with a consumer of its own.

    Args:
        consumer: started before the first call.
        topics: name on the bus -> bare name. Of records with one timestamp and rank, those of the first topic come
            first.
        wait: seconds to wait for a partition that has lag and delivers nothing. Without effect if there are `ends`:
            the order is then never broken, and such a partition is an error after STALLED_SECONDS.
        decode: how records are decoded.
        ends: the offsets before which reading ends; None: it never ends.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topics: Mapping[str, str],
        wait: float,
        decode: Decode = decode_all,
        ends: Offsets | None = None,
    ) -> None:
        self._consumer = consumer
        self._topics = dict(topics)
        self._decode = decode
        self._ends = ends
        self.merge = Merge(wait) if ends is None else Merge(STALLED_SECONDS, gives_up=False)

    def assign(self, positions: Offsets) -> None:
        """Read these partitions from these offsets on, and no others; records of known partitions are kept."""
        # assign() forgets all positions, and none may be read before all are set again: hence no await between.
        self._consumer.assign(list(positions))
        for tp, offset in positions.items():
            self._consumer.seek(tp, offset)
        topics = list(self._topics)
        self.merge.assign(sorted(positions, key=lambda tp: (topics.index(tp.topic), tp.partition)))
        if self._ends is not None:
            for tp, partition in self.merge.partitions.items():
                partition.lag = positions[tp] < self._ends[tp]

    async def positions(self) -> Offsets:
        """The next offset to fetch of each partition."""
        return {tp: await self._consumer.position(tp) for tp in self.merge.partitions}

    async def batches(self, stop: asyncio.Event) -> AsyncIterator[list[ConsumerRecord]]:
        """All records in merged order, some at a time; an empty list if none came for a while.

        Returns at the ends, or once `stop` is set.

        Raises:
            StalledError: a partition has not reached its end, and delivered nothing for STALLED_SECONDS.
        """
        while not stop.is_set() and (self._ends is None or self._has_more()):
            await self.fetch(TOOL_FETCH_SECONDS if self.merge.is_empty or self.merge.is_waiting else 0.0)
            taken: list[Item] = []
            if self.merge.may_take(time.monotonic()):
                taken = merge(self.merge.partitions.values(), TOOL_RECORDS, TOOL_BYTES)
            yield [each.record for each in taken if isinstance(each, Taken)]

    def _has_more(self) -> bool:
        return any(partition.lag or partition.records for partition in self.merge.partitions.values())

    async def fetch(self, wait: float) -> None:
        """Fill the buffers that are low.

        Args:
            wait: seconds to wait for the first record.

        Raises:
            OffsetOutOfRangeError: the next offset of a partition is gone.
            KafkaError: not allowed to read, and the like.
        """
        low = [
            tp
            for tp, partition in self.merge.partitions.items()
            if partition.is_low() and (self._ends is None or partition.lag)
        ]
        left = low
        while left:
            timeout_ms = int(wait * 1000) if left is low else 0
            found = await self._consumer.getmany(*left, timeout_ms=timeout_ms, max_records=FETCH_RECORDS)
            for tp, records in found.items():
                await self._buffer(tp, records)
            if sum(map(len, found.values())) < FETCH_RECORDS:
                break
            # One partition with many records can fill a whole call, again and again: fetch from the others alone.
            left = [tp for tp in left if tp not in found]
        await self._note_ends(low)

    async def _buffer(self, tp: TopicPartition, records: list[ConsumerRecord]) -> None:
        if self._ends is not None:
            records = [record for record in records if record.offset < self._ends[tp]]
        partition = self.merge.delivering(tp)
        for first in range(0, len(records), TURN_RECORDS):
            if first:
                await asyncio.sleep(0)
            partition.add(self._decode(self._topics[tp.topic], records[first : first + TURN_RECORDS]))

    async def _note_ends(self, tps: Iterable[TopicPartition]) -> None:
        """Note which partitions are read to their end.

        Without `ends` a partition ends at its last stable offset: an open transaction of another producer is no lag.
        """
        now, wall = time.monotonic(), time.time() * 1000
        for tp in tps:
            end = self._consumer.last_stable_offset(tp) if self._ends is None else self._ends[tp]
            polled = self._consumer.last_poll_timestamp(tp) or 0
            position = await self._consumer.position(tp)
            self.merge.partitions[tp].read_to(position, end, now - max(0.0, wall - polled) / 1000)
