"""Records of many partitions in one order (architecture: "Merge").

Kafka gives no order across topics. Read as they come after an outage, abandonments stand before their own arrivals; by
record timestamp, as Kafka Streams merges its inputs, they stand where they happened.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.contracts.codec import BadInput
from switchboard.domain.events import EVENT_TYPES, Event

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

assert set(RANK) < set(EVENT_TYPES)  # noqa: S101 - a name misspelt here would be a wrong order, silently


@dataclass(slots=True)
class Taken:
    """One record, read and checked."""

    timestamp: int
    """The record's, ms."""
    rank: int
    what: Event | BadInput
    record: ConsumerRecord


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
        # A configuration ends its frame: it may take 50 ms to apply, and the event loop turns between frames only.
        size += most_bytes if item.rank == RANK["pool-configured"] else len(item.record.value or b"")
        if buffer:
            head = buffer[0]
            heapreplace(heads, (head.timestamp, head.rank, partition.order, partition))
        elif partition.awaited:
            break
        else:
            heappop(heads)
    return taken
