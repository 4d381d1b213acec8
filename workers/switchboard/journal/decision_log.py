"""Decisions as they are found, in a file or on a topic, one after the other with a look ahead."""

import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from switchboard.domain.decisions import Decision
from switchboard.errors import RecordedLogError
from switchboard.journal.codec import PUSH_REQUEST_TYPE, encode
from switchboard.journal.line_files import DamagedFileError, read_lines

AHEAD: Final = 1_000
"""After a difference so many decisions are looked through for those of the frame at hand."""

Key: TypeAlias = tuple[int, int]
"""(shard, frame number)."""


@dataclass(slots=True)
class Found:
    """One decision as it is found."""

    value: bytes
    where: str
    """Line of the file, or offset on the partition."""

    def __str__(self) -> str:
        """Its id, and where it is."""
        told = id_of(self.value)
        return f"{told or beginning(self.value)} at {self.where}"


LONGEST_QUOTE: Final = 500
"""Bytes of what is no decision, or of a decision, that a sentence repeats."""


def beginning(value: bytes) -> str:
    """What a value is, for a sentence: as text, and cut where it is long."""
    told = value[:LONGEST_QUOTE].decode(errors="replace")
    return told if len(value) <= LONGEST_QUOTE else f"{told}… ({len(value):,} bytes)"


Source: TypeAlias = Callable[[], Awaitable[Found | None]]
"""The next one; None: there is none any more."""


def id_of(value: bytes) -> str:
    """A decision's id, "" if there is none to be seen."""
    head, _, rest = value.partition(b'"id":"')
    return rest.partition(b'"')[0].decode(errors="replace") if head == b"{" else ""


def key_of(value: bytes) -> Key | None:
    """The frame that a decision says it is of, by its id (`POOL/SHARD/FRAME/N`); None: it says none. About 0.5 us."""
    parts = id_of(value).split("/")
    if len(parts) != 4 or not (_is_number(parts[1]) and _is_number(parts[2])):
        return None
    return int(parts[1]), int(parts[2])


_is_number: Final = re.compile("[0-9]{1,18}").fullmatch


class Finds:
    """What is found, in order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ahead: deque[tuple[Found, Key | None]] = deque()
        self._keys: Counter[Key | None] = Counter()

    async def head(self) -> Found | None:
        """The next one, which stays; None: there is none any more."""
        if not self._ahead:
            await self._pull()
        return self._ahead[0][0] if self._ahead else None

    @property
    def head_key(self) -> Key | None:
        """The frame that the head says it is of."""
        return self._ahead[0][1] if self._ahead else None

    async def take(self) -> Found | None:
        """The next one."""
        if not self._ahead:
            return await self._source()
        found, key = self._ahead.popleft()
        self._keys[key] -= 1
        return found

    def put_back(self, found: Found) -> None:
        """Undo a `take`."""
        key = key_of(found.value)
        self._ahead.appendleft((found, key))
        self._keys[key] += 1

    async def holds(self, key: Key) -> bool:
        """Whether one of this frame is among those ahead."""
        while len(self._ahead) < AHEAD and await self._pull():
            pass
        return self._keys[key] > 0

    async def _pull(self) -> bool:
        found = await self._source()
        if found is None:
            return False
        key = key_of(found.value)
        self._ahead.append((found, key))
        self._keys[key] += 1
        return True


def lines_of(path: Path, progress: Callable[[int], None]) -> Source:
    """The lines of a decision log; `progress` is told how many bytes were read, uncompressed.

    The source raises:
        OSError: the file can't be read.
        RecordedLogError: it is compressed and is cut or damaged, or a line is too long.
    """
    lines = _lines(path, progress)

    async def next_line() -> Found | None:
        return next(lines, None)

    return next_line


def _lines(path: Path, progress: Callable[[int], None]) -> Iterator[Found]:
    number = read = 0
    try:
        for number, line in enumerate(read_lines(path), start=1):
            read += len(line)
            if not number % 1000:
                progress(read)
            if not line.isspace():
                yield Found(line.removesuffix(b"\n"), f"line {number}")
    except DamagedFileError as error:
        raise RecordedLogError(str(path), number + 1, str(error)) from None


class DifferenceKind(StrEnum):
    """In what a found decision differs from the replay's."""

    MISSING = "missing"
    """The replay decides it, and it is not found."""
    EXTRA = "extra"
    """It is found, and the replay does not decide it there."""
    DIFFERENT = "different"
    """Both have a decision there, and they are not the same bytes."""
    DECISIONS_END = "decisions-end"
    """There are no more found, and the replay decides more."""
    LOG_ENDS = "log-ends"
    """More are found, of frames that the log does not reach."""


@dataclass(slots=True)
class Difference:
    """One decision that is not as the replay has it."""

    kind: DifferenceKind
    expected: bytes | None
    found: Found | None
    after: int
    """So many were equal before it."""

    def __str__(self) -> str:
        """It in a line."""
        expected = "nothing" if self.expected is None else beginning(self.expected)
        found = "nothing"
        if self.found is not None:
            found = f"{beginning(self.found.value)} at {self.found.where}"
        return f"after {self.after} equal records the replay has {expected}, the topic {found}"


class Comparison:
    """One stream of decisions: a decision log, or one partition of a topic."""

    def __init__(self, finds: Finds, shard: int | None = None) -> None:
        """`shard`: the one that the stream is of; None: it is of all of them."""
        self._finds = finds
        self._shard = shard
        self._done: dict[int, int] = {}
        self.same = 0
        """Found decisions that are equal."""

    async def hold(self, key: Key, expected: list[bytes]) -> Difference | None:
        """Hold a frame's decisions against what is found next; the first difference in that frame."""
        left = deque(expected)
        while left:
            found = await self._finds.take()
            if found is None:
                return Difference(DifferenceKind.DECISIONS_END, left[0], None, self.same)
            if found.value != left[0]:
                self._finds.put_back(found)
                break
            self.same += 1
            left.popleft()
        difference = await self._differ(key, left)
        self._done[key[0]] = key[1]
        return difference

    async def skip_until(self, key: Key) -> int:
        """Pass over what is found of earlier frames of a shard than this; how many."""
        passed = 0
        while await self._finds.head() is not None:
            at = self._finds.head_key
            if at is None or at[0] != key[0] or at[1] >= key[1]:
                break
            await self._finds.take()
            passed += 1
        return passed

    async def rest(self) -> AsyncIterator[Found]:
        """What is found after all that was held against it."""
        while (found := await self._finds.take()) is not None:
            yield found

    def left_over(self, found: Found) -> Difference:
        """What one that `rest` gives is."""
        key = key_of(found.value)
        to_come = key is not None and key[1] > self._done.get(key[0], -1)
        return Difference(DifferenceKind.LOG_ENDS if to_come else DifferenceKind.EXTRA, None, found, self.same)

    async def _differ(self, key: Key, left: deque[bytes]) -> Difference | None:
        """Take in what is found of this frame; the first difference from what is left to be expected of it."""
        first: Difference | None = None
        while await self._is_of(key, wanted=bool(left)):
            found = await self._finds.take()
            if found is None:
                break
            if left and found.value == left[0]:
                self.same += 1
                left.popleft()
                continue
            difference = self._between(left, found)
            first = first or difference
        if left and first is None:
            first = Difference(DifferenceKind.MISSING, left[0], None, self.same)
        return first

    def _between(self, left: deque[bytes], found: Found) -> Difference:
        """Tell how a found decision differs, and drop what it stands for from what is left."""
        names = [id_of(value) for value in left]
        own = id_of(found.value)
        if names and own == names[0]:
            return Difference(DifferenceKind.DIFFERENT, left.popleft(), found, self.same)
        if own in names and found.value in left:
            # What stands before it was left out, or comes later: then that is one too many.
            missing = left[0]
            while left.popleft() != found.value:
                pass
            self.same += 1
            return Difference(DifferenceKind.MISSING, missing, found, self.same - 1)
        return Difference(DifferenceKind.EXTRA, left[0] if left else None, found, self.same)

    async def _is_of(self, key: Key, *, wanted: bool) -> bool:
        """Whether what is found next belongs to this frame, or nowhere later; `wanted`: the frame lacks some."""
        if await self._finds.head() is None:
            return False
        at = self._finds.head_key
        if at is None or at == key or (self._shard is not None and at[0] != self._shard):
            return True
        done = self._done.get(at[0])
        if done is not None and at[1] <= done:
            return True
        # It is of a frame to come: only if some of this frame come after it is it out of place.
        return wanted and await self._finds.holds(key)


def by_topic(decisions: list[Decision]) -> tuple[list[bytes], list[bytes]]:
    """A frame's decisions as they stand on `assignment` and on `push-request`."""
    requested = [encode(decision) for decision in decisions if decision.type == PUSH_REQUEST_TYPE]
    return [encode(decision) for decision in decisions if decision.type != PUSH_REQUEST_TYPE], requested
