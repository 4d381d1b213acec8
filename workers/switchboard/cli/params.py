"""Types of command line parameters, and checks of pairs of files."""

import math
import os
import re
from pathlib import Path
from typing import Final

import click

from switchboard.journal import bounded_json
from switchboard.journal.files import LinkError, require_no_link
from switchboard.journal.line_files import DamagedFileError, read_lines
from switchboard.kafka.positions import Start
from switchboard.tools.dead_letters import Place

_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_match_duration: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)").fullmatch


class Duration(click.ParamType):
    """A span of time above 0: `45s`, `10m`, `1h` or `90`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, int | float):
            return float(value)
        found = _match_duration(str(value).strip())
        if found is None or not float(found[1]):
            self.fail(f"expected a span of time as 45s, 10m or 1h, got {value!r}", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class Time(click.ParamType):
    """A start in a topic: `earliest`, `latest` or an RFC 3339 time."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Start:
        """The start, parsed."""
        if isinstance(value, Start):
            return value
        try:
            return Start.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class PlaceType(click.ParamType):
    """The place of a dead letter: PARTITION@OFFSET."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """The place, parsed."""
        if isinstance(value, Place):
            return value
        try:
            return Place.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Speed(click.ParamType):
    """A multiple of the recorded pace, above 0; `max` is infinite."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The multiple."""
        if value == "max":
            return math.inf
        try:
            speed = float(str(value))
        except ValueError:
            speed = math.nan
        if not 0 < speed < math.inf:  # also false for NaN
            self.fail(f"expected a number above 0, or max, got {value!r}", param, ctx)
        return speed


class OutFile(click.Path):
    """A file to write. A file that can't be written is refused here, before a command does its work.

    Args:
        allow_dash: accept `-` for standard output.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, path_type=Path, allow_dash=allow_dash)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
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
    """Refuse to overwrite a log with the result made from the log.

    Raises:
        click.UsageError: the output file is the log.
    """
    if out.exists() and out.samefile(log):
        raise click.UsageError(f"{option} {out} is the log itself: name another file")


def refuse_swapped(log: Path, decisions: Path) -> None:
    """Refuse a recorded log in the place of a decision log.

    Raises:
        click.UsageError: the second file is a recorded log.
    """
    # Only lines of a recorded log have a payload; of the two kinds only lines of a decision log have an id.
    if "payload" not in _first_fields(decisions):
        return
    if "payload" not in (fields := _first_fields(log)) and "id" in fields:
        raise click.UsageError(
            f"LOG and DECISIONS seem to be swapped: {log} is a decision log, and {decisions} a recorded log"
        )
    raise click.UsageError(f"{decisions} is a recorded log: expected a decision log, as switchboard replay writes it")


def _first_fields(path: Path) -> frozenset[str]:
    """Names of the fields in a file's first line; none if the line is no JSON object, or the file is a pipe."""
    if not path.is_file():  # a pipe can't be read twice
        return frozenset()
    try:
        body = bounded_json.loads(next((line for line in read_lines(path) if not line.isspace()), b""))
    except (DamagedFileError, ValueError):
        return frozenset()
    return frozenset(body) if isinstance(body, dict) else frozenset()
