"""The board as a table in the terminal, and as a plain line where there is none."""

from collections.abc import Mapping
from typing import Any, Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from switchboard.cli.board import Board, QueueLine
from switchboard.journal.printable_text import counted, printable

SLOTS: Final = {"active": ("●", "green"), "wrapping": ("◐", "cyan"), "offered": ("◌", "yellow")}
FREE: Final = ("○", "dim")
LEGEND: Final = "● talking  ◐ wrapping up  ◌ offered  ○ free"
STATUS_STYLE: Final = {"available": "green", "unavailable": "dim", "absent": "red"}
POLICY: Final = {"first-due": "First Due", "strict-priority": "Strict Priority"}


def render(board: Board, policies: Mapping[str, str], head: str, now: int) -> RenderableType:
    """All of it; `policies` names each pool's policy."""
    floor = Columns([_queues(board, policies, now), _agents(board)], padding=(1, 4))
    return Group(Text(head), floor, Text(LEGEND, style="dim"), Text(), _assignments(board))


def plain(board: Board, now: int) -> str:
    """The queues and the agents in one line."""
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
        policy = POLICY[policies[line.pool]] if first else ""
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
        table.add_row(*names, waited, why(each))
    return table


def why(assigned: Mapping[str, Any]) -> str:
    """In words: which chat of those waiting, and which agent of those asking."""
    told = assigned["why"]
    if told["agent_order"] == "transfer":
        return "handed over by a colleague"
    agent = "a newcomer, by lot," if told["agent_order"] == "lot" else "who asked first"
    return f"{POLICY[told['policy']]} of {told['waiting']} waiting, to {agent} of {told['requests']}"
