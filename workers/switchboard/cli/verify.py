"""`switchboard verify`: whether recorded decisions are those that the log gives."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from switchboard.cli.broker_wait import broker_wait
from switchboard.cli.collector import relax_collector
from switchboard.cli.consoles import say_json, wide_console
from switchboard.cli.log_progress import log_progress
from switchboard.cli.out_files import refuse_swapped
from switchboard.cli.verify_view import show
from switchboard.errors import FAULT
from switchboard.journal.decision_log import Difference
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted
from switchboard.journal.recorded_log import Kind, kind_of
from switchboard.settings import load
from switchboard.tools.decision_sources import AgainstFile, AgainstTopics
from switchboard.tools.verification import Verified
from switchboard.tools.verification import verify as verify_log

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("log", type=_FILE)
@click.argument("decisions", type=_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def verify(ctx: click.Context, log: Path, decisions: Path | None, *, as_json: bool) -> None:
    """Replay a recorded LOG and compare with the decisions that were made, byte for byte. Exit code 1: they differ.

    DECISIONS is a decision log, as `switchboard replay` writes it, plain, gzip or zstd. Without it a journal log is
    held against the live topics assignment and push-request; if they keep none of its decisions any more, that is exit
    code 1 too.

    \b
    Example:
      switchboard replay journal.jsonl --out decisions.jsonl
      switchboard verify journal.jsonl decisions.jsonl
      switchboard verify journal.jsonl
    """
    if decisions is None and kind_of(log) is Kind.BUS:
        raise click.UsageError(
            f"{log} is a log of the bus: its replay numbers decisions otherwise than the live journal did. "
            "Give the decision log to compare it with, or record the journal"
        )
    if decisions is not None:
        refuse_swapped(log, decisions)
    relax_collector()
    tally = Tally()
    size = _plain_bytes(decisions)
    with log_progress("verifying", tally, size) as tick:
        verified = asyncio.run(_verify(log, decisions, tally, tick))
    if as_json:
        say_json(_body(verified, tally))
    else:
        console = wide_console(highlight=False)
        show(verified, console)
        console.print(f"replayed {counted(tally.events, 'event')} in {counted(tally.frames, 'frame')}", style="dim")
    if not verified.equal:
        ctx.exit(FAULT)


async def _verify(log: Path, decisions: Path | None, tally: Tally, tick: Callable[[int | None], None]) -> Verified:
    if decisions is not None:
        return await verify_log(log, AgainstFile(decisions, tick), tally, lambda: tick(None))
    settings = load()
    conn, names = settings.connection(), settings.topic_names()
    async with AsyncExitStack() as stack:
        against = await broker_wait(settings).retry(
            "looking at the decisions", lambda: AgainstTopics.open(conn, names, settings.shards, stack), long=True
        )
        return await verify_log(log, against, tally, lambda: tick(None))


def _plain_bytes(path: Path | None) -> int | None:
    """The length of a file that is not compressed; of another it can't be told how far one is through it."""
    return None if path is None or path.suffix in (".gz", ".zst") else path.stat().st_size


def _body(verified: Verified, tally: Tally) -> dict[str, Any]:
    first, other = verified.first, verified.other_version
    return {
        "equal": verified.equal,
        "frames": tally.frames,
        "events": tally.events,
        "decisions": verified.decisions,
        "same": verified.same,
        "frames_differ": verified.frames_differ,
        "frames_unmatched": verified.frames_unmatched,
        "left_over": verified.left_over,
        "before": verified.before,
        "beyond": verified.beyond,
        "gone": verified.gone,
        "other_version": None
        if other is None
        else {"header": other.name, "version": other.version, "ours": other.ours, "line": verified.other_version_line},
        "first": None
        if first is None
        else {
            "in": first.place.name,
            **_difference(first.place.difference),
            "circumstances": first.circumstances,
        },
    }


def _difference(difference: Difference) -> dict[str, Any]:
    found = difference.found
    return {
        "kind": difference.kind,
        "after": difference.after,
        "expected": None if difference.expected is None else difference.expected.decode(),
        "found": None if found is None else found.value.decode(errors="replace"),
        "where": None if found is None else found.where,
    }
