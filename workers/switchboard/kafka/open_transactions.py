"""Partitions on which an open transaction keeps records from readers of committed records.

A read_committed consumer is given records below the last stable offset only: the first offset of the earliest
transaction that is still open. Everything above it waits, records of other producers included, until that transaction
is committed or aborted. Such a consumer has no lag while it waits, since lag counts up to the last stable offset.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiokafka import TopicPartition

from switchboard.domain.rfc3339 import format_ms
from switchboard.journal.printable_text import counted
from switchboard.kafka.library_logs import Thinned

HELD_UP_SECONDS: Final = 30.0
"""A partition is held up if its last stable offset has not moved for so long, though there are records above it. A live
producer's transaction is open for milliseconds to a few seconds; that of a dead one for transaction.timeout.ms: 60 s by
default, 15 minutes at most (the broker's default)."""
STALE_SECONDS: Final = 15.0
"""A partition that was not seen for so long is not reported: its leader is away, and its offsets may have moved."""


class Ends(NamedTuple):
    """Where a partition ends."""

    stable: int
    """The last stable offset: readers of committed records get no further."""
    high: int
    """The high watermark: the offset after the last replicated record."""

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open on the partition."""
        return self.high > self.stable

    @property
    def records(self) -> int:
        """Offsets that readers of committed records can't read yet; the transaction's own records are among them."""
        return max(0, self.high - self.stable)


@dataclass(frozen=True, slots=True)
class HeldUp:
    """A partition whose last stable offset has not moved for `held_up_after` s, though there are records above it."""

    partition: TopicPartition
    offset: int
    """The last stable offset, at which the open transaction begins."""
    records: int
    """Offsets from there to the high watermark; the records of the open transaction are among them."""
    since: float
    """When the last stable offset was first seen at `offset`; s, by the clock of the caller of `see`."""
    seconds: float
    """Seconds from `since` to the last call of `see` with this partition."""
    since_before: bool
    """Whether the transaction was open when the partition was first seen, and so may be older than `seconds`."""

    @property
    def name(self) -> str:
        """`TOPIC/PARTITION`."""
        return f"{self.partition.topic}/{self.partition.partition}"


@dataclass(frozen=True, slots=True)
class Change:
    """The change in held-up partitions from one call of `see` to the next."""

    begun: tuple[HeldUp, ...] = ()
    """Partitions that are held up from now on."""
    ended: tuple[HeldUp, ...] = ()
    """Partitions that are no longer held up, as they were at the call before."""


@dataclass(slots=True)
class _Seen:
    """What is known of one partition. Times are in s, by the caller's clock."""

    ends: Ends
    since: float
    """When the last stable offset was first seen to be this one with records above it; without any, `seen_at`."""
    seen_at: float
    since_before: bool


@dataclass(slots=True)
class OpenTransactions:
    """How long the last stable offset of each partition has been behind the high watermark without moving.

    All times are in s, of one clock. A duration ends with the last call of `see` with the partition, so that the time
    in which its leader does not answer counts only if the last stable offset is still the same afterwards.
    """

    held_up_after: float = HELD_UP_SECONDS
    """Seconds without a move after which a partition counts as held up."""
    _seen: dict[TopicPartition, _Seen] = field(default_factory=dict)

    def see(self, now: float, partitions: Mapping[TopicPartition, Ends]) -> Change:
        """Note the ends of partitions whose leaders have just answered."""
        begun, ended = [], []
        for partition, ends in partitions.items():
            before = self._seen.get(partition)
            was = None if before is None else self._held_up(partition, before)
            if before is not None and before.ends.is_open and ends.is_open and before.ends.stable == ends.stable:
                seen = _Seen(ends, before.since, now, before.since_before)
            else:
                seen = _Seen(ends, now, now, since_before=before is None)
                if was is not None:
                    ended.append(was)
            self._seen[partition] = seen
            found = self._held_up(partition, seen)
            if was is None and found is not None:
                begun.append(found)
        return Change(tuple(begun), tuple(ended))

    def held_up(self, now: float) -> list[HeldUp]:
        """The partitions that are held up, the longest first."""
        return longest(
            found
            for partition, seen in self._seen.items()
            if now - seen.seen_at < STALE_SECONDS and (found := self._held_up(partition, seen)) is not None
        )

    def _held_up(self, partition: TopicPartition, seen: _Seen) -> HeldUp | None:
        seconds = seen.seen_at - seen.since
        if not seen.ends.is_open or seconds < self.held_up_after:
            return None
        return HeldUp(partition, seen.ends.stable, seen.ends.records, seen.since, seconds, seen.since_before)

    def open_for(self, now: float) -> dict[TopicPartition, tuple[int, float]]:
        """For each partition that was seen within STALE_SECONDS the records above the last stable offset.

        Returns:
            By partition, offsets from the last stable offset to the high watermark, and for how many s the last stable
            offset has been the same; both 0 while no transaction is open.
        """
        return {
            partition: (seen.ends.records, seen.seen_at - seen.since)
            for partition, seen in self._seen.items()
            if now - seen.seen_at < STALE_SECONDS
        }


def longest(found: Iterable[HeldUp]) -> list[HeldUp]:
    """One entry for each partition, the one with the most seconds; the longest first."""
    by_partition: dict[TopicPartition, HeldUp] = {}
    for each in found:
        other = by_partition.get(each.partition)
        if other is None or other.seconds < each.seconds:
            by_partition[each.partition] = each
    return sorted(by_partition.values(), key=lambda each: (-each.seconds, each.partition))


log = logging.getLogger(__name__)
log.addFilter(Thinned(by_text=True, seconds=30.0))  # every shard reads every partition, and sees the same

NAMED: Final = 3
"""Partitions that a sentence names; the JSON names all."""


def zero_of_monotonic() -> float:
    """When the monotonic clock was at 0, in s since 1970, by the present time of day."""
    return time.time() - time.monotonic()


def sentence(held_up: Sequence[HeldUp], zero: float) -> str:
    """Which partitions are held up, since when, and how many records can't be read; empty if none is held up.

    Args:
        held_up: the partitions.
        zero: when the monotonic clock was at 0, in s since 1970.
    """
    sentences = [
        f"{each.name} is held up by an open transaction since {'before ' if each.since_before else ''}"
        f"{_since(each, zero)}: {counted(each.records, 'record')}, its own included, can't be read"
        for each in held_up[:NAMED]
    ]
    if len(held_up) > NAMED:
        sentences.append(f"and {counted(len(held_up) - NAMED, 'partition')} more")
    return "; ".join(sentences)


def as_json(held_up: Sequence[HeldUp], zero: float) -> list[dict[str, object]]:
    """The held-up partitions for programs: `since` in RFC 3339, `seconds` whole."""
    return [
        {
            "topic": each.partition.topic,
            "partition": each.partition.partition,
            "offset": each.offset,
            "since": _since(each, zero),
            "since_before": each.since_before,
            "seconds": int(each.seconds),
            "records": each.records,
        }
        for each in held_up
    ]


def log_change(change: Change, shard: int) -> None:
    """Log which partitions are held up from now on, and which are no longer."""
    for each in change.begun:
        log.warning(
            "%s is held up at offset %s by an open transaction: nothing from there on can be read until it is "
            "committed or aborted (kafka-transactions.sh describe-producers and list name its producer)",
            each.name, each.offset, extra=_extra(each, shard),
        )  # fmt: skip
    for each in change.ended:
        log.warning(
            "%s is no longer held up at offset %s: the open transaction has ended",
            each.name, each.offset, extra=_extra(each, shard),
        )  # fmt: skip


def _since(held_up: HeldUp, zero: float) -> str:
    return format_ms(round(zero + held_up.since) * 1000)


def _extra(held_up: HeldUp, shard: int) -> dict[str, object]:
    return {
        "shard": shard,
        "topic": held_up.partition.topic,
        "partition": held_up.partition.partition,
        "offset": held_up.offset,
        "records": held_up.records,
        "seconds": int(held_up.seconds),
    }
