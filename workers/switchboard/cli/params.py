"""Spans of time as people write them on a command line: `45s`, `10m`, `1h`, `90`."""

import os
import re
from pathlib import Path
from typing import Final

import click

from switchboard.journal import bounded_json
from switchboard.journal.files import LinkError, require_no_link
from switchboard.journal.line_files import DamagedFileError, read_lines

_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_match: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)").fullmatch


class Duration(click.ParamType):
    """A span of time, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from a number with `s`, `m`, `h` or nothing behind it."""
        if isinstance(value, int | float):
            return float(value)
        found = _match(str(value).strip())
        if found is None or not float(found[1]):
            self.fail(f"expected a span of time as 45s, 10m or 1h, got {value!r}", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


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
        if self.allow_dash and str(path) == "-":
            return path
        try:
            require_no_link(path)
        except LinkError as error:
            self.fail(str(error), param, ctx)
        if path.exists():
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
        click.UsageError: the file to write is the log.
    """
    if out.exists() and out.samefile(log):
        raise click.UsageError(f"{option} {out} is the log itself: name another file")


def refuse_swapped(log: Path, decisions: Path) -> None:
    """Keep a recorded log from being taken for a decision log.

    Raises:
        click.UsageError: the second file is a recorded log.
    """
    if "payload" not in _first_fields(decisions):
        return
    if "payload" not in (fields := _first_fields(log)) and "id" in fields:
        raise click.UsageError(
            f"LOG and DECISIONS seem to be swapped: {log} is a decision log, and {decisions} a recorded log"
        )
    raise click.UsageError(f"{decisions} is a recorded log: expected a decision log, as switchboard replay writes it")


def _first_fields(path: Path) -> frozenset[str]:
    """The fields of a file's first line, none if it is no JSON object; a pipe, which can't be read twice, is left."""
    if not path.is_file():
        return frozenset()
    try:
        body = bounded_json.loads(next((line for line in read_lines(path) if not line.isspace()), b""))
    except (DamagedFileError, ValueError):
        return frozenset()
    return frozenset(body) if isinstance(body, dict) else frozenset()
