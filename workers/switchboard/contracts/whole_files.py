"""A file that takes its name only once it is whole, so that nothing is lost where the writing fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from switchboard.contracts.output_files import (
    PRIVATE,
    create_beside,
    is_stream,
    mode_in_place_of,
    open_stream,
    require_no_link,
    sync,
    sync_folder,
)


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
