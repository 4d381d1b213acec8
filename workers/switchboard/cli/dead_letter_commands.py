"""`switchboard dead-letter`: list dead letters, show one, put them back on their topics."""

import asyncio
import heapq
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import click

from switchboard.cli.params import PlaceType, Time
from switchboard.cli.ui import ask, broker_wait, say, say_json, say_lines
from switchboard.domain.rfc3339 import format_ms
from switchboard.errors import FAULT
from switchboard.journal.codec import REASONS
from switchboard.journal.printable_text import counted, printable
from switchboard.journal.recorded_log import is_timely
from switchboard.kafka.clients import Connection
from switchboard.kafka.positions import Start
from switchboard.kafka.topics import TopicNames
from switchboard.settings import load
from switchboard.tools.dead_letters import DeadLetter, Place, Replays, dead_letter_at, dead_letters, put_back

Found = TypeVar("Found")

REASON = click.option("--reason", type=click.Choice(REASONS), help="Only those that were set aside for this.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group(name="dead-letter")
def dead_letter() -> None:
    """What could not be taken and was set aside: list it, show it, put it back on its topic."""


@dead_letter.command(name="list")
@REASON
@click.option("--since", type=Time(), default="earliest", help="Only those set aside at that time (RFC 3339) or later.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="So many at most, the newest.")
@JSON
def list_(reason: str | None, since: Start, limit: int, *, as_json: bool) -> None:
    """List dead letters, the newest last.

    \b
    Example:
      switchboard dead-letter list --reason schema --since 2026-03-01T08:00:00Z
    """

    async def newest(conn: Connection, names: TopicNames) -> tuple[int, list[DeadLetter]]:
        # A heap of the newest letters keeps at most `limit` of them in memory.
        heap: list[tuple[int, int, int, DeadLetter]] = []
        number = 0
        async for letter in dead_letters(conn, names, since):
            if reason in {None, letter.reason}:
                number += 1
                heapq.heappush(heap, (letter.at, letter.place.offset, letter.place.partition, letter))
                if len(heap) > limit:
                    heapq.heappop(heap)
        return number, [each[-1] for each in sorted(heap, key=lambda each: each[:3])]

    number, letters = _read(newest)
    if as_json:
        say_json([fields_of(letter) for letter in letters])
        return
    for letter in letters:
        say(line_of(letter))
    if number > len(letters):
        say(f"the newest {len(letters):,} of {number:,}; --limit shows more", err=True)
    if not number:
        say("there are none", err=True)


@dead_letter.command()
@click.argument("place", metavar="PARTITION@OFFSET", type=PlaceType())
@click.option("--raw", is_flag=True, help="Write the value's bytes as they are, and nothing else.")
@JSON
@click.pass_context
def show(ctx: click.Context, place: Place, *, raw: bool, as_json: bool) -> None:
    """Show one dead letter: why it was set aside, and all of what it was.

    Characters that are not seen, or that act on a terminal, are written as escapes such as \\u001b; bytes that are no
    UTF-8 as hex. --raw is for a file or another program: such bytes can take over a terminal.

    \b
    Example:
      switchboard dead-letter show 0@17
      switchboard dead-letter show 0@17 --raw > value.json
    """
    if raw and as_json:
        raise click.UsageError("--raw and --json don't go together: --raw writes the value alone, as it is")
    letter = _read(lambda conn, names: dead_letter_at(conn, names, place))
    if letter is None:
        say(f"there is no dead letter at {place}", err=True)
        ctx.exit(FAULT)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
    elif as_json:
        headers = [[name, text_of(value)] for name, value in letter.headers]
        say_json({**fields_of(letter), "headers": headers, "value": text_of(letter.value)})
    else:
        _show(letter)


@dead_letter.command()
@click.argument("places", metavar="[PARTITION@OFFSET]...", type=PlaceType(), nargs=-1)
@REASON
@click.option("--all", "everything", is_flag=True, help="All that there are.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and replay nothing.")
@JSON
@click.pass_context
def replay(
    ctx: click.Context,
    places: tuple[Place, ...],
    reason: str | None,
    *,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put dead letters back on the topic they came from: bytes, key and headers as they were, with a new timestamp.

    They stay on dead-letter too, so the same command would replay them again, but for those that failed again since:
    of these only the last is replayed. Each gets a header, replayed-from, that tells where it stood; a record with such
    a header counts as a replay only where its topic, partition, key, value and other headers are those of the letter.

    \b
    Example:
      switchboard dead-letter replay 0@17 0@18
      switchboard dead-letter replay --reason schema --dry-run
    """
    match sum((bool(places), reason is not None, everything)):
        case 0:
            raise click.UsageError("say which: PARTITION@OFFSET..., --reason or --all")
        case 2 | 3:
            raise click.UsageError("PARTITION@OFFSET..., --reason and --all don't go together: give one, not both")
    letters, refused = _read(lambda conn, names: _chosen(conn, names, places, reason, everything=everything))
    for place, why in refused.items():
        say(f"{place} is not replayed: {why}", err=True)
    if not as_json:
        for letter in letters:
            say(line_of(letter))
    if letters and not dry_run:
        if not yes:
            ask(f"Replay {counted(len(letters), 'dead letter')}?", "nothing was replayed")
        settings = load()
        asyncio.run(put_back(settings.connection(), settings.topic_names(), letters, broker_wait(settings)))
    if as_json:
        say_json({"replayed": [fields_of(letter) for letter in letters], "refused": refused, "dry_run": dry_run})
    else:
        say(f"{'would replay' if dry_run else 'replayed'} {len(letters):,}; refused {len(refused):,}")
    if refused and places:
        ctx.exit(FAULT)


async def _chosen(
    conn: Connection, names: TopicNames, places: Sequence[Place], reason: str | None, *, everything: bool
) -> tuple[list[DeadLetter], dict[str, str]]:
    """The letters to replay, and the places that are refused, each with the reason.

    Args:
        conn: the cluster.
        names: names of the topics.
        places: places of the letters to replay; or
        reason: the reason of the letters to replay; or
        everything: true to replay all letters.
    """
    found: dict[str, DeadLetter] = {}
    replays = Replays()
    # Every letter is read, chosen or not: a later letter may be the repeated failure of an earlier one.
    async for letter in dead_letters(conn, names):
        replays.note(letter)
        if letter.place in places or everything or (reason is not None and letter.reason == reason):
            found[str(letter.place)] = letter
    refused = {str(place): "there is no such dead letter" for place in places if str(place) not in found}
    for place, letter in found.items():
        if letter.obstacle is not None:
            refused[place] = letter.obstacle
        elif (again := replays.later(letter)) is not None:
            refused[place] = f"it was replayed and failed again: see {again}"
    chosen = [letter for place, letter in found.items() if place not in refused]
    return sorted(chosen, key=lambda each: (each.at, each.place.partition, each.place.offset)), refused


def _read(work: Callable[[Connection, TopicNames], Coroutine[Any, Any, Found]]) -> Found:
    """The result of `work`, which is repeated if a broker goes away meanwhile."""
    settings = load()
    conn, names = settings.connection(), settings.topic_names()

    async def found() -> Found:
        return await broker_wait(settings).retry("reading dead letters", lambda: work(conn, names), long=True)

    return asyncio.run(found())


def _show(letter: DeadLetter) -> None:
    """Print a letter as text: reason, key, headers, value."""
    say(line_of(letter))
    say(f"key: {'(left out)' if 'key' in letter.left_out else shown(letter.key)}")
    for name, value in letter.headers:
        say(f"header {name}: {shown(value)}")
    if letter.obstacle is not None:
        say(f"can't be replayed: {letter.obstacle}")
    none = "(left out)" if "value" in letter.left_out else "(none)"
    say_lines(none if (text := text_of(letter.value)) is None else text)


def fields_of(letter: DeadLetter) -> dict[str, Any]:
    """The fields of a letter as in `--json`, without value and headers. The field names are public."""
    topic, partition, offset = letter.source
    return {
        "place": str(letter.place),
        "at": _time(letter.at),
        "reason": letter.reason,
        "detail": letter.detail,
        "source_topic": topic,
        "source_partition": partition,
        "source_offset": offset,
        "source_last_offset": letter.last_offset,
        "key": text_of(letter.key),
        "original_size": letter.original_size,
        "left_out": letter.left_out or None,
        "replayed_from": None if letter.replayed_from is None else str(letter.replayed_from),
    }


def line_of(letter: DeadLetter) -> str:
    """A letter as a line of text: place, time, reason, source."""
    topic, partition, offset = letter.source
    again = f" (its header says: replayed from {letter.replayed_from})" if letter.replayed_from else ""
    where = f"{letter.place}  {_time(letter.at)}"
    if not letter.reason:
        return f"{where}  (no router set it aside)"
    return f"{where}  {letter.reason}  {topic}/{partition}@{offset}  {letter.detail}{again}"


def _time(ms: int) -> str:
    """A record's timestamp as RFC 3339 text; as `N ms` if the year is not from 0001 to 9999."""
    return format_ms(ms) if is_timely(ms) else f"{ms} ms"


def shown(value: bytes | None) -> str:
    """Bytes as printable text on one line."""
    return "(none)" if (text := text_of(value)) is None else printable(text)


def text_of(value: bytes | None) -> str | None:
    """Bytes as text; as hex if they are not UTF-8."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "hex " + value.hex()
