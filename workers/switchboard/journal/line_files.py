"""Files of lines, plain or compressed, read and written in bounded memory whatever they hold."""

import gzip
import io
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from switchboard.journal.files import (
    PRIVATE,
    create,
    is_stream,
    mode_in_place_of,
    open_input,
    open_stream,
    replacing,
    require_no_link,
)

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""The longest line that is read or recorded, its end included.

A broker takes records of 1 MiB unless its settings say otherwise, and a recorded log writes a byte as six characters at
most (`\\u0000`): 6 MiB a record. The rest is for topics that take more. The router takes values of 64 KiB, and writes
frames of 900,000 bytes.
"""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_BITE: Final = 128
"""Compressed bytes unpacked at a time. A block of zstd has 4 bytes or more, and at most 128 KiB when it is unpacked, so
this gives at most 4 MiB; 100 KB at once may give 3.3 GB. It costs nothing: 0.5 s for 300 MB of log either way."""
_CHUNK: Final = 1 << 18
"""Bytes read from the disk at a time."""


class DamagedFileError(ValueError):
    """A file of lines can't be read on from here, the line after the last one that was given."""


class CutFileError(DamagedFileError):
    """A compressed file is cut, or is damaged."""


class LongLineError(DamagedFileError):
    """A line is longer than `MAX_LINE_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"the line is too long: expected at most {MAX_LINE_BYTES:,} bytes")


def read_lines(path: Path, pass_over: Callable[[LongLineError], object] | None = None) -> Iterator[bytes]:
    """The file's lines with their ends; gzip and zstd are known by their first bytes, whatever the file's name.

    Memory stays below 128 MiB, whatever the file holds, and below 256 MiB for a zstd file with the largest window.

    Args:
        path: a regular file.
        pass_over: called for a line that is too long, in whose place an empty line is given; None refuses it.

    Raises:
        OSError: it can't be read, or is no regular file.
        CutFileError: it is compressed and ends in the middle, or is damaged.
        LongLineError: a line is too long, and `pass_over` is None.
    """
    with open_input(path) as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            lines = _gunzipped(file)
        elif magic == _ZSTD_MAGIC:
            lines = _joined(io.BytesIO(chunk) for chunk in _unzstd(file))
        else:
            lines = _pieces(file)
        yield from _bounded(lines, pass_over)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, those that are too long in pieces of `MAX_LINE_BYTES`."""
    return iter(partial(file.readline, MAX_LINE_BYTES), b"")


def _bounded(pieces: Iterator[bytes], pass_over: Callable[[LongLineError], object] | None) -> Iterator[bytes]:
    """The pieces that are whole lines, and an empty one for the pieces of a longer line."""
    for piece in pieces:
        if len(piece) < MAX_LINE_BYTES or piece.endswith(b"\n"):
            yield piece
            continue
        if pass_over is None:
            raise LongLineError
        pass_over(LongLineError())
        for rest in pieces:
            if rest.endswith(b"\n"):
                break
        yield b"\n"


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.open(file) as unpacked:
            yield from _pieces(cast("BinaryIO", unpacked))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CutFileError(f"the gzip file is cut or damaged: {error}") from None


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """What a zstd file holds, frame by frame (the library's own reader takes a cut file for a whole one)."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    ended = True
    while chunk := file.read(_CHUNK):
        for at in range(0, len(chunk), _ZSTD_BITE):
            bite = chunk[at : at + _ZSTD_BITE]
            while bite:
                try:
                    yield frame.decompress(bite)
                except zstandard.ZstdError as error:
                    raise CutFileError(f"the zstd file is damaged: {error}") from None
                ended, bite = frame.eof, frame.unused_data
                if ended:
                    frame = zstandard.ZstdDecompressor().decompressobj()
    if not ended:
        raise CutFileError("the zstd file is cut: it ends in the middle of a frame")


def _joined(chunks: Iterable[BinaryIO]) -> Iterator[bytes]:
    """The lines of chunks that follow one another, those that are too long in pieces of `MAX_LINE_BYTES`."""
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        for part in chunk:  # a line of the chunk, its first and last perhaps a part of one
            if not begun and part.endswith(b"\n") and len(part) < MAX_LINE_BYTES:  # nearly always
                yield part
                continue
            begun.append(part)
            size += len(part)
            if size < MAX_LINE_BYTES and not part.endswith(b"\n"):
                continue
            line = b"".join(begun) if len(begun) > 1 else part
            at = 0
            while size - at >= MAX_LINE_BYTES:
                yield line[at : at + MAX_LINE_BYTES]
                at += MAX_LINE_BYTES
            rest = line[at:] if at else line
            if rest.endswith(b"\n"):
                yield rest
                rest = b""
            begun, size = ([rest], len(rest)) if rest else ([], 0)
    if begun:
        yield b"".join(begun)


@contextmanager
def writing_lines(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to; compressed where its name ends in `.gz` or `.zst`, the same bytes each time.

    It takes the place of what is there once it is whole.
    """
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:  # neither a name nor a time is in it
                yield cast("BinaryIO", compressed)
        elif path.suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed:
                yield cast("BinaryIO", compressed)
        else:
            yield file


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
