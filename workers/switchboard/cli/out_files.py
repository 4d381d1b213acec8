"""Files that a command writes, and those it reads."""

from pathlib import Path

import click

from switchboard.contracts.whole_files import beside


def refuse_as_out(option: str, out: Path, log: Path) -> None:
    """Keep a log from being written over by what is made of it.

    Raises:
        click.UsageError: the file to write is the log, or is the log while it is written.
    """
    if out.exists() and out.samefile(log):
        raise click.UsageError(f"{option} {out} is the log itself: name another file")
    if (part := beside(out)).exists() and part.samefile(log):
        raise click.UsageError(f"{option} {out} is written as {part.name} first, which is the log: name another file")
