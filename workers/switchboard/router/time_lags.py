"""Time lags: how far each source partition of a shard is behind or ahead of the clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from switchboard.kafka.record_merge import Dropped, Item, PartitionBuffer, Place

RECENT_SECONDS: Final = 60.0
"""The age of the record taken last is the partition's time lag for so long; an idle partition is not behind. Alerts
wait longer before they fire, so that one old record raises none."""


@dataclass(frozen=True, slots=True)
class _Last:
    """The record of a partition that was taken last."""

    age: float
    """The clock less the record's timestamp, when the record was taken; s."""
    at: float
    """When the record was taken; monotonic, s."""


class TimeLags:
    """The time lags of one shard's source partitions, in s.

    Positive: the partition is behind. Negative: its timestamps are in the future, since a producer's clock is ahead.

    Args:
        now: monotonic, s.
    """

    def __init__(self, now: float) -> None:
        self._opened = now
        self._last: dict[Place, _Last] = {}

    def took(self, taken: Iterable[Item], wall: float, now: float) -> None:
        """Note records that were taken or dropped.

        Args:
            taken: in merged order; of each partition the last record counts.
            wall: the time, in s since 1970.
            now: the time, monotonic, in s.
        """
        for each in taken:
            timestamp = each.last_timestamp if isinstance(each, Dropped) else each.timestamp
            self._last[each.place] = _Last(wall - timestamp / 1000, now)

    def seconds(self, partition: PartitionBuffer, wall: float, now: float) -> float:
        """The time lag of a partition: the first of these that applies.

        1. A record is at hand: the age of the next record.
        2. A record was taken within RECENT_SECONDS: the age of that record when it was taken.
        3. There are unread records that the broker does not deliver: the time since the partition was last read to its
           end, or since a record was taken from it.
        4. Otherwise 0: all is read, and nothing has come lately.
        """
        if partition.records:
            head = partition.records[0]
            return wall - (head.first_timestamp if isinstance(head, Dropped) else head.timestamp) / 1000
        last = self._last.get(partition.tp)
        if last is not None and now - last.at < RECENT_SECONDS:
            return last.age
        if partition.lag:
            return now - max(partition.ended_at, self._opened, last.at if last is not None else self._opened)
        return 0.0

    def age_of_last(self, partition: PartitionBuffer, since: float) -> float | None:
        """The age in s, when it was taken, of the record taken last; None if none was taken since then (monotonic)."""
        last = self._last.get(partition.tp)
        return None if last is None or last.at < since else last.age
