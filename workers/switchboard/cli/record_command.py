"""`switchboard record`: topics to a recorded log."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from switchboard.cli.params import OutFile, Time
from switchboard.cli.process import stop_on_signal
from switchboard.cli.ui import broker_wait, progress, say, say_json
from switchboard.errors import INTERRUPTED
from switchboard.journal.line_files import MAX_LINE_BYTES, PieceWriter, writing_pieces
from switchboard.journal.printable_text import counted
from switchboard.journal.recorded_log import Record, encode_record
from switchboard.kafka.positions import Start
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.settings import Settings, load
from switchboard.tools.recorder import Recorded, Recorder, Wanted

_is_topic: Final = re.compile("[A-Za-z0-9._-]{1,249}").fullmatch
"""Matches a valid topic name. A broker refuses any other name, and the client would repeat its request for ever."""


@click.command()
@click.option(
    "--out",
    required=True,
    type=OutFile(),
    help="The log to write, compressed where it ends in .gz or .zst.",
)
@click.option("--journal", "what", flag_value="journal", default="journal", help="The journal of each shard (default).")
@click.option(
    "--bus", "what", flag_value="bus", help="The topics that events are read from, merged as the router does."
)
@click.option("--topics", multiple=True, metavar="NAME", help="This topic instead; again, or with commas, for more.")
@click.option("--from", "begin", type=Time(), help="Begin there: earliest (unless given), latest or a time (RFC 3339).")
@click.option("--to", "until", type=Time(), help="End before there: latest (unless given), where the topics end now.")
@click.option("--from-rows", is_flag=True, help="Begin with the shards' rows as they are now, then the frames after.")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--force", is_flag=True, help="Put the log in the place of a file of that name, once records come.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def record(
    ctx: click.Context,
    *,
    out: Path,
    what: str,
    topics: tuple[str, ...],
    begin: Start | None,
    until: Start | None,
    from_rows: bool,
    follow: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Record topics to a log, as `kcat -J` writes it: committed records, in no group, touching no offset.

    A journal log can be replayed, verified and explained exactly. It has to begin with each shard's first frame, or
    with --from-rows. However the recording ends, the log can be read: all but the last second is in it. A file that is
    there is refused, unless --force is given.

    \b
    Example:
      switchboard record --out journal.jsonl.zst
      switchboard record --out day.jsonl.gz --bus --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z
      switchboard record --out from-now.jsonl.zst --from-rows --follow
    """
    if follow and until is not None:
        raise click.UsageError("--follow has no end: leave out --to")
    if from_rows and (what != "journal" or topics or begin is not None):
        raise click.UsageError("--from-rows is for the journal, and says itself where it begins")
    if out.exists() and not force:
        raise click.UsageError(f"--out {out} is there already: name another file, or give --force to replace it")
    settings = load()
    wanted = Wanted(
        _topics(settings.topic_names(), what, topics),
        begin=begin or Start("earliest"),
        until=until or Start("latest"),
        follow=follow,
        from_rows=from_rows,
        merge_wait=settings.merge_wait_ms / 1000,
    )
    began = time.monotonic()
    with writing_pieces(out, replace=force) as writer, progress("recording") as bar:
        recorded, stopped = asyncio.run(_record(settings, wanted, writer, bar))
        if follow or not stopped:
            writer.open()  # creates the file even without a record
    _print_summary(recorded, out, time.monotonic() - began, stopped=stopped and not follow, as_json=as_json)
    if stopped and not follow:
        ctx.exit(INTERRUPTED)


def _topics(names: TopicNames, what: str, named: tuple[str, ...]) -> dict[str, str]:
    """Each topic's name on the bus → the bare name. Topics of Switchboard may be given by either name."""
    if not named:
        if what == "bus":
            return {name: str(topic) for name, topic in names.sources.items()}
        return {names.of(Topic.JOURNAL): str(Topic.JOURNAL)}
    found: dict[str, str] = {}
    for name in [each for group in named for each in group.split(",") if each]:
        if _is_topic(name) is None:
            raise click.BadParameter(
                f"{name[:60]!r}: expected a topic's name, of 1 to 249 characters of A-Z a-z 0-9 . _ -",
                param_hint="--topics",
            )
        topic = names.topic(name) or (Topic(name) if name in set(Topic) else None)
        found[name if topic is None else names.of(topic)] = name if topic is None else str(topic)
    return found


async def _record(
    settings: Settings, wanted: Wanted, writer: PieceWriter, bar: Callable[[float, float, str], None]
) -> tuple[Recorded, bool]:
    """Record until the end or a signal. Returns the figures, and True if a signal came."""
    began = time.monotonic()
    stop = stop_on_signal()
    recorder = Recorder(settings.topic_names(), wanted, broker_wait(settings))

    def write(record: Record) -> bool:
        line = encode_record(record) + b"\n"
        if len(line) > MAX_LINE_BYTES:
            return False
        writer.write(line)
        return True

    def report(recorded: Recorded) -> None:
        writer.tick()
        rate = recorded.records / max(time.monotonic() - began, 1e-3)
        bar(recorded.done, recorded.total, f"{recorded.records:,} records, {rate:,.0f}/s")

    return await recorder.record(write, stop, report), stop.is_set()


def _print_summary(recorded: Recorded, out: Path, seconds: float, *, stopped: bool, as_json: bool) -> None:
    if as_json:
        summary = {
            "out": str(out),
            "records": recorded.records,
            "by_topic": dict(recorded.by_topic),
            "rows_of_frame": {str(shard): frame for shard, frame in recorded.frames.items()},
            "missing": recorded.missing,
            "left_out": recorded.left_out,
            "interrupted": stopped,
            "seconds": round(seconds, 3),
        }
        say_json(summary)
        return
    rate = recorded.records / max(seconds, 1e-3)
    say(f"{out}: {counted(recorded.records, 'record')} in {seconds:.1f} s ({rate:,.0f}/s)")
    for topic, number in recorded.by_topic.items():
        say(f"  {topic}: {number:,}")
    for shard, frame in sorted(recorded.frames.items()):
        say(f"  shard {shard} begins with its rows after frame {frame:,}")
    if recorded.first_left_out is not None:
        say(
            f"  left out, too large for a line of a log ({MAX_LINE_BYTES:,} bytes), or in a batch too large to unpack: "
            f"{counted(recorded.left_out, 'record')}, the first at {recorded.first_left_out}",
            err=True,
        )
    for topic in recorded.missing:
        say(f"  {topic}: there is no such topic", err=True)
    if stopped:
        say("stopped before the end: the log holds what was read until then", err=True)
