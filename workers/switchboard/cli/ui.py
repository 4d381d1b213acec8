"""Output and questions of commands, safe for a terminal: sentences, tables, JSON, progress bars.

Everything that a command prints goes through these functions, so that no text from a bus, a file or a client can send
control sequences to the terminal (see `journal.printable_text`). Rich's markup is off: `[red]`, `[link=...]` and emoji
codes are plain text.

This module imports neither Kafka's client nor the settings: a command that only prints help needs none of them.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment

from switchboard.errors import FAULT
from switchboard.journal.printable_text import printable, printable_json, printable_lines

if TYPE_CHECKING:
    from switchboard.journal.log_frames import Tally
    from switchboard.kafka.broker_wait import BrokerWait
    from switchboard.settings import Settings

WIDE: Final = 200
"""Columns of a pipe or file. A narrower table would break paths and ids over lines, where a search misses them."""


def say(line: str = "", *, err: bool = False) -> None:
    """Print one line on standard output or standard error; a newline in the line is printed as an escape."""
    click.echo(printable(line), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines on standard output or standard error.

    Newlines are kept. If a value inside the text may hold a newline, make the value printable before.
    """
    click.echo(printable_lines(text), err=err)


def say_json(value: Any, *, err: bool = False, indent: bool = False, sort_keys: bool = False) -> None:
    r"""Print a value as JSON. Characters that are not printable become `\uXXXX`, with the same meaning."""
    click.echo(printable_json(json_of(value, indent=indent, sort_keys=sort_keys)), err=err)


def json_of(value: Any, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """A value as JSON; a lone surrogate, as in a file name or a header, is written as its escape."""
    options = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, option=options)
    except orjson.JSONEncodeError:
        # orjson refuses lone surrogates, and the standard library writes them.
        return json.dumps(value, default=_plain, indent=2 if indent else None, sort_keys=sort_keys).encode()


def _plain(value: Any) -> Any:
    """A dataclass as a dictionary, as orjson writes dataclasses; any other value as text."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def log_for_machines(level: str, event: str, **fields: str | int) -> None:
    """Print one line in the format of a worker's JSON log, which need not be set up."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    say_json({"event": event, **fields, "level": level, "logger": "switchboard", "time": now}, err=True)


def ask(question: str, undone: str) -> None:
    """Ask a question, and go on if the answer is yes.

    Any other answer, and the end of the input, end the command with exit code 1.

    Args:
        question: what to confirm.
        undone: printed if the answer is not yes, such as "nothing was reset".
    """
    try:
        agreed = click.confirm(printable(question), err=True)
    except click.Abort as error:
        # Ctrl-C ends the command by itself.
        if not isinstance(error.__context__, EOFError):
            raise
        say(err=True)
        undone += ": nobody is there to answer (--yes answers for them)"
        agreed = False
    if not agreed:
        say(undone, err=True)
        click.get_current_context().exit(FAULT)


class PrintableConsole(Console):
    """A Rich console that escapes unprintable characters; only Switchboard's own code sets colours and the cursor."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable with printable text. Control segments are Rich's own, and pass unchanged."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)


def wide_console(*, stderr: bool = False, highlight: bool = True) -> Console:
    """A console as wide as the terminal; in a pipe or a file as wide as COLUMNS says, or else `WIDE`."""
    console = PrintableConsole(stderr=stderr, highlight=highlight, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


@contextmanager
def progress(doing: str) -> Iterator[Callable[[float, float, str], None]]:
    """A progress bar with the time left.

    Call the function that this yields with the amount done, the total amount (0: not known), and a text beside the bar.
    """
    with _bar(doing, None, TextColumn("left"), TimeRemainingColumn()) as update:
        yield lambda done, total, text: update(text, done, total or None)


@contextmanager
def log_progress(word: str, tally: "Tally", total_bytes: int | None = None) -> Iterator[Callable[[int | None], None]]:
    """A progress bar with the events of a tally and their rate; with the time left if the total is known.

    Call the function that this yields now and then: with the bytes read so far if there is a total, or else with None.
    """
    remaining = () if total_bytes is None else (TextColumn("left:"), TimeRemainingColumn())
    began = time.monotonic()
    with _bar(word, total_bytes, *remaining) as update:

        def tick(read: int | None) -> None:
            rate = tally.events / max(time.monotonic() - began, 1e-3)
            update(f"{tally.events:,} events, {rate:,.0f}/s", read, total_bytes)

        yield tick


@contextmanager
def text_progress(doing: str) -> Iterator[Callable[[str], None]]:
    """A progress bar without an end; call the function that this yields with the text beside the bar."""
    with _bar(doing, None) as update:
        yield lambda text: update(text, None, None)


@contextmanager
def _bar(
    doing: str, total: float | None, *remaining: ProgressColumn
) -> Iterator[Callable[[str, float | None, float | None], None]]:
    """A progress bar on standard error, if that is a terminal. Yields a function of (text, done, total)."""
    console = wide_console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.fields[text]}", markup=False), TimeElapsedColumn())
    with Progress(*columns, *remaining, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(doing, total=total, text="")

        def update(text: str, done: float | None, total: float | None) -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield update


def broker_wait(settings: "Settings", *, for_machines: bool = False) -> "BrokerWait":
    """The `BrokerWait` of a command, with the limit `broker_wait_seconds`.

    Args:
        settings: the command's settings.
        for_machines: true if the command's standard error is a log in JSON.
    """
    from switchboard.kafka.broker_wait import BrokerWait  # noqa: PLC0415 - it loads aiokafka

    def warn(message: str) -> None:
        if for_machines:
            log_for_machines("warning", message)
        else:
            say(f"switchboard: {message}", err=True)

    return BrokerWait(settings.connection(), settings.broker_wait_seconds, report=warn)
