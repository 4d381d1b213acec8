"""How far a long job is: on a terminal, and nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from switchboard.cli.consoles import wide_console


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
