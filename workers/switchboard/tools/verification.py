"""`switchboard verify`: a log is replayed, its decisions are compared, and the first difference is explained."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition

from switchboard.domain.decisions import Decision
from switchboard.errors import NoSuchShardError
from switchboard.journal.codec import encode
from switchboard.journal.decision_log import (
    Comparison,
    Difference,
    DifferenceKind,
    FoundDecision,
    decisions_of_file,
    decisions_of_records,
    encode_by_topic,
)
from switchboard.journal.decision_reader import FrameId
from switchboard.journal.frames import OtherVersionError
from switchboard.journal.log_frames import OtherVersionLogError, Tally
from switchboard.kafka.acl import DECIDED, Operation, on_topics, require_rights
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import ends_of, opened, require_partitions
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.tools.circumstances import Circumstances, find_circumstances
from switchboard.tools.offline_replay import steps

_AFTER_ALL_FRAMES: Final = 1 << 62


@dataclass(slots=True)
class FirstDifference:
    """The first difference, and the state that led to it."""

    difference: Difference
    circumstances: Circumstances | None
    """None: the difference is in no frame of the log."""


@dataclass(slots=True)
class Verified:
    """The result of a verification."""

    decisions: int = 0
    """Decisions made by the replay."""
    same: int = 0
    """Decisions of the replay found byte for byte."""
    frames_differ: int = 0
    """Frames with a difference, up to the end of the log or of the decisions."""
    frames_unmatched: int = 0
    """Frames with decisions after the end of the decisions found."""
    left_over: int = 0
    """Decisions found beside all frames of the log: a fault."""
    before: int = 0
    """Decisions on the live topics before the log's first frame: no fault."""
    beyond: int = 0
    """Decisions on the live topics after the log's last frame: no fault."""
    frames_deleted: int = 0
    """Frames not compared, because retention has deleted their decisions from the live topics."""
    other_version: OtherVersionError | None = None
    """Set if the log, from some line on, has other rules or another format. The lines before are compared."""
    other_version_line: int | None = None
    first: FirstDifference | None = None

    @property
    def nothing_compared(self) -> bool:
        """True if retention has deleted all decisions that the log could be compared with."""
        return self.frames_deleted > 0 and self.same == 0 and self.first is None

    @property
    def equal(self) -> bool:
        """True if the decisions could be compared up to the log's end, and none differs."""
        return self.first is None and self.other_version is None and not self.nothing_compared


async def verify(log: Path, found: "FoundDecisions", tally: Tally, progress: Callable[[], None]) -> Verified:
    """Replay a log and compare its decisions. After a difference the log is replayed once more, to explain the first.

    Raises:
        RecordedLogError: the log or the decision log can't be read; the message names the line.
        OSError: a file can't be read.
        ReadingError: a live topic can't be read.
        NoSuchShardError: the log is of a shard that the live topics don't have.
    """
    verified = Verified()
    first: tuple[FrameId | None, Difference] | None = None
    try:
        for number, (engine, frame) in enumerate(steps(log, tally)):
            decisions = engine.apply(frame).decisions
            verified.decisions += len(decisions)
            frame_id = (engine.shard, frame.n)
            difference = await found.compare(frame_id, decisions)
            if difference is not None:
                first = first or (frame_id, difference)
                # After the end of the decisions every frame differs: counted apart from real differences.
                if difference.kind is DifferenceKind.DECISIONS_END:
                    verified.frames_unmatched += 1
                else:
                    verified.frames_differ += 1
            if not number % 1000:
                progress()
                # Files are read without a suspension. Here Ctrl-C can cancel the task.
                await asyncio.sleep(0)
    except OtherVersionLogError as error:
        # The decisions of the later frames are still ahead: they are not left over, but not comparable.
        verified.other_version, verified.other_version_line = error.other, error.line
    else:
        rest = await found.rest()
        verified.beyond, verified.left_over = rest.beyond, rest.left_over
        if rest.first is not None:
            first = first or (None, rest.first)
    verified.same, verified.before, verified.frames_deleted = found.equal, found.before, found.frames_deleted
    if first is not None:
        frame_or_none, difference = first
        state = None if frame_or_none is None else await find_circumstances(log, frame_or_none, difference, progress)
        verified.first = FirstDifference(difference, state)
    return verified


@dataclass(slots=True)
class Rest:
    """The decisions found after the log's last frame."""

    first: Difference | None = None
    """The first left-over decision."""
    left_over: int = 0
    """Decisions not made by the replay: a fault."""
    beyond: int = 0
    """Decisions of frames after the end of the log: no fault, because a recording may end before the topic."""


class FoundDecisions(ABC):
    """The decisions to compare with a replay: one decision log, or several.

    Attributes:
        before: decisions skipped, because their frames come before the log's first one.
        frames_deleted: frames not compared, because retention has deleted their decisions.
    """

    def __init__(self) -> None:
        self.before = 0
        self.frames_deleted = 0

    async def compare(self, frame: FrameId, decisions: list[Decision]) -> Difference | None:
        """Compare a frame's decisions; the first difference.

        Raises:
            RecordedLogError, OSError: a decision log can't be read.
            ReadingError: a live topic brought no record for half a minute.
            NoSuchShardError: the live topics have no partition of the shard.
        """
        first: Difference | None = None
        is_deleted = False
        for comparison, expected in await self._expected(frame, decisions):
            if frame[1] < comparison.first_whole_frame:
                comparison.skip(frame)
                is_deleted = is_deleted or bool(expected)
                continue
            difference = await comparison.compare(frame, expected)
            first = first or difference
        self.frames_deleted += is_deleted
        return first

    async def rest(self) -> Rest:
        """Read the decisions after the log's last frame.

        Raises:
            RecordedLogError, OSError, ReadingError: as `compare`.
        """
        rest = Rest()
        for comparison in self._comparisons():
            async for found in comparison.rest():
                if self._may_follow(comparison, found):
                    rest.beyond += 1
                    continue
                rest.left_over += 1
                rest.first = rest.first or comparison.left_over(found)
        return rest

    @property
    def equal(self) -> int:
        """Found decisions equal to the replay's."""
        return sum(comparison.equal for comparison in self._comparisons())

    @abstractmethod
    async def _expected(self, frame: FrameId, decisions: list[Decision]) -> Iterable[tuple[Comparison, list[bytes]]]:
        """The decision logs of the frame's shard, each with the decisions of the frame expected in the log."""

    @abstractmethod
    def _comparisons(self) -> Iterable[Comparison]:
        """All decision logs opened so far."""

    @abstractmethod
    def _may_follow(self, comparison: Comparison, found: FoundDecision) -> bool:
        """True if a decision after the log's last frame is no fault."""


class DecisionFile(FoundDecisions):
    """A file with the decisions of all shards, in the order of the log."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        super().__init__()
        self._comparison = Comparison(str(path), decisions_of_file(path, progress))

    async def _expected(self, frame: FrameId, decisions: list[Decision]) -> Iterable[tuple[Comparison, list[bytes]]]:
        del frame
        return [(self._comparison, [encode(decision) for decision in decisions])]

    def _comparisons(self) -> Iterable[Comparison]:
        return [self._comparison]

    def _may_follow(self, comparison: Comparison, found: FoundDecision) -> bool:
        del comparison, found
        return False


class DecisionTopics(FoundDecisions):
    """The live topics `assignment` and `push-request`, up to their ends at the time of `open`."""

    def __init__(
        self, conn: Connection, names: TopicNames, ends: dict[TopicPartition, int], stack: AsyncExitStack
    ) -> None:
        super().__init__()
        self._conn = conn
        self._names = names
        self._ends = ends
        self._stack = stack
        self._shards: dict[int, tuple[Comparison, Comparison]] = {}

    @classmethod
    async def open(cls, conn: Connection, names: TopicNames, shards: int, stack: AsyncExitStack) -> "DecisionTopics":
        """Find the ends of the topics. Partitions are opened later, and closed with the stack.

        Raises:
            NotAllowedError: the cluster does not allow reading a topic.
            WrongTopicsError: a topic is missing.
            ReadingError: a transaction stayed open.
        """
        await require_rights(conn, on_topics(names, Operation.READ, DECIDED))
        tps = [TopicPartition(names.of(topic), shard) for topic in DECIDED for shard in range(shards)]
        await require_partitions(conn, map(names.of, DECIDED))
        return cls(conn, names, await ends_of(conn, tps), stack)

    async def _expected(self, frame: FrameId, decisions: list[Decision]) -> Iterable[tuple[Comparison, list[bytes]]]:
        shard = frame[0]
        # Opened with the first frame of the shard, because a log may begin in the middle of a topic.
        if shard not in self._shards:
            self._shards[shard] = (
                await self._open_partition(Topic.ASSIGNMENT, frame),
                await self._open_partition(Topic.PUSH_REQUEST, frame),
            )
        return zip(self._shards[shard], encode_by_topic(decisions), strict=True)

    def _comparisons(self) -> Iterable[Comparison]:
        return (comparison for comparisons in self._shards.values() for comparison in comparisons)

    def _may_follow(self, comparison: Comparison, found: FoundDecision) -> bool:
        return found.id is not None and found.id.shard == comparison.shard and comparison.is_beyond(found)

    async def _open_partition(self, topic: Topic, begin: FrameId) -> Comparison:
        """The partition of a shard, from the log's first frame on, or from the first frame that is whole on the topic.

        Raises:
            NoSuchShardError: the topic has no such partition.
            ReadingError: the topic brought no record for half a minute.
        """
        shard, _ = begin
        tp = TopicPartition(self._names.of(topic), shard)
        if tp not in self._ends:
            raise NoSuchShardError(
                f"the log is of shard {shard}, and {tp.topic} is taken to have fewer: set SWITCHBOARD_SHARDS and "
                "the topic prefix to those of the installation that the log is of"
            )
        partition = await self._stack.enter_async_context(opened(self._conn, tp, self._ends[tp]))
        comparison = Comparison(f"{tp.topic}/{tp.partition}", decisions_of_records(partition), shard)
        if partition.first > 0:
            # Retention deletes from the middle of a frame as well, so the first frame left on the topic may be cut.
            cut_frame = await comparison.next_frame()
            comparison.first_whole_frame = _AFTER_ALL_FRAMES if cut_frame is None else cut_frame + 1
            await comparison.skip_to((shard, comparison.first_whole_frame))
        self.before += await comparison.skip_to(begin)
        return comparison
