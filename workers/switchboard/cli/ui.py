"""What commands print, made safe for a terminal: sentences, tables and JSON.

Everything that a command prints goes through here, so that nothing from a bus, a file or a client acts on the terminal
that it is printed on (see `contracts.printable_text`). Markup in brackets, such as `[red]` or `[link=...]`, and emoji
codes are text: nothing of Rich's markup is read in what is printed.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final

import click
import orjson
from aiokafka.errors import KafkaError
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment

from switchboard.errors import BROKER_AWAY, FAULT, UserError
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import printable, printable_json, printable_lines
from switchboard.kafka.broker_wait import BrokerWait, may_pass
from switchboard.settings import Settings

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


def ask(question: str, undone: str) -> None:
    """Go on only if the answer is yes; else say what was not done, and end with exit code 1.

    Ctrl-C ends the command as it does anywhere.
    """
    try:
        agreed = click.confirm(printable(question), err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        say(err=True)
        undone += ": nobody is there to answer (--yes answers for them)"
        agreed = False
    if not agreed:
        say(undone, err=True)
        click.get_current_context().exit(FAULT)


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an error whose message says what to do; None for a defect of Switchboard."""
    match error:
        case KafkaError() | TimeoutError() if may_pass(error):
            return BROKER_AWAY
        case UserError():
            return error.exit_code
        case KafkaError() | OSError():
            return FAULT
        case _:
            return None


def tell(reason: str, file: IO[Any] | None = None) -> None:
    """Last words for people."""
    say_lines(f"switchboard: {reason}", file=file, err=True)


def tell_machines(reason: str, exit_code: int, **more: str) -> None:
    """Last words of a worker whose log is JSON."""
    log_for_machines("error", "the worker gives up", reason=reason, exit_code=exit_code, **more)


def log_for_machines(level: str, event: str, **fields: str | int) -> None:
    """A line as all the others of a worker whose log is JSON. Its log may not be set up yet."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"event": event, **fields, "level": level, "logger": "switchboard", "time": now}
    say_json(line, err=True)


@contextmanager
def progress(doing: str) -> Iterator[Callable[[float, float, str], None]]:
    """A bar on stderr; tell it how much is done, of how much (0: not known), and what to say beside it."""
    console = wide_console(stderr=True)
    with Progress(
        TextColumn(doing), BarColumn(), TextColumn("{task.fields[told]}", markup=False), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(doing, total=None, told="")

        def update(done: float, total: float, told: str) -> None:
            bar.update(task, completed=done, total=total or None, told=told)

        yield update


@contextmanager
def log_progress(word: str, tally: Tally, total_bytes: int | None = None) -> Iterator[Callable[[int | None], None]]:
    """A line on the terminal (nothing elsewhere): events, their rate, and the time left where the total is known.

    Call what this gives now and then, with the bytes read so far where a total was given.
    """
    console = wide_console(stderr=True)
    columns = [TextColumn(word), BarColumn(), TextColumn("{task.fields[told]}", markup=False), TimeElapsedColumn()]
    if total_bytes is not None:
        columns += [TextColumn("left:"), TimeRemainingColumn()]
    began = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(word, total=total_bytes, told="")

        def tick(read: int | None = None) -> None:
            rate = tally.events / max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=read, told=f"{tally.events:,} events, {rate:,.0f}/s")

        yield tick


def broker_wait(settings: Settings, *, for_machines: bool = False) -> BrokerWait:
    """A command's wait, as long as `broker_wait_seconds` says.

    Args:
        settings: of the command.
        for_machines: the command's stderr is a log in JSON.
    """
    return BrokerWait(
        settings.connection(), settings.broker_wait_seconds, report=_say_to_machines if for_machines else _say
    )


def _say(waiting: str) -> None:
    say(f"switchboard: {waiting}", err=True)


def _say_to_machines(waiting: str) -> None:
    log_for_machines("warning", waiting)
