"""Decision logs: the decisions of a file or partition in order, and their comparison with a replay.

A decision log is a file with a decision a line, as `switchboard replay` writes them, or a partition of the topic
`assignment` or `push-request`. In a file the decisions of all shards stand in the order of the replayed log.
"""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from switchboard.domain.decisions import Decision
from switchboard.errors import RecordedLogError
from switchboard.journal.codec import PUSH_REQUEST_TYPE, encode
from switchboard.journal.decision_reader import DecisionId, DecisionReader, FrameId
from switchboard.journal.line_files import DamagedFileError, read_lines

LONGEST_QUOTE: Final = 500
"""Bytes of a found value repeated in a message."""


@dataclass
class FoundDecision:
    """A line or record found where a decision is expected."""

    value: bytes
    where: str
    """`line N` of the file, or `offset N` of the partition."""

    @property
    def id_text(self) -> str:
        """The id as text; empty if the value does not begin with an id, as each decision does."""
        head, _, rest = self.value.partition(b'"id":"')
        return rest.partition(b'"')[0].decode(errors="replace") if head == b"{" else ""

    @cached_property
    def id(self) -> DecisionId | None:
        """The id, parsed on first use; None if the value has no decision id."""
        return DecisionId.parse(self.id_text)

    def __str__(self) -> str:
        """The id, or the beginning of the value where there is none, with the place."""
        return f"{self.id_text or quote_value(self.value)} at {self.where}"


def quote_value(value: bytes) -> str:
    """A value as text for a message; a value above `LONGEST_QUOTE` is cut, and the length added."""
    text = value[:LONGEST_QUOTE].decode(errors="replace")
    return text if len(value) <= LONGEST_QUOTE else f"{text}… ({len(value):,} bytes)"


class KafkaRecord(Protocol):
    """The fields of a consumed record used by a decision log."""

    value: bytes | None
    offset: int


async def decisions_of_records(records: AsyncIterable[KafkaRecord]) -> AsyncIterator[FoundDecision]:
    """The decisions of a partition's records, in order.

    Raises:
        Exception: reading the records failed; the error of `records` passes through.
    """
    async for record in records:
        yield FoundDecision(record.value or b"", f"offset {record.offset}")


async def decisions_of_file(path: Path, progress: Callable[[int], None]) -> AsyncIterator[FoundDecision]:
    """The decisions of a file, in order; blank lines are skipped.

    Args:
        path: the decision log, plain, gzip or zstd.
        progress: called every 1,000 lines with the number of uncompressed bytes read.

    Raises:
        OSError: the file can't be read.
        RecordedLogError: the file is compressed and cut or damaged, or a line is too long.
    """
    for found in _found_lines(path, progress):
        yield found


def _found_lines(path: Path, progress: Callable[[int], None]) -> Iterator[FoundDecision]:
    number = read = 0
    try:
        for number, line in enumerate(read_lines(path), start=1):
            read += len(line)
            if not number % 1000:
                progress(read)
            if not line.isspace():
                yield FoundDecision(line.removesuffix(b"\n"), f"line {number}")
    except DamagedFileError as error:
        raise RecordedLogError(str(path), number + 1, str(error)) from None


def encode_by_topic(decisions: Iterable[Decision]) -> tuple[list[bytes], list[bytes]]:
    """The values of a frame's records on `assignment`, and on `push-request`."""
    assigned: list[bytes] = []
    requested: list[bytes] = []
    for decision in decisions:
        (requested if decision.type == PUSH_REQUEST_TYPE else assigned).append(encode(decision))
    return assigned, requested


class DifferenceKind(StrEnum):
    """The kinds of differences between a decision log and the replay."""

    MISSING = "missing"
    """The replay makes a decision, and the log has another or none."""
    EXTRA = "extra"
    """The log has a decision not made by the replay at this place."""
    DIFFERENT = "different"
    """Both have a decision with the same id, and the bytes differ."""
    DECISIONS_END = "decisions-end"
    """The decision log ends, and the replay makes more decisions."""
    LOG_ENDS = "log-ends"
    """The decision log goes on with frames after the end of the replayed log."""


@dataclass(slots=True)
class Difference:
    """A place where a decision log differs from the replay."""

    log: str
    """The decision log: the file, or the topic with its partition."""
    kind: DifferenceKind
    expected: bytes | None
    """The replay's decision; None if the replay makes none there."""
    found: FoundDecision | None
    """None if nothing is found there."""
    after: int
    """Equal decisions before this place."""

    def __str__(self) -> str:
        """The difference on a line, without the name of the log."""
        expected = "nothing" if self.expected is None else quote_value(self.expected)
        found = "nothing"
        if self.found is not None:
            found = f"{quote_value(self.found.value)} at {self.found.where}"
        return f"after {self.after} equal records the replay has {expected}, the topic {found}"


class Comparison:
    """Compares a decision log with a replay, frame by frame and byte for byte.

    Attributes:
        log: the file, or the topic with its partition.
        shard: the shard of all decisions in the log; None for a log of all shards.
        equal: found decisions equal to the replay's.
        first_whole_frame: the first frame to compare after a deletion by retention; earlier frames are deleted, or may
            be cut.
    """

    def __init__(self, log: str, decisions: AsyncIterator[FoundDecision], shard: int | None = None) -> None:
        self.log = log
        self.shard = shard
        self.equal = 0
        self.first_whole_frame = 0
        self._decisions = DecisionReader(decisions)
        self._last: dict[int, int] = {}
        """By shard: the last frame compared."""

    async def compare(self, frame: FrameId, expected: list[bytes]) -> Difference | None:
        """Compare the replay's decisions of a frame with the next ones of the log; the first difference.

        Call with every frame of the replay in order, also with frames without a decision.
        """
        pending = deque(expected)
        # Nearly all decisions are equal. Their ids are not parsed, which would take longer than the comparison.
        while pending:
            found = await self._decisions.take()
            if found is None:
                return self._difference(DifferenceKind.DECISIONS_END, pending[0], None)
            if found.value != pending[0]:
                self._decisions.put_back(found)
                break
            self.equal += 1
            pending.popleft()
        difference = await self._match_rest(frame, pending)
        self.skip(frame)
        return difference

    def skip(self, frame: FrameId) -> None:
        """Note a frame as done without a comparison."""
        self._last[frame[0]] = frame[1]

    async def skip_to(self, frame: FrameId) -> int:
        """Skip the decisions of the shard's earlier frames; how many. Stops at a decision without an id."""
        skipped = 0
        while (found := await self._decisions.peek()) is not None:
            if found.id is None or found.id.shard != frame[0] or found.id.frame >= frame[1]:
                break
            await self._decisions.take()
            skipped += 1
        return skipped

    async def next_frame(self) -> int | None:
        """The frame number of the next decision; None at the end, or if the next decision has no id."""
        found = await self._decisions.peek()
        return None if found is None or found.id is None else found.id.frame

    async def rest(self) -> AsyncIterator[FoundDecision]:
        """The decisions after those of all compared frames."""
        while (found := await self._decisions.take()) is not None:
            yield found

    def is_beyond(self, found: FoundDecision) -> bool:
        """True if the last frame compared of the decision's shard is before the decision's frame."""
        return found.id is not None and found.id.frame > self._last.get(found.id.shard, -1)

    def left_over(self, found: FoundDecision) -> Difference:
        """The difference for a decision from `rest`."""
        kind = DifferenceKind.LOG_ENDS if self.is_beyond(found) else DifferenceKind.EXTRA
        return self._difference(kind, None, found)

    async def _match_rest(self, frame: FrameId, pending: deque[bytes]) -> Difference | None:
        """Take all decisions of this frame, and match them with the pending ones; the first difference."""
        first: Difference | None = None
        while await self._belongs(frame, is_pending=bool(pending)):
            found = await self._decisions.take()
            if found is None:
                break
            if pending and found.value == pending[0]:
                self.equal += 1
                pending.popleft()
                continue
            difference = self._mismatch(pending, found)
            first = first or difference
        # The log goes on with a later frame, or ends.
        if pending and first is None:
            first = self._difference(DifferenceKind.MISSING, pending[0], None)
        return first

    async def _belongs(self, frame: FrameId, *, is_pending: bool) -> bool:
        """True if the next decision belongs to this frame, or to no later one.

        Args:
            frame: the current frame.
            is_pending: some of the replay's decisions of this frame are not found yet.
        """
        found = await self._decisions.peek()
        if found is None:
            return False
        found_id = found.id
        # No id, or a wrong shard: the decision never fits, so it is reported with the current frame.
        if found_id is None or (self.shard is not None and found_id.shard != self.shard):
            return True
        if found_id.frame_id == frame or not self.is_beyond(found):
            return True
        # A decision of a later frame is out of place only if decisions of this frame come after it.
        return is_pending and await self._decisions.has_of(frame)

    def _mismatch(self, pending: deque[bytes], found: FoundDecision) -> Difference:
        """The difference of a found decision from the first pending one; removes matched decisions from `pending`."""
        ids = [FoundDecision(value, "").id_text for value in pending]
        found_id = found.id_text
        if ids and found_id == ids[0]:
            return self._difference(DifferenceKind.DIFFERENT, pending.popleft(), found)
        if found_id in ids and found.value in pending:
            # The pending decisions before the found one are missing. If they come later, each is then an extra one.
            missing = pending[0]
            while pending.popleft() != found.value:
                pass
            difference = self._difference(DifferenceKind.MISSING, missing, found)
            self.equal += 1
            return difference
        return self._difference(DifferenceKind.EXTRA, pending[0] if pending else None, found)

    def _difference(self, kind: DifferenceKind, expected: bytes | None, found: FoundDecision | None) -> Difference:
        return Difference(self.log, kind, expected, found, self.equal)
