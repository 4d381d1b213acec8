"""A bus log onto a bus: what `switchboard replay LOG --to-bus` does and tells."""

import math
import time
from pathlib import Path
from typing import Any

import click
import uvloop

from switchboard.cli.broker_wait import broker_wait
from switchboard.cli.collector import relax_collector
from switchboard.cli.consoles import say, say_json
from switchboard.cli.progress import progress
from switchboard.cli.record import INTERRUPTED
from switchboard.cli.signals import stop_on_signal
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted
from switchboard.journal.recorded_log import Kind, kind_of, refuse
from switchboard.settings import load
from switchboard.tools.publisher import Published, Survey, publish, survey, wanted


class Speed(click.ParamType):
    """How many times the recorded pace; infinite for `max`."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it."""
        if value == "max":
            return math.inf
        try:
            speed = float(str(value))
        except ValueError:
            speed = math.nan
        if not 0 < speed < math.inf:
            self.fail(f"expected a number above 0, or max, got {value!r}", param, ctx)
        return speed


def replay_to_bus(
    log: Path, *, speed: float, rebase: bool, only: frozenset[str], skip_bad: bool, dry_run: bool, as_json: bool
) -> int:
    """Survey the log, send it, and tell; the exit code.

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
    found = survey(log, only, tally.skip_damaged if skip_bad else refuse)
    seconds = found.seconds / speed
    if dry_run:
        _tell_survey(found, tally, seconds, as_json=as_json)
        return 0
    told, took, stopped = uvloop.run(_publish(log, only, found, speed, rebase=rebase))
    _tell(told, found, tally, took, stopped=stopped, as_json=as_json)
    return INTERRUPTED if stopped else 0


async def _publish(
    log: Path, only: frozenset[str], found: Survey, speed: float, *, rebase: bool
) -> tuple[Published, float, bool]:
    settings = load()
    conn = settings.connection()
    stop = stop_on_signal()
    began = told_at = time.monotonic()
    with progress("sending") as bar:

        def tell(told: Published) -> None:
            nonlocal told_at
            now = time.monotonic()
            if now - told_at > 0.1:
                told_at = now
                bar(told.records, found.records, f"{told.records:,} of {found.records:,} records")

        told = await publish(
            conn,
            settings.topic_names(),
            wanted(log, only),
            found.by_topic,
            speed=None if math.isinf(speed) else speed,
            rebase=rebase,
            stop=stop,
            tell=tell,
            wait=broker_wait(settings),
        )
    return told, time.monotonic() - began, stop.is_set()


def _tell_survey(found: Survey, tally: Tally, seconds: float, *, as_json: bool) -> None:
    if as_json:
        say_json({**_counts(found, tally), "seconds": round(seconds, 3)})
        return
    say(f"would send {counted(found.records, 'record')} in {seconds:,.1f} s (recorded in {found.seconds:,.1f} s)")
    for what, counts in (("topic", found.by_topic), ("type", found.by_type)):
        for name, number in counts.most_common():
            say(f"  {what} {name}: {number:,}")
    _tell_left_out(found, tally)


def _tell(told: Published, found: Survey, tally: Tally, seconds: float, *, stopped: bool, as_json: bool) -> None:
    moved = {topic: number for topic, number in told.moved.items() if number}
    if as_json:
        sent = {
            "sent": told.records,
            "sent_by_topic": dict(told.by_topic),
            "to_other_partitions": moved,
            "largest_lateness_ms": round(told.latest * 1000, 1),
            "interrupted": stopped,
            "seconds": round(seconds, 3),
        }
        say_json({**_counts(found, tally), **sent})
        return
    say(
        f"sent {told.records:,} of {counted(found.records, 'record')} in {seconds:,.1f} s; "
        f"at most {told.latest * 1000:.1f} ms late"
    )
    for topic, number in told.by_topic.most_common():
        say(f"  {topic}: {number:,}")
    for topic, number in moved.items():
        say(f"  {topic} has fewer partitions than when it was recorded: {number:,} went elsewhere, by key")
    _tell_left_out(found, tally)
    if stopped:
        say("stopped before the end", err=True)


def _counts(found: Survey, tally: Tally) -> dict[str, Any]:
    return {
        "records": found.records,
        "by_topic": dict(found.by_topic),
        "by_type": dict(found.by_type),
        "recorded_seconds": found.seconds,
        "skipped": found.skipped,
        "bad": dict(tally.bad),
    }


def _tell_left_out(found: Survey, tally: Tally) -> None:
    if found.skipped:
        say(f"  left out: {found.skipped:,} of other topics or types")
    for reason, number in tally.bad.items():
        say(f"  left out: {counted(number, f'{reason} line')}; the first: {tally.examples[reason]}")
