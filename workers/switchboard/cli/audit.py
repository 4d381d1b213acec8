"""`switchboard audit`: what a router decided, held against the rules by other code than decided it."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from switchboard.audit.findings import Report
from switchboard.audit.inputs import audit_files
from switchboard.cli.audit_live import audit_live
from switchboard.cli.collector import relax_collector
from switchboard.cli.consoles import say, say_json, say_lines, wide_console
from switchboard.cli.out_files import refuse_swapped
from switchboard.errors import FAULT
from switchboard.journal.printable_text import counted
from switchboard.settings import load


@click.command()
@click.argument("log", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("decisions", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print figures and findings as JSON.")
def audit(log: Path | None, decisions: tuple[Path, ...], *, as_json: bool) -> None:
    """Check that what was decided keeps to the routing rules, invariants I1 to I8 first.

    The auditor shares no code with the engine. LOG is a journal log from its first frame, or a bus log; DECISIONS is
    its decision log, or several files, such as one a topic; plain, gzip or zstd. Without either it reads the live
    topics: journal, assignment and push-request of every shard, up to their ends at start.

    Ends with 0 where nothing was found, with 1 where something was.

    \b
    Example:
      switchboard audit journal.jsonl decisions.jsonl
      switchboard audit --json
    """
    if log is not None and not decisions:
        raise click.UsageError("LOG needs its DECISIONS beside it; without either the live topics are read")
    for each in decisions:
        if log is not None:
            refuse_swapped(log, each)
    relax_collector()
    began = time.monotonic()
    with _progress() as progress:
        if log is not None:
            report = audit_files(log, decisions, progress)
        else:
            settings = load()
            report = asyncio.run(audit_live(settings, progress))
    _tell(report, time.monotonic() - began, as_json=as_json)
    sys.exit(FAULT if report.found else 0)


@contextmanager
def _progress() -> Iterator[Callable[[Report], None]]:
    console = wide_console(stderr=True)
    began = time.monotonic()
    with Progress(
        TextColumn("auditing"), BarColumn(), TextColumn("{task.fields[told]}", markup=False), TimeElapsedColumn(),
        console=console, disable=not console.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("audit", total=None, told="")

        def progress(report: Report) -> None:
            rate = report.events / max(time.monotonic() - began, 1e-3)
            bar.update(task, told=f"{report.events:,} events, {rate:,.0f}/s, {report.found:,} findings")

        yield progress


def _tell(report: Report, seconds: float, *, as_json: bool) -> None:
    if as_json:
        say_json(report.as_data() | {"seconds": round(seconds, 3)})
        return
    for finding in report.findings:
        say_lines(finding.line())
    if report.found > len(report.findings):
        say(f"... and {report.found - len(report.findings):,} more")
    verdict = counted(report.found, "finding") if report.found else "nothing found"
    rate = report.events / max(seconds, 1e-3)
    say(f"{verdict}; looked at {report.looked_at()} in {seconds:.1f} s ({rate:,.0f} events/s)")
