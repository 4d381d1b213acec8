"""What commands print, made safe for a terminal: sentences, tables and JSON.

Everything that a command prints goes through here, so that nothing from a bus, a file or a client acts on the terminal
that it is printed on (see `contracts.printable_text`). Markup in brackets, such as `[red]` or `[link=...]`, and emoji
codes are text: nothing of Rich's markup is read in what is printed.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import IO, Any, Final

import click
import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from switchboard.journal.printable_text import printable, printable_json, printable_lines

WIDE: Final = 200
"""Columns where there is no terminal: a table, a path or an id that is broken over lines can't be searched for."""


class PrintableConsole(Console):
    """A Rich console whose text is printable; colours and cursor movements are those that our code asks for."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, each with its text made printable; control segments are Rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)


def wide_console(*, stderr: bool = False, highlight: bool = True) -> Console:
    """As wide as its terminal; in a pipe or a file as wide as COLUMNS says, else `WIDE`."""
    console = PrintableConsole(stderr=stderr, highlight=highlight, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


def say(line: str = "", *, err: bool = False) -> None:
    """Print one line on standard output or standard error; a newline in it is written as an escape."""
    click.echo(printable(line), err=err)


def say_lines(text: str, *, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print a text of several lines on standard output, on standard error, or to an open file.

    A newline stays one, so a value in the text that may hold one is to be made printable before.
    """
    click.echo(printable_lines(text), err=err, file=file)


def say_json(value: Any, *, err: bool = False, indent: bool = False, sort_keys: bool = False) -> None:
    r"""Print a value as JSON; its meaning is exact, for what is not printable is written as `\uXXXX`."""
    click.echo(printable_json(json_of(value, indent=indent, sort_keys=sort_keys)), err=err)


def json_of(value: Any, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """A value as JSON; a lone surrogate, as a file's name or a header's may hold, as its escape."""
    options = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, option=options)
    except orjson.JSONEncodeError:  # orjson writes no lone surrogate
        told = json.dumps(value, default=_plain, indent=2 if indent else None, sort_keys=sort_keys)
        return told.encode()


def _plain(value: Any) -> Any:
    """A dataclass as a dictionary, as orjson writes it; any other value as text."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
