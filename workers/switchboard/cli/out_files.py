"""Files that a command writes, and those it reads."""

import os
from pathlib import Path

import click

from switchboard.contracts.whole_files import beside


class OutFile(click.Path):
    """A file to write. That it can't be is said before any work is done for it.

    Args:
        allow_dash: take `-` for standard output.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, path_type=Path, allow_dash=allow_dash)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Parse it."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() or (self.allow_dash and str(path) == "-"):
            return path
        folder = path.resolve().parent
        if not folder.is_dir():
            self.fail(f"there is no folder {path.parent}: make it first", param, ctx)
        if not os.access(folder, os.W_OK | os.X_OK):
            self.fail(f"nothing may be written to the folder {path.parent}", param, ctx)
        return path


def refuse_as_out(option: str, out: Path, log: Path) -> None:
    """Keep a log from being written over by what is made of it.

    Raises:
        click.UsageError: the file to write is the log, or is the log while it is written.
    """
    if out.exists() and out.samefile(log):
        raise click.UsageError(f"{option} {out} is the log itself: name another file")
    if (part := beside(out)).exists() and part.samefile(log):
        raise click.UsageError(f"{option} {out} is written as {part.name} first, which is the log: name another file")
