"""Files of lines, plain or compressed, read and written in constant memory."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from switchboard.contracts.whole_files import replacing

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 18
"""Bytes read at a time: large enough that the loop costs nothing beside the decompression."""


class CutFileError(ValueError):
    """A compressed file is cut, or is damaged."""


def read_lines(path: Path) -> Iterator[bytes]:
    """The file's lines with their ends; gzip and zstd are known by their first bytes, whatever the file's name.

    Raises:
        OSError: it can't be read.
        CutFileError: it is compressed and ends in the middle, or is damaged.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            yield from _gunzipped(file)
        elif magic == _ZSTD_MAGIC:
            yield from _lines(_unzstd(file))
        else:
            yield from file


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.open(file) as lines:
            yield from lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CutFileError(f"the gzip file is cut or damaged: {error}") from None


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """What a zstd file holds, frame by frame (the library's own reader takes a cut file for a whole one)."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    ended = True
    while chunk := file.read(_CHUNK):
        while chunk:
            try:
                yield frame.decompress(chunk)
            except zstandard.ZstdError as error:
                raise CutFileError(f"the zstd file is damaged: {error}") from None
            ended, chunk = frame.eof, frame.unused_data
            if ended:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if not ended:
        raise CutFileError("the zstd file is cut: it ends in the middle of a frame")


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        begun.append(first)
        for line in others:
            yield b"".join(begun) + b"\n"
            begun = [line]
    last = b"".join(begun)
    if last:
        yield last


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
            with zstandard.ZstdCompressor().stream_writer(file) as compressed:
                yield cast("BinaryIO", compressed)
        else:
            yield file
