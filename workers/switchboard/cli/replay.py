"""`switchboard replay`: a recorded log to its decision log."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from switchboard.cli.collector import relax_collector
from switchboard.contracts.log_files import writing_lines
from switchboard.contracts.log_frames import Tally
from switchboard.replay import offline


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="The decision log to write, compressed where it ends in .gz or .zst; - is standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(log: Path, out: Path, *, as_json: bool) -> None:
    """Decide a recorded LOG again, offline: the same log gives the same bytes.

    LOG holds JSON lines as `kcat -J` writes them, plain, gzip or zstd: either the router's journal (exact: the
    decisions are those that were made) or the bus's own topics (each line is a step of time and one event).

    \b
    Example:
      kcat -C -J -e -b 127.0.0.1:9092 -t journal > journal.jsonl
      switchboard replay journal.jsonl --out decisions.jsonl
    """
    relax_collector()
    tally = Tally()
    began = time.monotonic()
    console = Console(stderr=True)
    with Progress(
        TextColumn("replaying"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn(),
        console=console, disable=not console.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("replay", total=None, told="")

        def progress() -> None:
            rate = tally.events / max(time.monotonic() - began, 1e-3)
            bar.update(task, told=f"{tally.events:,} events, {rate:,.0f}/s")

        decisions = _write(log, out, tally, progress)
    seconds = time.monotonic() - began
    _tell(tally, decisions, seconds, as_json=as_json)


def _write(log: Path, out: Path, tally: Tally, progress: Callable[[], None]) -> int:
    if str(out) == "-":
        return offline.replay(log, sys.stdout.buffer.write, tally, progress)
    if out.exists() and out.samefile(log):
        raise click.UsageError(f"--out {out} is the log itself")
    with writing_lines(out) as file:
        return offline.replay(log, file.write, tally, progress)


def _tell(tally: Tally, decisions: int, seconds: float, *, as_json: bool) -> None:
    if as_json:
        summary = {
            "frames": tally.frames,
            "events": tally.events,
            "decisions": decisions,
            "skipped": tally.skipped,
            "bad": dict(tally.bad),
            "seconds": round(seconds, 3),
        }
        click.echo(orjson.dumps(summary), err=True)
        return
    rate = tally.events / max(seconds, 1e-3)
    click.echo(f"{tally.events:,} events, {decisions:,} decisions in {seconds:.1f} s ({rate:,.0f} events/s)", err=True)
    if tally.skipped:
        click.echo(f"{tally.skipped:,} lines of other topics were skipped", err=True)
    for reason, number in sorted(tally.bad.items()):
        click.echo(f"{number:,} bad lines, {reason}; the first: {tally.examples[reason]}", err=True)
