"""Files of lines, plain or compressed, read and written in bounded memory."""

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
from typing import BinaryIO, Final, TypeAlias, cast

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
"""The longest line that is read or recorded, with its end.

A broker takes records of 1 MiB unless its settings say otherwise, and a recorded log writes a byte as six characters at
most (`\\u0000`): 6 MiB a record. The rest is for topics with a higher limit. The router takes values of 64 KiB, and
writes frames of 900,000 bytes.
"""
PIECE_BYTES: Final = 1024 * 1024
"""Bytes of a piece: enough for a gzip member or zstd frame to compress well."""
PIECE_SECONDS: Final = 1.0
"""The longest time until a smaller piece is written: a SIGKILL loses no more."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_STEP: Final = 128
"""Compressed bytes unpacked at a time. A block of zstd has 4 bytes or more, and at most 128 KiB when unpacked, so a
step gives at most 4 MiB; 100 KB at once may give 3.3 GB. Small steps cost nothing: 300 MB of log take 0.5 s either
way."""
_CHUNK: Final = 1 << 18
"""Bytes read from the disk at a time."""


class DamagedFileError(ValueError):
    """A file of lines can't be read further: the line after the last returned line is damaged."""


class CutFileError(DamagedFileError):
    """A compressed file is cut or damaged."""


class LongLineError(DamagedFileError):
    """A line is longer than the limit."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the line is too long: expected at most {most:,} bytes")


# Reading

OnLongLine: TypeAlias = Callable[[LongLineError], object]


def read_lines(path: Path, on_long_line: OnLongLine | None = None, *, most: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """The file's lines with their ends. Gzip and zstd are recognized by their first bytes, whatever the file's name.

    Memory stays below 128 MiB, whatever the file holds, and below 256 MiB for a zstd file with the largest window.

    Args:
        path: a regular file.
        on_long_line: called for a line that is too long; an empty line takes its place. None refuses the file.
        most: bytes of a line, with its end.

    Raises:
        OSError: the file can't be read, or is no regular file.
        CutFileError: the file is compressed and cut or damaged.
        LongLineError: a line is too long, and `on_long_line` is None.
    """
    with open_input(path) as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            pieces = _unpack_gzip(file, most)
        elif magic == _ZSTD_MAGIC:
            pieces = _lines_of_chunks((io.BytesIO(chunk) for chunk in _unpack_zstd(file)), most)
        else:
            pieces = _pieces(file, most)
        yield from _whole_lines(pieces, on_long_line, most)


def _pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines of a file; a line that is too long in pieces of `most` bytes."""
    return iter(partial(file.readline, most), b"")


def _whole_lines(pieces: Iterator[bytes], on_long_line: OnLongLine | None, most: int) -> Iterator[bytes]:
    """The whole lines among the pieces, and an empty line for all pieces of a longer line."""
    for piece in pieces:
        if len(piece) < most or piece.endswith(b"\n"):
            yield piece
            continue
        if on_long_line is None:
            raise LongLineError(most)
        on_long_line(LongLineError(most))
        # Skip the rest of the line. One empty line keeps the numbers of the following lines right.
        for rest in pieces:
            if rest.endswith(b"\n"):
                break
        yield b"\n"


def _unpack_gzip(file: BinaryIO, most: int) -> Iterator[bytes]:
    try:
        with gzip.open(file) as unpacked:
            yield from _pieces(cast("BinaryIO", unpacked), most)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CutFileError(f"the gzip file is cut or damaged: {error}") from None


def _unpack_zstd(file: BinaryIO) -> Iterator[bytes]:
    """The content of a zstd file, frame by frame. The library's own reader accepts a cut file as whole."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    ended = True
    while chunk := file.read(_CHUNK):
        for at in range(0, len(chunk), _ZSTD_STEP):
            packed = chunk[at : at + _ZSTD_STEP]
            while packed:
                try:
                    yield frame.decompress(packed)
                except zstandard.ZstdError as error:
                    raise CutFileError(f"the zstd file is damaged: {error}") from None
                # Bytes after the end of a frame begin the next one.
                ended, packed = frame.eof, frame.unused_data
                if ended:
                    frame = zstandard.ZstdDecompressor().decompressobj()
    if not ended:
        raise CutFileError("the zstd file is cut: it ends in the middle of a frame")


def _lines_of_chunks(chunks: Iterable[BinaryIO], most: int) -> Iterator[bytes]:
    """The lines of successive chunks; a line that is too long in pieces of `most` bytes."""
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        for part in chunk:  # a line of the chunk; the chunk's first and last part may be parts of a line
            if not begun and part.endswith(b"\n") and len(part) < most:  # nearly always
                yield part
                continue
            begun.append(part)
            size += len(part)
            if size < most and not part.endswith(b"\n"):
                continue
            # The line has ended, or is too long: give all but a beginning that is short enough to wait for its end.
            line = b"".join(begun) if len(begun) > 1 else part
            at = 0
            while size - at >= most:
                yield line[at : at + most]
                at += most
            rest = line[at:] if at else line
            if rest.endswith(b"\n"):
                yield rest
                rest = b""
            begun, size = ([rest], len(rest)) if rest else ([], 0)
    if begun:
        yield b"".join(begun)


# Writing


@contextmanager
def writing_lines(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to. When complete, the file replaces an existing one.

    Compressed if its name ends in `.gz` or `.zst`. The same lines give the same bytes each time.
    """
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:  # without name and time in the header
                yield cast("BinaryIO", compressed)
        elif path.suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed:
                yield cast("BinaryIO", compressed)
        else:
            yield file


@contextmanager
def writing_pieces(path: Path, *, replace: bool = False) -> Iterator["PieceWriter"]:
    """A new file, compressed if its name ends in `.gz` or `.zst`; on the disk when the context ends, by error or not.

    The file is made with its first piece, readable for its owner alone. If the context ends before the first piece, an
    existing file stays, and no file is made.

    Args:
        path: the file.
        replace: delete an existing file first; write to an existing pipe or device directly.

    Raises:
        FileExistsError: the name is taken, and `replace` is False.
        LinkError: the path is a link, and `replace` is True.
    """
    compress: Callable[[bytes], bytes]
    match path.suffix:
        case ".gz":
            compress = _gzip_member
        case ".zst":
            compress = zstandard.ZstdCompressor().compress
        case _:
            compress = bytes
    writer = PieceWriter(lambda: _open_new(path, replace=replace), compress)
    try:
        yield writer
    finally:
        writer.close()


class PieceWriter:
    """Collects lines, and writes pieces of whole lines.

    A piece is a run of plain lines, a gzip member or a zstd frame; pieces one after another form a normal file. The
    file is opened when the first piece is written.
    """

    def __init__(
        self,
        open_file: Callable[[], BinaryIO],
        compress: Callable[[bytes], bytes] = bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_file = open_file
        self._file: BinaryIO | None = None
        self._compress = compress
        self._clock = clock
        self._lines: list[bytes] = []
        self._size = 0
        self._last_flush = clock()

    def write(self, line: bytes) -> None:
        """Add a line, with its end."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE_BYTES:
            self.flush()

    def tick(self) -> None:
        """Write the collected lines if the last piece is `PIECE_SECONDS` old. To be called regularly."""
        if self._clock() - self._last_flush >= PIECE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the collected lines."""
        if self._lines:
            file = self.open()
            file.write(self._compress(b"".join(self._lines)))
            file.flush()
            self._lines, self._size = [], 0
        self._last_flush = self._clock()

    def open(self) -> BinaryIO:
        """The file; opened on the first call."""
        if self._file is None:
            self._file = self._open_file()
        return self._file

    def close(self) -> None:
        """Write the collected lines, and wait until the disk has the file. A file never opened is left alone."""
        try:
            self.flush()
            if self._file is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                os.fsync(self._file.fileno())
        finally:
            if self._file is not None:
                self._file.close()


def _open_new(path: Path, *, replace: bool) -> BinaryIO:
    """A new file; with `replace`, an existing file is deleted first, and an existing pipe or device opened instead."""
    if not replace:
        return create(path)
    require_no_link(path)
    if is_stream(path):
        return open_stream(path)
    mode = mode_in_place_of(path, PRIVATE)  # before the old file is deleted
    path.unlink(missing_ok=True)
    return create(path, mode)


def _gzip_member(lines: bytes) -> bytes:
    return gzip.compress(lines, mtime=0)
