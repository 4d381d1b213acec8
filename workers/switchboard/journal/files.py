"""Files that are read: regular ones only, and small ones within a bound.

A path may name a pipe without a writer, which blocks its reader for good, `/dev/zero`, which has no end, or a file that
somebody made large. Each is refused with a message that names the file and what was expected.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
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


PRIVATE: Final = 0o600
"""The mode of logs, which hold customers' data."""
SHARED: Final = 0o666
"""The mode of what is made to be shown, such as a report, before the umask."""

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LinkError(OSError):
    """The file to write is a link."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: is a link, to {path.readlink()}: files are not written through links; name the file itself"
        )


def create(path: Path, mode: int = PRIVATE) -> BinaryIO:
    """A file that did not exist, opened for writing.

    Raises:
        FileExistsError: there is something of this name, perhaps a link.
        OSError: it can't be made.
    """
    return os.fdopen(os.open(path, _NEW, mode), "wb")


def create_beside(path: Path, mode: int = PRIVATE) -> tuple[BinaryIO, Path]:
    """A new file in the folder of another, under a name that nobody can know before; what it is called.

    Raises:
        OSError: it can't be made.
    """
    beside = path.with_name(f".switchboard-{secrets.token_hex(8)}.part")
    return create(beside, mode), beside


def require_no_link(path: Path) -> None:
    """Refuse a link; the names of this process's own streams, as /dev/stdout is, are none in this sense.

    Raises:
        LinkError: it is one.
    """
    if path.is_symlink() and _own_stream(path) is None:
        raise LinkError(path)


def is_stream(path: Path) -> bool:
    """Whether there is something to be written to as it is: a pipe, a device, or one of this process's own streams."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    return _own_stream(path) is not None or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def open_stream(path: Path) -> BinaryIO:
    """What `is_stream`, opened for writing; it is neither made nor emptied.

    Raises:
        OSError: it can't be opened, or is a pipe of somebody else, who may have put it there to read what comes.
    """
    own = _own_stream(path)
    number = os.dup(own) if own is not None else os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    there = os.fstat(number)
    if own is None and not stat.S_ISCHR(there.st_mode) and there.st_uid not in (0, os.geteuid()):
        os.close(number)
        raise PermissionError(f"{path}: is a pipe of another user: write to one of your own, or to a file")
    return os.fdopen(number, "wb")


def _own_stream(path: Path) -> int | None:
    """The number of the open stream that a path of /dev stands for; None: it stands for none."""
    match path.parts:
        case ("/", "dev", "stdout"):
            return 1
        case ("/", "dev", "stderr"):
            return 2
        case ("/", "dev", "fd", number) if number.isascii() and number.isdigit():
            return int(number)
        case _:
            return None


def mode_in_place_of(path: Path, mode: int) -> int:
    """The mode of a file that takes the place of what is there: that of our own file, else `mode`.

    A file of somebody else may have been put there so that it can be read.
    """
    try:
        there = path.lstat()
    except FileNotFoundError:
        return mode
    return stat.S_IMODE(there.st_mode) if stat.S_ISREG(there.st_mode) and there.st_uid == os.geteuid() else mode


def sync(file: BinaryIO) -> None:
    """Have the disk hold all that was written."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk hold the folder's names: without it a crash of the machine may undo a renaming."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def replacing(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of what is there when this ends well, and is no more otherwise.

    Until then it has a name of its own in the same folder, `.switchboard-XXXXXXXXXXXXXXXX.part`. It is on the disk
    before it takes its name. What is there and is no file, as a pipe or /dev/null, is written to as it is.

    Args:
        path: the file's name.
        mode: that of the new file; one of our own that it replaces keeps its mode.

    Raises:
        LinkError: a link is there.
        OSError: it can't be written.
    """
    require_no_link(path)
    if is_stream(path):
        with open_stream(path) as file:
            yield file
        return
    file, part = create_beside(path, mode)
    try:
        with file:
            if (kept := mode_in_place_of(path, mode)) != mode:
                os.fchmod(file.fileno(), kept)
            yield file
            sync(file)
        require_no_link(path)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
