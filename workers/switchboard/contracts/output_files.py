"""Files that are written: new ones, private, and never through a link.

A recorded log holds customers' and agents' ids, and may be written to a folder that others write to, such as /tmp.
There somebody may have put a link, or a pipe, with the name of the file to be: whoever follows it writes where that
somebody wants, or hands over what is written. So a file is opened only under a name that did not exist before (O_EXCL),
and a link is refused, not replaced: one that was made on purpose would be lost, and only its maker knows where the file
is to go.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO, Final

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
