"""The board of the demo: queues, agents and the last assignments, from the rows that the router commits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from switchboard.cli.demo_office import FROM_MINUTE, SPEED
from switchboard.domain.rfc3339 import parse_ms
from switchboard.journal.printable_text import counted, printable
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.reading import partitions_of
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.projections.decision_texts import PULL_POLICIES, assignment_label
from switchboard.simulation.tally import Tally

SHOWN_ASSIGNMENTS: Final = 8


SLOTS: Final = {"active": ("●", "green"), "wrapping": ("◐", "cyan"), "offered": ("◌", "yellow")}
"""Mark and style of a session by its stage."""
FREE: Final = ("○", "dim")
LEGEND: Final = "● active  ◐ wrapping  ◌ offered  ○ free"
STATUS_STYLE: Final = {"available": "green", "unavailable": "dim", "absent": "red"}
REFRESH_SECONDS: Final = 0.25
"""Seconds between two updates on a terminal."""
PLAIN_SECONDS: Final = 5.0
"""Seconds between two lines where there is no terminal."""


@dataclass(slots=True, frozen=True)
class QueueLine:
    """The state of one queue."""

    pool: str
    queue: str
    waiting: int
    oldest_seconds: float | None
    """Wait of the oldest chat; None if the queue is empty."""


@dataclass(slots=True)
class Board:
    """The present rows, and the last assignments."""

    queues: Sequence[tuple[str, str]]
    """(pool, queue) of the queues to show, in order."""
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of `agent-capacity` by their key, POOL/AGENT."""
    chats: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of `open-chats` by their key, POOL/CHAT."""
    assignments: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=SHOWN_ASSIGNMENTS))
    """Decisions `chat-assigned`, the newest first."""

    def take(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """Store a changed row; a value of None deletes the row."""
        rows = self.agents if topic is Topic.AGENT_CAPACITY else self.chats
        if value is None:
            rows.pop(key.decode(), None)
        else:
            rows[key.decode()] = orjson.loads(value)

    def note(self, decision: Mapping[str, Any]) -> None:
        """Keep a decision if it is an assignment."""
        if decision["type"] == "chat-assigned":
            self.assignments.appendleft(decision)

    def lines(self, now: int) -> Iterator[QueueLine]:
        """The state of each queue; `now` is in ms since 1970."""
        for pool, queue in self.queues:
            since = [
                parse_ms(chat["arrived_at"])
                for chat in self.chats.values()
                if chat["stage"] == "waiting" and chat["pool"] == pool and chat["queue"] == queue
            ]
            yield QueueLine(pool, queue, len(since), max(0, now - min(since)) / 1000 if since else None)


async def follow_rows(conn: Connection, names: TopicNames, board: Board) -> None:
    """Read the rows into the board from the topics' beginning on, until cancelled."""
    topics = {names.of(topic): topic for topic in (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS)}
    tps = await partitions_of(conn, topics)
    consumer = reader(conn)
    await consumer.start()
    try:
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, 0)
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    board.take(topics[tp.topic], record.key, record.value)
            # `getmany` returns fetched records without a pause, so other tasks would never run.
            await asyncio.sleep(0)
    finally:
        await consumer.stop()


async def show(console: Console, board: Board, policies: Mapping[str, str], tally: Tally, day: str, where: str) -> None:
    """Show the board until cancelled.

    Args:
        console: where to show the board; a line now and then if the console is no terminal.
        board: the rows and assignments.
        policies: each pool's pull policy.
        tally: the counts.
        day: the recorded day that is played, as 1999-02-22.
        where: a line with the addresses of wallboard and broker.
    """
    began = time.monotonic()

    def head() -> str:
        recorded = datetime.fromisoformat(day) + timedelta(
            minutes=FROM_MINUTE, seconds=(time.monotonic() - began) * SPEED
        )
        return f"{recorded:%A, %-d %B %Y, %H:%M} at {SPEED:g} times its pace\n{where}\n{counts(tally)}\n"

    if not console.is_terminal:
        await _lines(console, lambda: f"{counts(tally)}; {plain(board, now_ms())}")
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(render(board, policies, head(), now_ms()), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


def counts(tally: Tally) -> str:
    """The counts so far, as a line."""
    line = (
        f"{counted(tally.sent['chat-arrival'], 'chat')} arrived, {tally.seen['chat-assigned']:,} assigned, "
        f"{tally.seen['assignment-confirmed']:,} accepted, {tally.seen['chat-requested']:,} follow-ups"
    )
    delay = tally.delay_of(*tally.delays)
    return line if delay is None else f"{line}, publish to visible {delay.median:.0f} ms (p99 {delay.p99:.0f} ms)"


async def _lines(console: Console, line: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(PLAIN_SECONDS)
        console.print(line(), soft_wrap=True, highlight=False)


def now_ms() -> int:
    """The clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def render(board: Board, policies: Mapping[str, str], head: str, now: int) -> RenderableType:
    """The board for a terminal.

    Args:
        board: the rows and assignments.
        policies: each pool's pull policy, such as `first-due`.
        head: the lines on top.
        now: ms since 1970.
    """
    floor = Columns([_queues(board, policies, now), _agents(board)], padding=(1, 4))
    return Group(Text(head), floor, Text(LEGEND, style="dim"), Text(), _assignments(board))


def plain(board: Board, now: int) -> str:
    """Queues and agents in one line; `now` is in ms since 1970."""
    queues = ", ".join(f"{printable(line.queue)} {line.waiting}{_oldest(line)}" for line in board.lines(now))
    held = sum(len(agent["sessions"]) for agent in board.agents.values())
    slots = sum(agent["max_sessions"] for agent in board.agents.values() if agent["status"] == "available")
    here = sum(agent["status"] == "available" for agent in board.agents.values())
    agents = f"{counted(here, 'agent')} available ({counted(slots, 'slot')} in all)"
    return f"waiting: {queues}; {counted(held, 'chat')} with agents, {agents}"


def _oldest(line: QueueLine) -> str:
    return "" if line.oldest_seconds is None else f" ({line.oldest_seconds:.0f} s)"


def _queues(board: Board, policies: Mapping[str, str], now: int) -> Table:
    table = Table(title="Queues", title_justify="left", box=None, pad_edge=False)
    table.add_column("pool")
    table.add_column("queue")
    table.add_column("policy")
    table.add_column("waiting", justify="right", min_width=7)
    table.add_column("oldest", justify="right", min_width=6)
    before = ""
    for line in board.lines(now):
        first = line.pool != before
        oldest = "" if line.oldest_seconds is None else f"{line.oldest_seconds:.1f} s"
        waiting = Text(str(line.waiting), style="bold yellow" if line.waiting else "dim")
        policy = PULL_POLICIES[policies[line.pool]].name if first else ""
        table.add_row(line.pool if first else "", printable(line.queue), policy, waiting, oldest)
        before = line.pool
    return table


def _agents(board: Board) -> Table:
    table = Table(title="Agents", title_justify="left", box=None, pad_edge=False)
    table.add_column("agent", min_width=7)
    table.add_column("mode")
    table.add_column("status", min_width=11)
    table.add_column("sessions", min_width=8)
    table.add_column("asking", min_width=6)
    pools = [pool for pool, _ in board.queues]
    for row in sorted(board.agents.values(), key=lambda row: (pools.index(row["pool"]), row["agent_id"])):
        request = row["request"]
        status = Text(row["status"], style=STATUS_STYLE[row["status"]])
        table.add_row(
            printable(row["agent_id"]), row["mode"], status, _slots(row), "" if request is None else request["origin"]
        )
    return table


def _slots(row: Mapping[str, Any]) -> Text:
    order = list(SLOTS)
    stages = sorted((session["stage"] for session in row["sessions"]), key=order.index)
    text = Text()
    for mark, style in [SLOTS[stage] for stage in stages] + [FREE] * row["free"]:
        text.append(mark, style=style)
    return text


def _assignments(board: Board) -> Table:
    table = Table(title="Last assignments", title_justify="left", box=None, pad_edge=False)
    for name in ("chat", "queue", "agent"):
        table.add_column(name, no_wrap=True)
    table.add_column("waited", justify="right", min_width=7)
    table.add_column("why", no_wrap=True)
    for each in board.assignments:
        waited = f"{each['waited_seconds']:.1f} s"
        names = (printable(each[name]) for name in ("chat_id", "queue", "agent_id"))
        table.add_row(*names, waited, assignment_label(each))
    return table
