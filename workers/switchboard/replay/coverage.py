"""Whether each source record was taken exactly once, and in order."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from switchboard.journal.printable_text import counted

Source: TypeAlias = tuple[str, int, int]
"""(topic on the bus, partition, offset)."""

SHOWN: Final = 5
"""Of the offsets at fault in a partition."""


def _offsets() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Coverage:
    """What was taken of each source partition, by all shards together. 8 bytes a record."""

    taken: dict[tuple[str, int], "array[int]"] = field(default_factory=lambda: defaultdict(_offsets))
    last: dict[tuple[int, str, int], int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def journaled(self, shard: int, frame: int, source: Source) -> None:
        """An event stands in a shard's journal."""
        topic, partition, offset = source
        self.taken[topic, partition].append(offset)
        before = self.last.get((shard, topic, partition), -1)
        if offset <= before and len(self.faults) < SHOWN:
            self.faults.append(
                f"frame {frame} of shard {shard} holds {topic}/{partition}@{offset} after {topic}/{partition}@{before}"
            )
        self.last[shard, topic, partition] = offset

    def set_aside(self, source: Source) -> None:
        """A record was put on `dead-letter`."""
        topic, partition, offset = source
        self.taken[topic, partition].append(offset)

    def compare(self, topic: str, partition: int, live: "array[int]") -> Iterator[str]:
        """The faults of one source partition, given the offsets of its records, ascending."""
        taken = sorted(self.taken.get((topic, partition), ()))
        once = set(taken)
        where = f"{topic}/{partition}"
        if missing := [offset for offset in live if offset not in once]:
            of = f"{len(missing):,} of {counted(len(live), 'record')} {'was' if len(missing) == 1 else 'were'}"
            yield f"{where}: {of} never taken, such as {_some(missing)}"
        if strange := sorted(once.difference(live)):
            told = counted(len(strange), "record was taken that is not there", "records were taken that are not there")
            yield f"{where}: {told}, such as {_some(strange)}"
        if len(taken) > len(once):
            twice = [offset for offset, following in pairwise(taken) if offset == following]
            told = counted(len(twice), "record was taken", "records were taken")
            yield f"{where}: {told} more than once, such as {_some(twice)}"


def _some(offsets: list[int]) -> str:
    return ", ".join(f"@{offset}" for offset in offsets[:SHOWN])
