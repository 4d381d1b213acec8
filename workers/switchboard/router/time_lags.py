"""How far each source partition is behind or ahead of the clock, by the timestamps of its records."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from switchboard.router.merging import Partition, Taken

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
