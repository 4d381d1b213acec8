"""How far the source partitions of a shard are read, and which records come next. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition

from switchboard.kafka.positions import past_markers
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_merge import Item, Merge, PartitionBuffer, Place, Taken
from switchboard.router.fair_merge import fair_merge
from switchboard.router.time_lags import TimeLags

OVERDUE_SECONDS: Final = 0.25
"""A partition whose next record was read so long ago gets turns of its own (`fair_merge`)."""
CATCH_UP_SECONDS: Final = 600.0
"""After opening, or after its brokers were away, a shard merges by time alone until all is read, or for so long."""
FRESH_SECONDS: Final = 1.0
"""For so long after it was read to its end, a partition still counts as read to its end."""


@dataclass(slots=True, frozen=True)
class Moment:
    """One moment by two clocks."""

    now: float
    """Monotonic, s."""
    wall: float
    """s since 1970."""


@dataclass(slots=True)
class Batch:
    """The result of one read."""

    taken: list[Taken] = field(default_factory=list)
    """The shard's records, in merged order."""
    passed: Offsets = field(default_factory=dict)
    """Next offset of each partition of which only dropped records were read."""


class SourceProgress:
    """The source partitions of one shard.

    Args:
        merge: their buffers.
        longest_outage: seconds. Older records come after the others of a frame (`fair_merge`).
        now: monotonic, s.
    """

    def __init__(self, merge: Merge, longest_outage: float, now: float) -> None:
        self.known: Offsets = {}
        """Next offset to take of each partition; partitions never read are missing."""
        self._merge = merge
        self._longest_outage = longest_outage
        self._catching_up_since: float | None = now
        """When (monotonic, s) the catch-up began; None once all was read and taken."""
        self._time_lags = TimeLags(now)

    @property
    def partitions(self) -> Mapping[TopicPartition, PartitionBuffer]:
        """The buffers."""
        return self._merge.partitions

    def take(self, at: Moment, most: int, most_bytes: int, *, away: bool) -> Batch:
        """Take records from the buffers. While the merge waits, none are taken.

        Args:
            at: the time.
            most: records taken at most.
            most_bytes: bytes of record values after which no more are taken, about.
            away: whether the brokers are away.
        """
        if not self._merge.may_take(at.now):
            return Batch()
        # By time alone while the shard catches up: all partitions then hold old records, and order matters most.
        overdue = at.now - OVERDUE_SECONDS if self._catching_up_since is None else None
        partitions = list(self.partitions.values())
        items = fair_merge(partitions, most, most_bytes, oldest=self._oldest(at), overdue=overdue)
        self._note_catching_up(at.now, away=away)
        batch = Batch([each for each in items if isinstance(each, Taken)])
        # Of each partition the last record counts.
        last: dict[Place, Item] = {each.place: each for each in items}
        last_taken = {each.place: each for each in batch.taken}
        self._time_lags.took(last.values(), at.wall, at.now)
        # Offsets past dropped records move with the record before them, or by themselves if the batch has none.
        for place, item in last.items():
            if place not in last_taken and self.known.get(place, 0) < item.next_offset:
                batch.passed[place] = item.next_offset
        self.known.update(batch.passed)
        self.known.update({place: item.next_offset for place, item in last_taken.items()})
        return batch

    def _note_catching_up(self, now: float, *, away: bool) -> None:
        """Note whether all partitions may hold old records: the shard was just opened, or the brokers were away."""
        if away:
            self._catching_up_since = now
        elif self._catching_up_since is not None:
            is_read = all(map(_is_read, self.partitions.values()))
            if is_read or now - self._catching_up_since > CATCH_UP_SECONDS:
                self._catching_up_since = None

    def read_to_end(self, at: Moment) -> bool:
        """Whether every partition was read to its end within the last second (the condition of service time).

        A partition whose next record is older than the longest outage does not count: one producer with a wrong clock
        that sends more than is taken would stop every limit of every chat.
        """
        fresh = at.now - FRESH_SECONDS
        return all(each.ended_at >= fresh or self._is_old(each, at) for each in self.partitions.values())

    def _is_old(self, partition: PartitionBuffer, at: Moment) -> bool:
        """Whether the next record is older than the longest outage.

        While none is at hand the record taken last tells, if it was taken lately: dropped records take no room in a
        frame, so a backlog of them leaves the buffer empty after each frame.
        """
        if partition.records:
            return partition.is_older_than(self._oldest(at))
        age = self._time_lags.age_of_last(partition, at.now - FRESH_SECONDS)
        return age is not None and age > self._longest_outage

    def _oldest(self, at: Moment) -> int:
        """Records with an earlier timestamp (ms since 1970) are older than the longest outage."""
        return int((at.wall - self._longest_outage) * 1000)

    def lag(self, stable: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
        """By partition, how many records are there and not taken, as far as is known.

        Args:
            stable: the last stable offset of each partition; None: not known.
        """
        found = {}
        for tp, partition in self.partitions.items():
            end = stable[tp]
            found[tp] = 0 if end is None or _is_read(partition) else max(0, end - self.known.get(tp, 0))
        return found

    def time_lags(self, at: Moment) -> dict[TopicPartition, float]:
        """By partition, the clock less the timestamp of the next or last record, in s; negative: it is ahead."""
        return {tp: self._time_lags.seconds(each, at.wall, at.now) for tp, each in self.partitions.items()}

    def pass_markers(self) -> Offsets:
        """New next offsets of fully read partitions whose tail is only transaction markers."""
        read_to = {tp: each.position for tp, each in self.partitions.items() if _is_read(each)}
        passed = past_markers(self.known, read_to)
        self.known.update(passed)
        return passed


def _is_read(partition: PartitionBuffer) -> bool:
    """Whether every record was read and taken, as far as is known."""
    return not partition.lag and not partition.records
