"""Files that are read: regular ones only, and small ones within a bound.

A path may name a pipe without a writer, which blocks its reader for good, `/dev/zero`, which has no end, or a file that
somebody made large. Each is refused with a message that names the file and what was expected.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

MAX_SECRET_BYTES: Final = 64 * 1024
"""A password or a token; tokens of some identity providers have 10 KiB."""
MAX_SETTINGS_BYTES: Final = 1024 * 1024
"""`switchboard.toml`, `.env`, and a day of arrivals: a few KiB, and room for other programs' variables."""
MAX_CERTIFICATES_BYTES: Final = 4 * 1024 * 1024
"""A file of certificates or a key (PEM); a system's bundle of authorities has about 0.25 MiB."""
MAX_ROUTING_BYTES: Final = 8 * 1024 * 1024
"""A routing file: 10,000 pools of 800 bytes each. It takes some 10 s to read."""


class InputFileError(OSError):
    """A file is none that can be read here; the text of the error begins with the file's name."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")
        self.line = line
        """Counted from 1; None where the whole file is meant."""
        self.message = message


def open_input(path: Path) -> BinaryIO:
    """A regular file, opened for reading; links are followed.

    Raises:
        InputFileError: it is a pipe, a device, a socket or a folder.
        OSError: it is not there, or may not be read.
    """
    # Without O_NONBLOCK the opening of a pipe waits for a writer. It has no effect on a regular file.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(number).st_mode
    if not stat.S_ISREG(kind):
        os.close(number)
        raise InputFileError(path, None, f"expected a file, and it is {_KINDS.get(stat.S_IFMT(kind), 'none')}")
    return os.fdopen(number, "rb")


_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe: write what comes out of it to a file, and name that (gzip and zstd are read as they are)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file that has at most `most` bytes.

    Raises:
        InputFileError: it is no regular file, or has more.
        OSError: it is not there, or may not be read.
    """
    with open_input(path) as file:
        held = file.read(most + 1)
    if len(held) > most:
        raise InputFileError(path, None, f"expected a file of at most {most:,} bytes, and it has more")
    return held


def read_text(path: Path, most: int) -> str:
    """All of a text file in UTF-8 that has at most `most` bytes.

    Raises:
        InputFileError: it is no regular file, has more, is no UTF-8 or holds a NUL; the message names the line.
        OSError: it is not there, or may not be read.
    """
    held = read_bytes(path, most)
    try:
        text = held.decode()
    except UnicodeDecodeError as error:
        line = held.count(b"\n", 0, error.start) + 1
        raise InputFileError(path, line, f"expected UTF-8 text: {error.reason}") from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputFileError(path, line, "expected text, and it holds a NUL character")
    return text
