"""A file of lines that is written in whole pieces, so that it can be read whatever ends the writing."""

import gzip
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from switchboard.contracts.output_files import (
    PRIVATE,
    create,
    is_stream,
    mode_in_place_of,
    open_stream,
    require_no_link,
)

PIECE_BYTES: Final = 1024 * 1024
"""A piece is written when it has so many bytes: enough that its own gzip member or zstd frame compresses well."""
PIECE_SECONDS: Final = 1.0
"""And when it is so old: what a SIGKILL may lose."""


class PieceWriter:
    """Collects lines, and writes them as pieces that each end with a line.

    A piece is a run of plain lines, a gzip member or a zstd frame: one after another they are a file as any other.
    The file is opened when the first of them is written.
    """

    def __init__(self, opened: Callable[[], BinaryIO], compress: Callable[[bytes], bytes] = bytes) -> None:
        self._opened = opened
        self._file: BinaryIO | None = None
        self._compress = compress
        self._lines: list[bytes] = []
        self._size = 0
        self._began = time.monotonic()

    def write(self, line: bytes) -> None:
        """Add a line, with its end."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE_BYTES:
            self.flush()

    def tick(self) -> None:
        """Write what is at hand if the last piece is a second old. To be called now and then."""
        if time.monotonic() - self._began >= PIECE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is at hand."""
        if self._lines:
            file = self.open()
            file.write(self._compress(b"".join(self._lines)))
            file.flush()
            self._lines, self._size = [], 0
        self._began = time.monotonic()

    def open(self) -> BinaryIO:
        """The file, opened now if it was not before."""
        if self._file is None:
            self._file = self._opened()
        return self._file

    def close(self) -> None:
        """Write what is at hand, to the disk; a file that was not opened is left alone."""
        try:
            self.flush()
            if self._file is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                os.fsync(self._file.fileno())
        finally:
            if self._file is not None:
                self._file.close()


@contextmanager
def writing_pieces(path: Path, *, replace: bool = False) -> Iterator[PieceWriter]:
    """A new file, compressed where its name ends in `.gz` or `.zst`; on the disk when this ends, also by an error.

    It is made with its first piece, readable for its owner alone: whatever ends this before leaves what is there, or
    nothing.

    Args:
        path: the file.
        replace: take away what is there first, and write to a pipe or a device that is there as it is.

    Raises:
        FileExistsError: something is there.
        LinkError: a link is there, and it is to be replaced.
    """
    compress: Callable[[bytes], bytes]
    match path.suffix:
        case ".gz":
            compress = _gzip_member
        case ".zst":
            compress = zstandard.ZstdCompressor().compress
        case _:
            compress = bytes
    writer = PieceWriter(lambda: _made(path, replace=replace), compress)
    try:
        yield writer
    finally:
        writer.close()


def _made(path: Path, *, replace: bool) -> BinaryIO:
    """The file, new: what is there is no longer, unless it is a pipe or a device."""
    if not replace:
        return create(path)
    require_no_link(path)
    if is_stream(path):
        return open_stream(path)
    mode = mode_in_place_of(path, PRIVATE)
    path.unlink(missing_ok=True)
    return create(path, mode)


def _gzip_member(lines: bytes) -> bytes:
    return gzip.compress(lines, mtime=0)
