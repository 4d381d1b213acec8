"""Decisions as they are found, in a file or on a topic, one after the other with a look ahead."""

import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from switchboard.contracts.log_files import DamagedFileError, read_lines
from switchboard.errors import RecordedLogError
from switchboard.kafka.reading import Partition

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


def following(partition: Partition) -> Source:
    """The records of a partition of a live topic.

    The source raises:
        ReadingError: nothing came for half a minute.
    """

    async def next_record() -> Found | None:
        record = await partition.next()
        return None if record is None else Found(record.value or b"", f"offset {record.offset}")

    return next_record
