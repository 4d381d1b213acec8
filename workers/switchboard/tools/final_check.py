"""Whether each source record was taken exactly once, and in order."""

from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from aiokafka import TopicPartition

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.errors import ReadingError
from switchboard.journal.decision_log import Comparison, Finds, Key, by_topic
from switchboard.journal.frames import check_versions, decode_frame
from switchboard.journal.printable_text import counted
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import Partition, ends_of, opened, partitions_of, read_to
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.tools.dead_letters import read_letter
from switchboard.tools.decision_sources import following

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


ROUTED: Final = (Topic.JOURNAL, Topic.ASSIGNMENT, Topic.PUSH_REQUEST, Topic.DEAD_LETTER)


@dataclass(slots=True)
class FinalCheck:
    """What was looked at, and what is wrong."""

    source_records: int = 0
    journaled: int = 0
    dead_letters: int = 0
    frames: int = 0
    assignments: int = 0
    """Records on `assignment` that are equal to the replay."""
    push_requests: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    def lines(self) -> list[str]:
        """What to tell a human."""
        events = f"{counted(self.journaled, 'event')} in {counted(self.frames, 'frame')}"
        looked = f"{counted(self.source_records, 'source record')}, {events}"
        if not self.holds:
            return [*self.failures, f"looked at: {looked}"]
        letters = counted(self.dead_letters, "set aside as a dead letter", "set aside as dead letters")
        aside = f", {letters}" if self.dead_letters else ""
        same = f"{counted(self.assignments, 'record')} on assignment and {self.push_requests:,} on push-request"
        return [
            f"each source record was journaled once and in order: {looked}{aside}",
            f"decisions equal the offline replay of the journal, byte for byte and in order: {same}",
        ]


async def final_check(conn: Connection, names: TopicNames, shards: int) -> FinalCheck:
    """Hold the source topics against the journals, and the decisions against a replay of the journals.

    The routers must have stopped, and have begun at the beginning of the source topics. What a killed one left open is
    waited for.
    """
    check, coverage = FinalCheck(), Coverage()
    try:
        sources = await partitions_of(conn, names.sources)
        routed = [TopicPartition(names.of(topic), shard) for shard in range(shards) for topic in ROUTED]
        ends = await ends_of(conn, [*sources, *routed])
        for shard in range(shards):
            await _check_shard(conn, names, shard, ends, check=check, coverage=coverage)
        live = {tp: array("q") for tp in sources}
        async with read_to(conn, {tp: ends[tp] for tp in sources}) as batches:
            async for tp, records in batches:
                live[tp].extend(record.offset for record in records)
        for tp, offsets in live.items():
            check.source_records += len(offsets)
            check.failures += coverage.compare(tp.topic, tp.partition, offsets)
    except ReadingError as error:
        check.failures.append(str(error))
    check.failures += coverage.faults
    return check


async def _check_shard(
    conn: Connection,
    names: TopicNames,
    shard: int,
    ends: dict[TopicPartition, int],
    *,
    check: FinalCheck,
    coverage: Coverage,
) -> None:
    async with AsyncExitStack() as stack:
        journal, assignment, push_request, dead_letter = [
            await stack.enter_async_context(opened(conn, tp, ends[tp]))
            for tp in (TopicPartition(names.of(topic), shard) for topic in ROUTED)
        ]
        async for record in dead_letter:
            letter = read_letter(record)
            if not letter.reason:
                continue  # no router wrote it
            topic, partition, offset = letter.source
            # A batch that was not read is one record here, with the offset of its last.
            coverage.set_aside((topic, partition, offset if letter.last_offset is None else letter.last_offset))
            check.dead_letters += 1
        engine = Engine(shard)
        assignments = _Live(f"{names.of(Topic.ASSIGNMENT)}/{shard}", assignment, shard)
        requests = _Live(f"{names.of(Topic.PUSH_REQUEST)}/{shard}", push_request, shard)
        async for frame in _frames(journal, shard, check):
            check.frames += 1
            check.journaled += len(frame.events)
            for event in frame.events:
                coverage.journaled(shard, frame.n, event.source)
            assigned, requested = by_topic(engine.apply(frame).decisions)
            await assignments.hold((shard, frame.n), assigned, check)
            await requests.hold((shard, frame.n), requested, check)
        for live in (assignments, requests):
            await live.expect_end(check)
        check.assignments += assignments.same
        check.push_requests += requests.same


async def _frames(journal: Partition, shard: int, check: FinalCheck) -> AsyncIterator[Frame]:
    """The frames of a journal, up to the first that is not as it must be."""
    expected = 0
    async for record in journal:
        try:
            check_versions(record.headers)
            frame = decode_frame(record.value)
        except ValueError as error:
            check.failures.append(f"journal of shard {shard}, offset {record.offset}: {error}")
            return
        if frame.n != expected:
            check.failures.append(f"journal of shard {shard}: frame {frame.n} stands where {expected} is expected")
            return
        expected += 1
        yield frame


class _Live:
    """A topic of decisions, held against what the replay expects; after the first difference no more is said."""

    def __init__(self, name: str, partition: Partition, shard: int) -> None:
        self._name = name
        self._comparison = Comparison(Finds(following(partition)), shard)
        self._differs = False

    @property
    def same(self) -> int:
        return self._comparison.same

    async def hold(self, frame: Key, decisions: list[bytes], check: FinalCheck) -> None:
        if self._differs:
            return
        difference = await self._comparison.hold(frame, decisions)
        if difference is not None:
            self._differs = True
            check.failures.append(f"{self._name}: {difference}")

    async def expect_end(self, check: FinalCheck) -> None:
        if self._differs:
            return
        async for found in self._comparison.rest():
            self._differs = True
            check.failures.append(f"{self._name}: holds {found}, which the replay has not")
            return
