"""`switchboard verify`: the command, and its result in words and as JSON."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from switchboard.cli.params import refuse_swapped
from switchboard.cli.process import relax_collector
from switchboard.cli.ui import broker_wait, log_progress, say_json, wide_console
from switchboard.domain.events import Event
from switchboard.errors import FAULT
from switchboard.journal import bounded_json
from switchboard.journal.decision_log import Difference, DifferenceKind, quote_value
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted, printable
from switchboard.journal.recorded_log import Kind, kind_of
from switchboard.settings import load
from switchboard.tools.circumstances import Circumstances, QueueHead
from switchboard.tools.verification import DecisionFile, DecisionTopics, Verified
from switchboard.tools.verification import verify as verify_log

HEADS: Final = {
    DifferenceKind.MISSING: "a decision is missing",
    DifferenceKind.EXTRA: "a decision that the replay does not make there",
    DifferenceKind.DIFFERENT: "a different decision",
    DifferenceKind.DECISIONS_END: "the decisions end, and the replay goes on",
    DifferenceKind.LOG_ENDS: "the log ends, and the decisions go on",
}
"""The heading of each kind of difference."""
EVENTS_SHOWN: Final = 20
"""Events of a frame listed at most."""
_NO_FIELD: Final = "-"

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


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
        say_json(_as_json(verified, tally))
    else:
        console = wide_console(highlight=False)
        show(verified, console)
        console.print(f"replayed {counted(tally.events, 'event')} in {counted(tally.frames, 'frame')}", style="dim")
    if not verified.equal:
        ctx.exit(FAULT)


async def _verify(log: Path, decisions: Path | None, tally: Tally, tick: Callable[[int | None], None]) -> Verified:
    """Verify a log with a decision log, or without `decisions` with the live topics."""
    if decisions is not None:
        return await verify_log(log, DecisionFile(decisions, tick), tally, lambda: tick(None))
    settings = load()
    conn, names = settings.connection(), settings.topic_names()
    async with AsyncExitStack() as stack:
        found = await broker_wait(settings).retry(
            "looking at the decisions", lambda: DecisionTopics.open(conn, names, settings.shards, stack), long=True
        )
        return await verify_log(log, found, tally, lambda: tick(None))


def _plain_bytes(path: Path | None) -> int | None:
    """Size of a decision log for the progress bar; None for a compressed file, whose uncompressed size is not known."""
    return None if path is None or path.suffix in (".gz", ".zst") else path.stat().st_size


def show(verified: Verified, console: Console) -> None:
    """Print the first difference with the state that led to it, and the counts."""
    if verified.first is not None:
        _show_difference(verified.first.difference, console)
        if verified.first.circumstances is not None:
            for depth, line in _circumstance_lines(verified.first.circumstances):
                console.print(Padding(Text(printable(line)), (0, 0, 0, 2 * depth)))
        console.print()
    for line in summary(verified):
        console.print(Text(printable(line)))


def summary(verified: Verified) -> Iterator[str]:
    """The counts, and the next step where nothing could be compared, a sentence a line."""
    same, made = verified.same, verified.decisions
    if verified.equal:
        yield f"equal, byte for byte and in order: {counted(same, 'decision')}"
    elif verified.nothing_compared:
        yield (
            "nothing was compared: the topics keep none of the log's decisions any more. Verify the log with a "
            "decision log, if one was kept"
        )
    else:
        yield f"{same:,} of the replay's {counted(made, 'decision was', 'decisions were')} found as they are"
    if verified.frames_differ:
        yield counted(verified.frames_differ, "frame differs", "frames differ")
    if verified.frames_unmatched:
        yield (
            counted(verified.frames_unmatched, "frame with decisions comes", "frames with decisions come")
            + " after the last one that was found"
        )
    if verified.left_over:
        yield counted(verified.left_over, "decision is left over", "decisions are left over")
    if verified.before or verified.beyond:
        yield (
            f"not compared: {counted(verified.before, 'decision')} of frames before the log's first one, "
            f"{verified.beyond:,} after its last"
        )
    if verified.frames_deleted:
        yield f"not compared: {counted(verified.frames_deleted, 'frame')} whose decisions the topics no longer keep"
    if (other := verified.other_version) is not None:
        yield (
            f"not compared, from line {verified.other_version_line} on: the journal is of {other.name} "
            f"{other.version}, and this version of Switchboard has {other.name} {other.ours}. That is no fault of "
            f"the log: its decisions were made by other rules. Verify it with a version that has {other.name} "
            f"{other.version} (`switchboard --version` tells this one's; the changelog says which has which)."
        )


def _show_difference(difference: Difference, console: Console) -> None:
    """Print both decisions field by field; differing fields are marked."""
    where = f", {difference.found.where}" if difference.found is not None else ""
    console.print(Text(f"{difference.log}{where}: {HEADS[difference.kind]}", style="bold"))
    console.print(Text(counted(difference.after, "decision before it is equal\n", "decisions before it are equal\n")))
    expected, found = _fields(difference.expected), _fields(difference.found.value if difference.found else None)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("field")
    table.add_column("the replay has", overflow="fold", ratio=1)
    table.add_column("found", overflow="fold", ratio=1)
    for field in dict.fromkeys([*expected, *found]):
        left, right = expected.get(field, _NO_FIELD), found.get(field, _NO_FIELD)
        differs = left != right
        table.add_row(
            "▶" if differs else "", Text(field), Text(left), Text(right), style="bold yellow" if differs else "dim"
        )
    console.print(table)
    if expected == found and difference.expected is not None:
        console.print(Text("the fields are equal, the bytes are not: order, spaces or escapes differ"))
    console.print()


def _fields(value: bytes | None) -> dict[str, str]:
    """A decision's fields as printable text; the fields of `why` are separate ones."""
    if value is None:
        return {}
    try:
        body = bounded_json.loads(value)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return {"(not a decision)": printable(quote_value(value))}
    why = body.get("why")
    if isinstance(why, dict):
        body = {name: each for name, each in body.items() if name != "why"}
        body |= {f"why.{name}": each for name, each in why.items()}
    return {printable(name): _field_text(each) for name, each in body.items()}


def _field_text(value: Any) -> str:
    return printable(value if isinstance(value, str) else orjson.dumps(value).decode())


def _circumstance_lines(state: Circumstances) -> Iterator[tuple[int, str]]:
    """The frame and the state before it, as (levels of indentation, line)."""
    since = f"{state.run_ms:,} ms of service time after the one before"
    yield 0, f"frame {state.frame} of shard {state.shard}, {state.at}, {since}"
    yield 0, "in it:" if state.events else "in it: no event, only time that passed"
    shown = state.events
    # A frame may have 2,000 events. Of a long frame, only events about the decision's chat or agent are listed.
    if len(shown) > EVENTS_SHOWN:
        shown = [event for event in shown if _concerns(event, state)][:EVENTS_SHOWN]
    for event in shown:
        yield 1, _event_text(event)
    if len(state.events) > len(shown):
        yield 1, f"and {len(state.events) - len(shown):,} more"
    yield 0, f"before it, in pool {state.pool}:"
    for row in state.agents:
        yield 1, _agent_text(row)
    for row in state.chats:
        yield 1, _chat_text(row)
    asking = ", ".join(f"{each['agent_id']} since {each['requested_at']} ({each['origin']})" for each in state.asking)
    yield 1, f"asking, in agent order (of {counted(state.requests, 'request')}): {asking or 'nobody who may be served'}"
    for queue in state.queues:
        yield 1, _queue_text(queue)


def _concerns(event: Event, state: Circumstances) -> bool:
    """True if an event names a chat or an agent of the decision."""
    named = (event.data.get("chat_id"), event.data.get("agent_id"), event.data.get("to_agent"))
    return event.pool == state.pool and any(name in state.subjects for name in named)


def _event_text(event: Event) -> str:
    topic, partition, offset = event.source
    fields = " ".join(
        f"{name}={_field_text(value)}" for name, value in event.data.items() if name not in ("config", "attributes")
    )
    event_id = f" (event {event.id})" if event.id is not None else ""
    return f"{event.type} {fields}{event_id}, pool {event.pool}, from {topic}/{partition} @{offset}"


def _agent_text(row: dict[str, Any]) -> str:
    held = ", ".join(f"{each['chat_id']} ({each['stage']})" for each in row["sessions"]) or "none"
    request = row["request"]
    request_text = (
        "asks for nothing" if request is None else f"asks since {request['requested_at']} ({request['origin']})"
    )
    return (
        f"agent {row['agent_id']}: {row['status']}, {row['mode']}, profile {row['profile']}, "
        f"sessions {len(row['sessions'])} of {row['max_sessions']}: {held}; {request_text}"
    )


def _chat_text(row: dict[str, Any]) -> str:
    holder = f" with {row['agent_id']}" if row["agent_id"] is not None else ""
    return (
        f"chat {row['chat_id']}: {row['stage']}{holder}, queue {row['queue']}, arrived {row['arrived_at']}, "
        f"offers so far: {row['attempt']}"
    )


def _queue_text(queue: QueueHead) -> str:
    first = ", ".join(f"{each['chat_id']} (arrived {each['arrived_at']})" for each in queue.first)
    return f"queue {queue.queue}: {queue.waiting:,} wait{', first ' + first if first else ''}"


def _as_json(verified: Verified, tally: Tally) -> dict[str, Any]:
    """The output of `--json`; its field names are public."""
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
        "gone": verified.frames_deleted,
        "other_version": None
        if other is None
        else {"header": other.name, "version": other.version, "ours": other.ours, "line": verified.other_version_line},
        "first": None
        if first is None
        else {
            "in": first.difference.log,
            **_difference_as_json(first.difference),
            "circumstances": first.circumstances,
        },
    }


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    found = difference.found
    return {
        "kind": difference.kind,
        "after": difference.after,
        "expected": None if difference.expected is None else difference.expected.decode(),
        "found": None if found is None else found.value.decode(errors="replace"),
        "where": None if found is None else found.where,
    }
