"""Reading and writing of files: regular files only, small ones within a bound, and never through a link.

A path may name a pipe without a writer, which blocks its reader for ever; `/dev/zero`, which has no end; or a file that
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
"""A password or a token. Tokens of some identity providers have 10 KiB."""
MAX_SETTINGS_BYTES: Final = 1024 * 1024
"""`switchboard.toml`, `.env`, and a day of arrivals: a few KiB, and room for other programs' variables."""
MAX_CERTIFICATES_BYTES: Final = 4 * 1024 * 1024
"""A file of certificates or a key (PEM). A system's bundle of authorities has about 0.25 MiB."""
MAX_ROUTING_BYTES: Final = 8 * 1024 * 1024
"""A routing file: 10,000 pools of 800 bytes each. Reading such a file takes some 10 s."""

PRIVATE: Final = 0o600
"""The mode of logs, which hold customers' data."""
SHARED: Final = 0o666
"""The mode, before the umask, of files made for others, such as a report."""

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class InputFileError(OSError):
    """A file can't be used as input. The text of the error begins with the file's name."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")
        self.line = line
        """Counted from 1; None for the whole file."""
        self.message = message


class LinkError(OSError):
    """The file to write is a link."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: is a link, to {path.readlink()}: files are not written through links; name the file itself"
        )


# Reading


def open_input(path: Path) -> BinaryIO:
    """A regular file, opened for reading. Links are followed.

    Raises:
        InputFileError: the path is a pipe, a device, a socket or a folder.
        OSError: the file does not exist, or may not be read.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer. The flag has no effect on a regular file.
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
    """The content of a file of at most `most` bytes.

    Raises:
        InputFileError: the file is no regular file, or has more bytes.
        OSError: the file does not exist, or may not be read.
    """
    with open_input(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise InputFileError(path, None, f"expected a file of at most {most:,} bytes, and it has more")
    return content


def read_text(path: Path, most: int) -> str:
    """The content of a text file in UTF-8 of at most `most` bytes.

    Raises:
        InputFileError: the file is no regular file, has more bytes, is not UTF-8 or holds a NUL; names the line.
        OSError: the file does not exist, or may not be read.
    """
    content = read_bytes(path, most)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputFileError(path, line, f"expected UTF-8 text: {error.reason}") from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputFileError(path, line, "expected text, and it holds a NUL character")
    return text


# Writing


@contextmanager
def replacing(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A new file to write to. On success the file takes the place of an existing one; on an error it is deleted.

    Until then the file is called `.switchboard-XXXXXXXXXXXXXXXX.part`, in the same folder. Its content is on the disk
    before it takes its name. A path that is no file, such as a pipe or /dev/null, is written to directly.

    Args:
        path: the file's name.
        mode: the new file's mode, unless a file of the same user is replaced: its mode stays.

    Raises:
        LinkError: the path is a link.
        OSError: the file can't be written.
    """
    require_no_link(path)
    if is_stream(path):
        with open_stream(path) as file:
            yield file
        return
    file, part = _create_part(path, mode)
    try:
        with file:
            if (kept := mode_in_place_of(path, mode)) != mode:
                os.fchmod(file.fileno(), kept)
            yield file
            _sync(file)
        require_no_link(path)  # somebody may have made one meanwhile
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create(path: Path, mode: int = PRIVATE) -> BinaryIO:
    """A new file, opened for writing.

    Raises:
        FileExistsError: the name is taken, perhaps by a link.
        OSError: the file can't be made.
    """
    return os.fdopen(os.open(path, _NEW, mode), "wb")


def require_no_link(path: Path) -> None:
    """Refuse a link. Names of this process's own streams, such as /dev/stdout, are allowed.

    Raises:
        LinkError: the path is a link.
    """
    if path.is_symlink() and _own_stream(path) is None:
        raise LinkError(path)


def is_stream(path: Path) -> bool:
    """True if the path is a pipe, a device, or one of this process's own streams, to be written to directly."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    return _own_stream(path) is not None or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def open_stream(path: Path) -> BinaryIO:
    """A pipe, a device or an own stream, opened for writing. Never creates or empties a file.

    Raises:
        OSError: the path can't be opened, or is a pipe of another user, who may read what is written.
    """
    own = _own_stream(path)
    number = os.dup(own) if own is not None else os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    opened = os.fstat(number)
    if own is None and not stat.S_ISCHR(opened.st_mode) and opened.st_uid not in (0, os.geteuid()):
        os.close(number)
        raise PermissionError(f"{path}: is a pipe of another user: write to one of your own, or to a file")
    return os.fdopen(number, "wb")


def mode_in_place_of(path: Path, mode: int) -> int:
    """The mode of a new file at `path`: the mode of the same user's file that it replaces, else `mode`.

    Another user may have put a file there to be able to read what replaces it.
    """
    try:
        existing = path.lstat()
    except FileNotFoundError:
        return mode
    is_own = stat.S_ISREG(existing.st_mode) and existing.st_uid == os.geteuid()
    return stat.S_IMODE(existing.st_mode) if is_own else mode


def _own_stream(path: Path) -> int | None:
    """The descriptor of the open stream that a path of /dev names; None for other paths."""
    match path.parts:
        case ("/", "dev", "stdout"):
            return 1
        case ("/", "dev", "stderr"):
            return 2
        case ("/", "dev", "fd", number) if number.isascii() and number.isdigit():
            return int(number)
        case _:
            return None


def _create_part(path: Path, mode: int) -> tuple[BinaryIO, Path]:
    """A new file in the same folder, and its name, which nobody can guess before."""
    part = path.with_name(f".switchboard-{secrets.token_hex(8)}.part")
    return create(part, mode), part


def _sync(file: BinaryIO) -> None:
    """Wait until the file's content is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk: otherwise a crash of the machine may undo a renaming."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
