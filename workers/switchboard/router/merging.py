"""Records of many partitions in one order (architecture: "Merge").

Kafka gives no order across topics. Read as they come after an outage, abandonments stand before their own arrivals; by
record timestamp, as Kafka Streams merges its inputs, they stand where they happened. A producer chooses the timestamps
of its records, though, so the order of time alone would let one producer keep all others waiting: `fair_merge` bounds
that.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.journal.codec import BadInput

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
