"""How far a command is through a recorded log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from switchboard.cli.consoles import wide_console
from switchboard.journal.log_frames import Tally


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
