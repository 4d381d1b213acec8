"""A file that takes its name only once it is whole, so that nothing is lost where the writing fails."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def beside(path: Path) -> Path:
    """Where a file is written until it is whole."""
    whole = path.resolve()  # a link goes on pointing to it
    return whole.with_name(f"{whole.name}.part")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of what is there when this ends well, and is no more otherwise.

    What is there and is no file, as a pipe or /dev/null, is written to as it is.

    Raises:
        OSError: it can't be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = beside(path)
    try:
        with part.open("wb") as file:
            if path.exists():
                shutil.copymode(path, part)
            yield file
        part.replace(path.resolve())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
