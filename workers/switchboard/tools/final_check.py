"""The final check of a run: each source record taken once and in order, each decision equal to the replay's."""

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
from switchboard.journal.decision_log import Comparison, decisions_of_records, encode_by_topic
from switchboard.journal.frames import check_versions, decode_frame
from switchboard.journal.printable_text import counted
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import Partition, ends_of, opened, partitions_of, read_to
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.tools.dead_letters import read_letter

RecordPlace: TypeAlias = tuple[str, int, int]
"""(topic on the bus, partition, offset) of a source record."""

SHOWN: Final = 5
"""Wrong offsets of a partition that a message names, and faults of order that are kept."""

ROUTED: Final = (Topic.JOURNAL, Topic.ASSIGNMENT, Topic.PUSH_REQUEST, Topic.DEAD_LETTER)


@dataclass(slots=True)
class FinalCheck:
    """The figures of the check, and what is wrong."""

    source_records: int = 0
    journaled: int = 0
    """Events in journals."""
    dead_letters: int = 0
    frames: int = 0
    assignments: int = 0
    """Records on `assignment` that are equal to the replay's."""
    push_requests: int = 0
    """Records on `push-request` that are equal to the replay's."""
    failures: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """True if nothing is wrong."""
        return not self.failures

    def lines(self) -> list[str]:
        """The result as sentences, one a line."""
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


def _offsets() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Coverage:
    """The source records that all shards together have taken. 8 bytes a record."""

    taken: dict[tuple[str, int], "array[int]"] = field(default_factory=lambda: defaultdict(_offsets))
    """By topic and partition: the offsets taken, in the order noted."""
    last: dict[tuple[int, str, int], int] = field(default_factory=dict)
    """By shard, topic and partition: the offset journaled last."""
    faults: list[str] = field(default_factory=list)
    """The first faults of order, in words."""

    def journaled(self, shard: int, frame: int, source: RecordPlace) -> None:
        """Note an event in a shard's journal."""
        topic, partition, offset = source
        self.taken[topic, partition].append(offset)
        before = self.last.get((shard, topic, partition), -1)
        if offset <= before and len(self.faults) < SHOWN:
            self.faults.append(
                f"frame {frame} of shard {shard} holds {topic}/{partition}@{offset} after {topic}/{partition}@{before}"
            )
        self.last[shard, topic, partition] = offset

    def set_aside(self, source: RecordPlace) -> None:
        """Note a record that is on `dead-letter`."""
        topic, partition, offset = source
        self.taken[topic, partition].append(offset)

    def compare(self, topic: str, partition: int, live: "array[int]") -> Iterator[str]:
        """The faults of one source partition, in words.

        Args:
            topic: the topic's name on the bus.
            partition: the partition's number.
            live: the offsets of the records on the partition, ascending.
        """
        taken = sorted(self.taken.get((topic, partition), ()))
        once = set(taken)
        where = f"{topic}/{partition}"
        if missing := [offset for offset in live if offset not in once]:
            of = f"{len(missing):,} of {counted(len(live), 'record')} {'was' if len(missing) == 1 else 'were'}"
            yield f"{where}: {of} never taken, such as {_some(missing)}"
        if strange := sorted(once.difference(live)):
            count = counted(len(strange), "record was taken that is not there", "records were taken that are not there")
            yield f"{where}: {count}, such as {_some(strange)}"
        if len(taken) > len(once):
            twice = [offset for offset, following in pairwise(taken) if offset == following]
            count = counted(len(twice), "record was taken", "records were taken")
            yield f"{where}: {count} more than once, such as {_some(twice)}"


def _some(offsets: list[int]) -> str:
    return ", ".join(f"@{offset}" for offset in offsets[:SHOWN])


async def final_check(conn: Connection, names: TopicNames, shards: int) -> FinalCheck:
    """Compare the source topics with the journals, and the decisions with a replay of the journals.

    The routers must have stopped, and must have started at the beginning of the source topics. The check waits until
    the transaction of a killed router has ended.
    """
    check, coverage = FinalCheck(), Coverage()
    try:
        sources = await partitions_of(conn, names.sources)
        routed = [TopicPartition(names.of(topic), shard) for shard in range(shards) for topic in ROUTED]
        ends = await ends_of(conn, [*sources, *routed])
        # Shard by shard: a consumer for each topic of a shard, and one engine in memory.
        for shard in range(shards):
            async with AsyncExitStack() as stack:
                partitions = {
                    topic: await stack.enter_async_context(opened(conn, tp, ends[tp]))
                    for topic, tp in ((topic, TopicPartition(names.of(topic), shard)) for topic in ROUTED)
                }
                await _check_dead_letters(partitions[Topic.DEAD_LETTER], check, coverage)
                await _check_decisions(shard, names, partitions, check, coverage)
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


async def _check_dead_letters(partition: Partition, check: FinalCheck, coverage: Coverage) -> None:
    """Note the source records of a shard's dead letters as taken."""
    async for record in partition:
        letter = read_letter(record)
        if not letter.reason:
            continue  # not written by a router
        topic, partition_number, offset = letter.source
        # A batch that could not be read counts as one record on its topic, with the offset of the batch's last record.
        coverage.set_aside((topic, partition_number, offset if letter.last_offset is None else letter.last_offset))
        check.dead_letters += 1


async def _check_decisions(
    shard: int, names: TopicNames, partitions: dict[Topic, Partition], check: FinalCheck, coverage: Coverage
) -> None:
    """Replay a shard's journal, note its events as taken, and compare its decisions with the live ones.

    Of each decision topic the first difference only is a failure: the rest may follow from it.
    """
    engine = Engine(shard)
    assignments, requests = comparisons = [
        Comparison(f"{names.of(topic)}/{shard}", decisions_of_records(partitions[topic]), shard)
        for topic in (Topic.ASSIGNMENT, Topic.PUSH_REQUEST)
    ]
    differing: set[str] = set()
    async for frame in _frames(partitions[Topic.JOURNAL], shard, check):
        check.frames += 1
        check.journaled += len(frame.events)
        for event in frame.events:
            coverage.journaled(shard, frame.n, event.source)
        expected_by_topic = encode_by_topic(engine.apply(frame).decisions)
        for comparison, expected in zip(comparisons, expected_by_topic, strict=True):
            if comparison.log not in differing:
                difference = await comparison.compare((shard, frame.n), expected)
                if difference is not None:
                    differing.add(comparison.log)
                    check.failures.append(f"{comparison.log}: {difference}")
    for comparison in comparisons:
        if comparison.log not in differing:
            async for found in comparison.rest():
                check.failures.append(f"{comparison.log}: holds {found}, which the replay has not")
                break
    check.assignments += assignments.equal
    check.push_requests += requests.equal


async def _frames(journal: Partition, shard: int, check: FinalCheck) -> AsyncIterator[Frame]:
    """The frames of a shard's journal, up to the first that is damaged or out of order, which is a failure."""
    expected = 0
    async for record in journal:
        try:
            check_versions(record.headers)
            frame = decode_frame(record.value)
        except ValueError as error:
            check.failures.append(f"journal of shard {shard}, offset {record.offset}: {error}")
            return
        # After a gap or a repeated frame the replay would be in another state than the router was.
        if frame.n != expected:
            check.failures.append(f"journal of shard {shard}: frame {frame.n} stands where {expected} is expected")
            return
        expected += 1
        yield frame
