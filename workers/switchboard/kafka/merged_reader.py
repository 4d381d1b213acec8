"""Which shard a pool belongs to."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2

from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.errors import StalledError
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, decode_event
from switchboard.kafka.reading import STALLED_SECONDS, Offsets
from switchboard.kafka.record_batches import work_of


@lru_cache(maxsize=65_536)
def shard_of(pool: str, shards: int) -> int:
    """As Kafka's default partitioner places a key, so that other clients can tell it as well."""
    place: int = murmur2(pool.encode()) & 0x7FFFFFFF
    return place % shards


_ARRIVAL_ON: Final = ("chat-arrival", "request-chat", "chat-accepted")
_LIFECYCLE: Final = ("chat-declined", "chat-abandoned", "chat-concluded", "chat-released", "chat-transferred")
RANK: Final = {
    "pool-configured": 0,
    "agent-logged-in": 1,
    **{event_type: 2 + place for place, event_type in enumerate(_ARRIVAL_ON)},
    **dict.fromkeys(_LIFECYCLE, 5),
}
"""At equal timestamps: who is there, then what they can be given, then what they do. Other presence comes last."""
_LAST: Final = 6
_CONFIGURATION: Final = RANK["pool-configured"]

assert set(RANK) < set(EVENT_TYPES)  # noqa: S101 - a name misspelt here would be a wrong order, silently


@dataclass(slots=True)
class Taken:
    """One record, read and checked."""

    timestamp: int
    """The record's, ms."""
    rank: int
    what: Event | BadInput
    record: ConsumerRecord
    size: int = 0
    """Bytes that it adds to a frame or, as a dead letter, to the commit; about."""
    held: int = 0
    """Bytes of memory that its record takes, about."""
    read_at: float = 0.0
    """When it was read (monotonic, s)."""
    next_offset: int = 0
    """The offset after this record, and after the records of other shards' pools that follow it in its partition."""


@dataclass(slots=True)
class ForeignRun(Taken):
    """Records of other shards' pools, dropped before they were decoded.

    Takes part in the merge with the timestamp of the run's last record: until then the partition holds nothing older.
    """


_FOREIGN: Final = BadInput("unknown-type", "of another shard's pool")


def rank_of(what: Event | BadInput) -> int:
    """Where an event stands among those of its timestamp."""
    return RANK.get(what.type, _LAST) if isinstance(what, Event) else _LAST


@dataclass(slots=True, eq=False)
class Partition:
    """What has been read of one partition and not been taken."""

    tp: TopicPartition
    order: int
    """Its place among partitions whose heads are alike."""
    buffer: deque[Taken] = field(default_factory=deque)
    position: int = 0
    """Up to where it was read: behind its buffer, and behind what stands there that nobody is given."""
    lag: bool = True
    """It holds more than was read, as far as is known."""
    given_up: bool = False
    """It was waited for in vain: nobody waits for it again until it has delivered."""
    ended_at: float = float("-inf")
    """When (monotonic) it was last known to be read to its end."""

    @property
    def awaited(self) -> bool:
        """The merge can't go on without it, or something older may be passed by."""
        return self.lag and not self.buffer and not self.given_up

    def drop(self, record: ConsumerRecord, read_at: float) -> None:
        """Take note of a record of another shard's pool, which comes after all records in the buffer.

        Its offset is passed together with the record before it, or by a run of its own if the buffer is empty.
        """
        following = record.offset + 1
        if not self.buffer:
            run = ForeignRun(record.timestamp, _LAST, _FOREIGN, record, read_at=read_at, next_offset=following)
            self.buffer.append(run)
            return
        last = self.buffer[-1]
        last.next_offset = following
        if type(last) is ForeignRun:
            last.timestamp = record.timestamp

    def is_low(self, records: int, held: int) -> bool:
        """Whether fewer records than this, and fewer bytes of memory, are at hand: more are to be read."""
        return len(self.buffer) < records and sum([each.held for each in self.buffer]) < held

    def is_older_than(self, timestamp: int) -> bool:
        """Whether the next record is at hand and has a timestamp before this one, ms."""
        return bool(self.buffer) and self.buffer[0].timestamp < timestamp


def merge(partitions: list[Partition], most: int, most_bytes: int) -> list[Taken]:
    """Take records, the earliest head first, until an awaited partition has run empty or there are enough.

    Offsets of one partition always ascend, whatever its timestamps.
    """
    heads = [(each.buffer[0].timestamp, each.buffer[0].rank, each.order, each) for each in partitions if each.buffer]
    heapify(heads)
    taken: list[Taken] = []
    size = 0
    while heads:
        partition = heads[0][3]
        buffer = partition.buffer
        if taken and (len(taken) >= most or size >= most_bytes):
            break
        item = buffer.popleft()
        taken.append(item)
        size += _room_of(item, most_bytes)
        if buffer:
            head = buffer[0]
            heapreplace(heads, (head.timestamp, head.rank, partition.order, partition))
        elif partition.awaited:
            break
        else:
            heappop(heads)
    return taken


def _room_of(item: Taken, most_bytes: int) -> int:
    """The part of a frame's bytes that a record takes; a configuration takes all.

    One may take 50 ms to apply, and the event loop turns between frames only.
    """
    return most_bytes if item.rank == _CONFIGURATION else item.size


SHARE: Final = 4
"""One in so many records of a frame is for those whose turn does not come by the order of time."""


def fair_merge(
    partitions: list[Partition], most: int, most_bytes: int, *, oldest: int, overdue: float | None
) -> list[Taken]:
    """Take records as `merge` does, and keep a share of the frame for partitions that would wait without end.

    1. By time: from the partitions whose head is not older than `oldest`; up to three quarters of the frame while some
       are left for the next steps, else up to all of it.
    2. By turns, fewest taken first: from the partitions whose head is overdue.
    3. By time: from the partitions whose head is older than `oldest`.

    Offsets of one partition still ascend.

    Args:
        partitions: what has been read and not been taken.
        most: records that are taken at most.
        most_bytes: bytes after which no more are taken, about.
        oldest: record timestamp, ms. No outage explains an older one, so it does not come before others that are not.
        overdue: heads that were read before this (monotonic, s) have waited too long; None while the shard catches up
            after an outage, when all partitions have old records and their order matters more than a wait.
    """
    old = [each for each in partitions if each.is_older_than(oldest)]
    recent = [each for each in partitions if each not in old] if old else partitions
    is_shared = bool(old) or any(_is_overdue(each, overdue) for each in recent)
    kept, kept_bytes = (most // SHARE, most_bytes // SHARE) if is_shared else (0, 0)
    taken = merge(recent, most - kept, most_bytes - kept_bytes)
    if not is_shared:
        return taken
    size = sum(each.size for each in taken)
    waiting = [each for each in partitions if _is_overdue(each, overdue)]
    if waiting:
        taken += _by_turns(waiting, taken, most - len(taken), max(kept_bytes, most_bytes - size))
    size = sum(each.size for each in taken)
    if old and len(taken) < most and size < most_bytes:
        taken += merge(old, most - len(taken), most_bytes - size)
    return taken


def _is_overdue(partition: Partition, overdue: float | None) -> bool:
    return overdue is not None and bool(partition.buffer) and partition.buffer[0].read_at < overdue


def _by_turns(waiting: list[Partition], before: list[Taken], most: int, most_bytes: int) -> list[Taken]:
    """Take records, each from the partition from which the fewest were taken; of those the earliest head."""
    counts = Counter((each.record.topic, each.record.partition) for each in before)
    heads = [(counts[each.tp], each.buffer[0].timestamp, each.buffer[0].rank, each.order, each) for each in waiting]
    heapify(heads)
    taken: list[Taken] = []
    size = 0
    while heads and len(taken) < most and size < most_bytes:
        count, _, _, order, partition = heads[0]
        item = partition.buffer.popleft()
        taken.append(item)
        size += _room_of(item, most_bytes)
        if partition.buffer:
            head = partition.buffer[0]
            heapreplace(heads, (count + 1, head.timestamp, head.rank, order, partition))
        else:
            heappop(heads)
    return taken


RECENT_SECONDS: Final = 60.0
"""The last record that was taken tells of its partition for so long; a partition that idles is not behind. Alerts wait
for longer than this, so that one old record raises none."""


@dataclass(frozen=True, slots=True)
class _Last:
    """The last record that was taken of a partition."""

    age: float
    """The clock less its timestamp when it was taken, s."""
    at: float
    """When it was taken; monotonic, s."""


class TimeLags:
    """The time lags of one shard's source partitions, in s.

    Positive: the partition is behind. Negative: its timestamps are in the future, since a producer's clock is ahead.
    """

    def __init__(self, now: float) -> None:
        self._opened = now
        self._last: dict[tuple[str, int], _Last] = {}

    def took(self, taken: Iterable[Taken], wall: float, now: float) -> None:
        """Note records that were taken.

        Args:
            taken: in the order in which they were taken.
            wall: the time, in s since 1970.
            now: the same, monotonic.
        """
        last = {(each.record.topic, each.record.partition): each.timestamp for each in taken}
        for place, timestamp in last.items():
            self._last[place] = _Last(wall - timestamp / 1000, now)

    def seconds(self, partition: Partition, wall: float, now: float) -> float:
        """The time lag of a partition.

        It is the first of these that there is:

        1. the age of the next record to be taken, if it has been fetched;
        2. the age that the last record had when it was taken, within RECENT_SECONDS;
        3. if there are unread records and the broker delivers none, the time since the partition was last read to its
           end, or anything was taken from it;
        4. 0: all is read, and nothing has come lately.
        """
        if partition.buffer:
            return wall - partition.buffer[0].timestamp / 1000
        last = self._last.get((partition.tp.topic, partition.tp.partition))
        if last is not None and now - last.at < RECENT_SECONDS:
            return last.age
        if partition.lag:
            return now - max(partition.ended_at, self._opened, last.at if last is not None else self._opened)
        return 0.0


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
