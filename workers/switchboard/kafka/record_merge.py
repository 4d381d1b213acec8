"""The merge of partitions: by timestamp, and within one partition in the order of its offsets.

Kafka has no order across partitions. Does no I/O and reads no clock.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Final, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.errors import StalledError
from switchboard.journal.codec import BadInput

LOW_RECORDS: Final = 200
"""A partition is fetched while its buffer holds fewer records than this and takes less memory than LOW_BYTES."""
LOW_BYTES: Final = 1024 * 1024
"""See LOW_RECORDS: 200 records with values, keys and headers of 64 KiB each would take 40 MB."""

# The order of records with one timestamp: configuration, logins, arrivals, requests, accepts, the rest of a chat's
# life; all others last.
_ARRIVAL_ON: Final = ("chat-arrival", "request-chat", "chat-accepted")
_LIFECYCLE: Final = ("chat-declined", "chat-abandoned", "chat-concluded", "chat-released", "chat-transferred")
RANK: Final = {
    "pool-configured": 0,
    "agent-logged-in": 1,
    **{event_type: 2 + place for place, event_type in enumerate(_ARRIVAL_ON)},
    **dict.fromkeys(_LIFECYCLE, 5),
}
"""Rank of an event type among records with one timestamp; the other types come last."""
_LAST: Final = 6
_CONFIGURATION: Final = RANK["pool-configured"]

assert set(RANK) < set(EVENT_TYPES)  # noqa: S101 - a misspelt type would go unnoticed


Place: TypeAlias = tuple[str, int]
"""(topic, partition)."""


@dataclass(slots=True)
class Taken:
    """One record, read and decoded."""

    timestamp: int
    """The record's, ms since 1970."""
    rank: int
    """From `RANK`."""
    what: Event | BadInput
    record: ConsumerRecord
    size: int = 0
    """Bytes that the record adds to a frame or, as a dead letter, to the commit; about."""
    held: int = 0
    """Bytes of memory that the record takes, about."""
    read_at: float = 0.0
    """When the record was read; monotonic, s."""
    dropped_to: int = -1
    """The offset after the dropped records that follow this one; -1 if none follow."""

    @property
    def place(self) -> Place:
        """The record's partition."""
        return self.record.topic, self.record.partition

    @property
    def next_offset(self) -> int:
        """Where to read on once this record has had its effect."""
        offset: int = self.record.offset
        return max(self.dropped_to, offset + 1)


@dataclass(slots=True)
class Dropped:
    """Successive records of one partition that were dropped before they were decoded.

    They keep their place in the merge, so that the records after them come no earlier than if none had been dropped.
    """

    place: Place
    """Their partition."""
    timestamp: int
    """The latest of their timestamps, ms since 1970: the record after them is merged no earlier than this."""
    first_timestamp: int
    """The timestamp of the first of them, ms since 1970: while they wait, the partition's next record."""
    last_timestamp: int
    """The timestamp of the last of them, ms since 1970: once they are taken, the partition's last record."""
    next_offset: int
    """The offset after the last dropped record."""
    read_at: float
    """When the first of them was read; monotonic, s."""
    rank: int = -1
    """Dropped records come before other records of the same timestamp."""
    held: int = 0
    """Bytes of memory."""

    @classmethod
    def of(cls, records: Sequence[ConsumerRecord], read_at: float) -> "Dropped":
        """From successive records of one partition, one at least.

        Args:
            records: the records.
            read_at: when they were read; monotonic, s.
        """
        first, last = records[0], records[-1]
        latest = max([each.timestamp for each in records])
        place = (first.topic, first.partition)
        return cls(place, latest, first.timestamp, last.timestamp, last.offset + 1, read_at)

    def join(self, following: "Dropped") -> None:
        """Add the dropped records that follow."""
        self.timestamp = max(self.timestamp, following.timestamp)
        self.last_timestamp = following.last_timestamp
        self.next_offset = following.next_offset


Item: TypeAlias = Taken | Dropped
"""What a buffer holds."""


def rank_of(what: Event | BadInput) -> int:
    """The rank of a record among those with its timestamp."""
    return RANK.get(what.type, _LAST) if isinstance(what, Event) else _LAST


@dataclass(slots=True, eq=False)
class PartitionBuffer:
    """The records of one partition that were read and not yet taken."""

    tp: TopicPartition
    order: int
    """Decides between partitions whose next records have the same timestamp and rank; the lowest comes first."""
    records: deque[Item] = field(default_factory=deque)
    position: int = 0
    """Next offset to fetch, past buffered records and transaction markers."""
    lag: bool = True
    """Whether the partition holds more than was read, as far as is known."""
    given_up: bool = False
    """The merge has waited in vain, and does not wait again until a record comes."""
    ended_at: float = float("-inf")
    """When the partition was last known to be read to its end; monotonic, s."""

    @property
    def is_awaited(self) -> bool:
        """Whether the next record is unknown, so that taking another record might be out of order."""
        return self.lag and not self.records and not self.given_up

    def is_low(self, records: int = LOW_RECORDS, held: int = LOW_BYTES) -> bool:
        """Whether the buffer holds fewer than `records` records that take less than `held` bytes of memory."""
        return len(self.records) < records and sum([each.held for each in self.records]) < held

    def is_older_than(self, timestamp: int) -> bool:
        """Whether the next record is known and has a timestamp before this one, ms."""
        return bool(self.records) and self.records[0].timestamp < timestamp

    def add(self, items: Iterable[Item]) -> None:
        """Add the items that were read next; successive dropped records become one item."""
        records = self.records
        for item in items:
            if isinstance(item, Taken):
                records.append(item)
                continue
            if records and isinstance(last := records[-1], Dropped):
                last.join(item)
            else:
                records.append(item)
            # The offset past dropped records is committed with the record before them, if there is one.
            if len(records) > 1 and isinstance(before := records[-2], Taken):
                before.dropped_to = item.next_offset

    def read_to(self, position: int, end: int | None, at: float) -> None:
        """Note how far the partition is read.

        Args:
            position: next offset to fetch.
            end: the partition's end; None: not known.
            at: when the end was at that offset; monotonic, s.
        """
        self.position = position
        self.lag = end is None or position < end
        if not self.lag:
            self.given_up = False
            self.ended_at = max(self.ended_at, at)


def merge(partitions: Iterable[PartitionBuffer], most: int, most_bytes: int) -> list[Item]:
    """Take records, the earliest first, until there are enough or the next one is unknown.

    A record never comes before its predecessor in its partition, whatever their timestamps.

    Args:
        partitions: their buffers; what is taken is removed.
        most: records taken at most, beside dropped ones.
        most_bytes: bytes of records after which no more are taken; one record is always taken.
    """
    heads = [(each.records[0].timestamp, each.records[0].rank, each.order, each) for each in partitions if each.records]
    heapify(heads)
    taken: list[Item] = []
    number = size = 0
    while heads and not (number and (number >= most or size >= most_bytes)):
        partition = heads[0][3]
        records = partition.records
        item = records.popleft()
        taken.append(item)
        if isinstance(item, Taken):
            number += 1
            size += room_of(item, most_bytes)
        if records:
            head = records[0]
            heapreplace(heads, (head.timestamp, head.rank, partition.order, partition))
        elif partition.is_awaited:
            break
        else:
            heappop(heads)
    return taken


def room_of(item: Taken, most_bytes: int) -> int:
    """Bytes of a frame that a record uses up: all of them for a configuration.

    So a merge ends with the first configuration: to apply one may take 50 ms, and other tasks run between frames.
    """
    return most_bytes if item.rank == _CONFIGURATION else item.size


class Merge:
    """The buffers of the partitions, and the wait for partitions that have lag and deliver nothing.

    Args:
        wait: seconds to wait for such partitions.
        gives_up: whether the others are then merged without them; if not, `may_take` raises StalledError.
    """

    def __init__(self, wait: float, *, gives_up: bool = True) -> None:
        self.partitions: dict[TopicPartition, PartitionBuffer] = {}
        self._wait = wait
        self._gives_up = gives_up
        self._waiting_since: float | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the merge waits for a partition."""
        return self._waiting_since is not None

    @property
    def is_empty(self) -> bool:
        """Whether no record is at hand."""
        return not any(each.records for each in self.partitions.values())

    def assign(self, tps: Iterable[TopicPartition]) -> None:
        """Merge these partitions and no others, in this order; known ones keep their buffers."""
        self.partitions = {tp: self.partitions.get(tp) or PartitionBuffer(tp, 0) for tp in tps}
        for order, partition in enumerate(self.partitions.values()):
            partition.order = order

    def delivering(self, tp: TopicPartition) -> PartitionBuffer:
        """The buffer of a partition that delivers records now."""
        partition = self.partitions[tp]
        if partition.is_awaited:
            # The wait measures silence, so each awaited partition that delivers restarts it.
            self._waiting_since = None
        partition.given_up = False
        return partition

    def may_take(self, now: float) -> bool:
        """Whether records may be taken: the next record of each partition is known, or was waited for in vain.

        Args:
            now: monotonic, s.

        Raises:
            StalledError: the wait was in vain, and the merge does not give up.
        """
        awaited = [partition for partition in self.partitions.values() if partition.is_awaited]
        if awaited:
            if self._waiting_since is None:
                self._waiting_since = now
            if now - self._waiting_since < self._wait:
                return False
            if not self._gives_up:
                names = ", ".join(f"{each.tp.topic}/{each.tp.partition}" for each in awaited)
                raise StalledError(f"reading stalled for {self._wait:g} s: {names}; is a broker away?")
            for partition in awaited:
                partition.given_up = True
        self._waiting_since = None
        return True
