"""What differs between two looks at the tables: what a page must be told to show the second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from switchboard.monitor.overview import Agent, Overview
from switchboard.monitor.routing import Routing
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import queue_rows, rfc3339
from switchboard.monitor.windows import Queue
from switchboard.web.answers import first, slices

Rows = Mapping[Any, dict[str, Any]]
"""By a key that is unique among the rows of one kind."""

KINDS: Final = ("queues", "agents", "assignments")
MOST_QUEUES: Final = 1_000
"""On the wallboard. No wall shows more, and anyone on the bus can make up names of pools: 200,000 of them were a first
message of 120 MB, for which the loop stood still for 6 s."""
MOST_AGENTS: Final = 10_000


@dataclass(slots=True)
class Look:
    """All that the page shows, as it was at one moment."""

    queues: Rows = field(default_factory=dict)
    agents: Rows = field(default_factory=dict)
    assignments: Rows = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    """By kind, how many rows there are, with those that the page does not show."""


async def look(tables: Tables, taken: Overview, now: float) -> Look:
    """What the page shows of an overview, with `now` in seconds since 1970."""
    chosen = await first(taken.queues, MOST_QUEUES, lambda key: _rank(tables, taken, key))
    windows = tables.past.counting.windows
    rows = await queue_rows(taken, chosen, windows, datetime.fromtimestamp(now, UTC))
    for row in rows:
        del row["oldest_wait_seconds"]  # it grows all the time; the page reckons it from oldest_arrived_at
    return Look(
        queues=dict(zip(chosen, rows, strict=True)),
        agents={key: taken.rows[key] for key in await _shown_agents(tables, taken)},
        assignments=dict(tables.past.offers.latest),
        totals={"queues": len(taken.queues), "agents": len(taken.agents)},
    )


def _rank(tables: Tables, taken: Overview, key: Queue) -> tuple[bool, float, Queue]:
    """Which queues are shown where there are too many: configured ones, and of these those who wait longest, first."""
    oldest = taken.counts[key].oldest
    return key[0] not in tables.queues, float("inf") if oldest is None else oldest.timestamp(), key


async def _shown_agents(tables: Tables, taken: Overview) -> list[Agent]:
    """All, or where there are too many the first of them: those of configured pools before the others."""
    if len(taken.agents) <= MOST_AGENTS:
        return taken.agents
    shown: list[Agent] = []
    for configured in (True, False):
        async for part in slices(taken.agents):
            shown += [key for key in part if (key[0] in tables.queues) is configured]
            if len(shown) >= MOST_AGENTS:
                return shown[:MOST_AGENTS]
    return shown


def whole(seen: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind with all rows."""
    return {kind: _event(seen, kind, full=True, changed=list(getattr(seen, kind).values()), gone=[]) for kind in KINDS}


def between(before: Look, after: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind of which anything differs, with the rows that are new or changed, and those gone."""
    told = {}
    for kind in KINDS:
        old, new = getattr(before, kind), getattr(after, kind)
        changed = [row for key, row in new.items() if not _same(old.get(key), row)]
        gone = [_named(kind, row) for key, row in old.items() if key not in new]
        if changed or gone or before.totals.get(kind) != after.totals.get(kind):
            told[kind] = _event(after, kind, full=False, changed=changed, gone=gone)
    return told


def _event(seen: Look, kind: str, **fields: Any) -> dict[str, Any]:
    total = {"total": seen.totals[kind]} if kind in seen.totals else {}
    return fields | total


def _same(old: dict[str, Any] | None, new: dict[str, Any]) -> bool:
    return old is new or old == new


NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "queues": ("pool", "queue"),
    "agents": ("pool", "agent_id"),
    "assignments": ("offer_id",),
}


def _named(kind: str, row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in NAMES[kind]}


def heartbeat(tables: Tables, now: float, bus_answered_at: float | None, routing: Routing) -> dict[str, Any]:
    """What tells a page that it is live.

    The time here, when the bus last answered, whether chats are being routed, and when anything was decided.
    """
    return {
        "at": rfc3339(datetime.fromtimestamp(now, UTC)),
        "bus_answered_at": None if bus_answered_at is None else rfc3339(datetime.fromtimestamp(bus_answered_at, UTC)),
        "routing": routing.told(now),
        "decided_at": tables.past.last_at,
    }
