"""`switchboard replay`: decide a recorded log again, or send the records of a bus log to a bus."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from switchboard.cli.params import OutFile, Speed, refuse_as_out
from switchboard.cli.process import relax_collector, stop_on_signal
from switchboard.cli.ui import broker_wait, progress, say, say_json
from switchboard.domain.events import EVENT_TYPES
from switchboard.errors import INTERRUPTED
from switchboard.journal.line_files import writing_lines
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted, printable_json
from switchboard.journal.recorded_log import Kind, kind_of, refuse
from switchboard.settings import load
from switchboard.tools import offline_replay
from switchboard.tools.publisher import LogSummary, Published, publish, records_to_send, summarize

REPORT_SECONDS: Final = 0.1
"""Seconds between two updates of the progress bar, because `report` is called for each record."""


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=OutFile(allow_dash=True),
    help="The decision log to write, compressed where it ends in .gz or .zst; - is standard output.",
)
@click.option("--skip-bad", is_flag=True, help="Count damaged lines, and gaps of a journal, instead of ending at them.")
@click.option("--to-bus", is_flag=True, help="Send the records of a bus log to the bus's topics instead.")
@click.option("--speed", type=Speed(), help="With --to-bus: times the recorded pace, or max.  [default: 1]")
@click.option("--rebase-time", is_flag=True, help="With --to-bus: move all times so that the first is now.")
@click.option(
    "--only", multiple=True, type=click.Choice(EVENT_TYPES), metavar="TYPE", help="With --to-bus: this type; or more."
)
@click.option("--dry-run", is_flag=True, help="With --to-bus: say what would be sent, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    log: Path,
    out: Path | None,
    skip_bad: bool,
    to_bus: bool,
    speed: float | None,
    rebase_time: bool,
    only: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Decide a recorded LOG again, offline: the same log gives the same bytes. Or send it to a bus.

    LOG holds JSON lines as `switchboard record` or `kcat -J` writes them, plain, gzip or zstd: either the router's
    journal (exact: the decisions are those that were made) or the bus's own topics (each line is a step of time and
    one event).

    With --to-bus the records of a bus log go to the topics that they came from: keys, headers, bytes and order as
    recorded, each to its recorded partition (by its key's hash where the topic has fewer now). Their timestamps stay as
    recorded too, unless --rebase-time moves them, and the times in headers and bodies with them.

    \b
    Example:
      switchboard record --out journal.jsonl.zst
      switchboard replay journal.jsonl.zst --out decisions.jsonl
      switchboard replay day.jsonl.gz --to-bus --speed 10 --rebase-time
    """
    if not to_bus:
        if speed is not None or rebase_time or only or dry_run:
            raise click.UsageError("--speed, --rebase-time, --only and --dry-run go with --to-bus")
        if out is None:
            raise click.UsageError("say where to: --out FILE for the decisions, or --to-bus")
        replay_offline(log, out, skip_bad=skip_bad, as_json=as_json)
        return
    if out is not None:
        raise click.UsageError("--out is for the decisions; --to-bus makes none")
    ctx.exit(
        replay_to_bus(
            log,
            speed=1.0 if speed is None else speed,
            rebase=rebase_time,
            only=frozenset(only),
            skip_bad=skip_bad,
            dry_run=dry_run,
            as_json=as_json,
        )
    )


def replay_offline(log: Path, out: Path, *, skip_bad: bool, as_json: bool) -> None:
    """Decide a log again, write the decisions, and print a summary.

    Raises:
        RecordedLogError, OSError: the log can't be read.
    """
    relax_collector()
    tally = Tally()
    began = time.monotonic()
    with progress("replaying") as bar:

        def report() -> None:
            rate = tally.events / max(time.monotonic() - began, 1e-3)
            bar(0, 0, f"{tally.events:,} events, {rate:,.0f}/s")

        decisions = _write(log, out, tally, report, skip_bad=skip_bad)
    seconds = time.monotonic() - began
    if as_json:
        # Standard output may be the decision log.
        say_json(_offline_fields(tally, decisions, seconds), err=str(out) == "-")
    else:
        _print_offline(tally, decisions, seconds)


def _write(log: Path, out: Path, tally: Tally, report: Callable[[], None], *, skip_bad: bool) -> int:
    """Write the decision log. Returns the number of decisions."""
    if str(out) == "-":
        write = sys.stdout.buffer.write
        if sys.stdout.isatty():
            # Escaped on a terminal only: in a file, the bytes must be those of the live topics.
            return offline_replay.replay(
                log, lambda lines: write(printable_json(lines)), tally, report, skip_bad=skip_bad
            )
        return offline_replay.replay(log, write, tally, report, skip_bad=skip_bad)
    refuse_as_out("--out", out, log)
    with writing_lines(out) as file:
        return offline_replay.replay(log, file.write, tally, report, skip_bad=skip_bad)


def _offline_fields(tally: Tally, decisions: int, seconds: float) -> dict[str, Any]:
    return {
        "frames": tally.frames,
        "events": tally.events,
        "decisions": decisions,
        "rows": tally.rows,
        "skipped": tally.skipped,
        "bad": dict(tally.bad),
        "gaps": tally.gaps,
        "back": tally.back,
        "furthest_back_ms": tally.furthest_back,
        "seconds": round(seconds, 3),
    }


def _print_offline(tally: Tally, decisions: int, seconds: float) -> None:
    rate = tally.events / max(seconds, 1e-3)
    made = f"{counted(tally.events, 'event')}, {counted(decisions, 'decision')}"
    say(f"{made} in {seconds:.1f} s ({rate:,.0f} events/s)", err=True)
    if tally.rows:
        say(f"begun from {counted(tally.rows, 'row')}", err=True)
    if tally.skipped:
        say(counted(tally.skipped, "line of another topic was skipped", "lines of other topics were skipped"), err=True)
    for reason, number in sorted(tally.bad.items()):
        say(f"{counted(number, 'bad line')}, {reason}; the first: {tally.examples[reason]}", err=True)
    if tally.gaps:
        say(
            f"{counted(tally.gaps, 'gap')} in the journal: decisions after the first may differ from those made",
            err=True,
        )
    if tally.back:
        back = counted(tally.back, "line is", "lines are")
        say(
            f"{back} older than the line before, by {tally.furthest_back:,} ms at most; "
            f"the first: {tally.examples['back']}",
            err=True,
        )


def replay_to_bus(
    log: Path, *, speed: float, rebase: bool, only: frozenset[str], skip_bad: bool, dry_run: bool, as_json: bool
) -> int:
    """LogSummary a bus log, send the records, and print a summary; returns the exit code.

    Raises:
        RecordedLogError, OSError: the log can't be read; nothing was sent.
        WrongTopicsError: a topic is missing; nothing was sent.
    """
    relax_collector()
    tally = Tally()
    if kind_of(log, (lambda _: None) if skip_bad else refuse) is Kind.JOURNAL:
        raise click.UsageError(
            f"{log} is a journal log, and a journal is its router's own: to have a bus log, record the bus with "
            "switchboard record --bus"
        )
    # The whole log is read before the first record is sent: a damaged line ends the command before it does anything.
    summary = summarize(log, only, tally.skip_damaged if skip_bad else refuse)
    if dry_run:
        _report_summary(summary, tally, summary.seconds / speed, as_json=as_json)
        return 0
    published, took, stopped = uvloop.run(_publish(log, only, summary, speed, rebase=rebase))
    _report_published(published, summary, tally, took, stopped=stopped, as_json=as_json)
    return INTERRUPTED if stopped else 0


async def _publish(
    log: Path, only: frozenset[str], summary: LogSummary, speed: float, *, rebase: bool
) -> tuple[Published, float, bool]:
    """Send until the end or a signal. Returns the figures, the seconds taken, and True if a signal came."""
    settings = load()
    conn = settings.connection()
    stop = stop_on_signal()
    began = reported_at = time.monotonic()
    with progress("sending") as bar:

        def report(published: Published) -> None:
            nonlocal reported_at
            now = time.monotonic()
            if now - reported_at > REPORT_SECONDS:
                reported_at = now
                bar(published.records, summary.records, f"{published.records:,} of {summary.records:,} records")

        published = await publish(
            conn,
            settings.topic_names(),
            records_to_send(log, only),
            summary.by_topic,
            speed=None if math.isinf(speed) else speed,
            rebase=rebase,
            stop=stop,
            report=report,
            wait=broker_wait(settings),
        )
    return published, time.monotonic() - began, stop.is_set()


def _report_summary(summary: LogSummary, tally: Tally, seconds: float, *, as_json: bool) -> None:
    if as_json:
        say_json({**_summary_fields(summary, tally), "seconds": round(seconds, 3)})
        return
    say(f"would send {counted(summary.records, 'record')} in {seconds:,.1f} s (recorded in {summary.seconds:,.1f} s)")
    for what, counts in (("topic", summary.by_topic), ("type", summary.by_type)):
        for name, number in counts.most_common():
            say(f"  {what} {name}: {number:,}")
    _print_left_out(summary, tally)


def _report_published(
    published: Published, summary: LogSummary, tally: Tally, seconds: float, *, stopped: bool, as_json: bool
) -> None:
    moved = {topic: number for topic, number in published.moved.items() if number}
    if as_json:
        sent = {
            "sent": published.records,
            "sent_by_topic": dict(published.by_topic),
            "to_other_partitions": moved,
            "largest_lateness_ms": round(published.latest * 1000, 1),
            "interrupted": stopped,
            "seconds": round(seconds, 3),
        }
        say_json({**_summary_fields(summary, tally), **sent})
        return
    say(
        f"sent {published.records:,} of {counted(summary.records, 'record')} in {seconds:,.1f} s; "
        f"at most {published.latest * 1000:.1f} ms late"
    )
    for topic, number in published.by_topic.most_common():
        say(f"  {topic}: {number:,}")
    for topic, number in moved.items():
        say(f"  {topic} has fewer partitions than when it was recorded: {number:,} went elsewhere, by key")
    _print_left_out(summary, tally)
    if stopped:
        say("stopped before the end", err=True)


def _summary_fields(summary: LogSummary, tally: Tally) -> dict[str, Any]:
    return {
        "records": summary.records,
        "by_topic": dict(summary.by_topic),
        "by_type": dict(summary.by_type),
        "recorded_seconds": summary.seconds,
        "skipped": summary.skipped,
        "bad": dict(tally.bad),
    }


def _print_left_out(summary: LogSummary, tally: Tally) -> None:
    if summary.skipped:
        say(f"  left out: {summary.skipped:,} of other topics or types")
    for reason, number in tally.bad.items():
        say(f"  left out: {counted(number, f'{reason} line')}; the first: {tally.examples[reason]}")
