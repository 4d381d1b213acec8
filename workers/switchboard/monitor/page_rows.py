"""The rows that a wallboard shows, and the events that bring a page up to date."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from switchboard.monitor.bus_watch import RoutingStatus
from switchboard.monitor.figures import Queue
from switchboard.monitor.overview import Agent, Overview
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import queue_rows, rfc3339
from switchboard.web.answers import first, slices

MOST_QUEUES: Final = 1_000
"""Queues on a page. No wall shows more, and anyone on the bus can make up pools: 200,000 of them made a first message
of 120 MB, which blocked the event loop for 6 s."""
MOST_AGENTS: Final = 10_000
"""Agents on a page."""

KINDS: Final = ("queues", "agents", "assignments")
KEY_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "queues": ("pool", "queue"),
    "agents": ("pool", "agent_id"),
    "assignments": ("offer_id",),
}
"""The fields that name a row of each kind."""

Rows = Mapping[Any, dict[str, Any]]
"""Rows of one kind, by a unique key."""


@dataclass(slots=True)
class PageRows:
    """All rows that a page shows, at one moment."""

    queues: Rows = field(default_factory=dict)
    agents: Rows = field(default_factory=dict)
    assignments: Rows = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    """By kind, the number of rows including those that no page shows."""


async def page_rows(
    tables: Tables, overview: Overview, now: float, *, most_queues: int = MOST_QUEUES, most_agents: int = MOST_AGENTS
) -> PageRows:
    """The rows that a page shows of an overview.

    Args:
        tables: of the overview.
        overview: all queues and agents.
        now: seconds since 1970.
        most_queues: rows of queues that are shown at most.
        most_agents: rows of agents that are shown at most.
    """
    shown = await first(overview.queues, most_queues, lambda key: _rank(tables, overview, key))
    rows = await queue_rows(overview, shown, tables.history.outcomes.windows, datetime.fromtimestamp(now, UTC))
    for row in rows:
        # Grows all the time, so every row would always differ; the page calculates it from oldest_arrived_at.
        del row["oldest_wait_seconds"]
    return PageRows(
        queues=dict(zip(shown, rows, strict=True)),
        agents={key: overview.rows[key] for key in await _shown_agents(tables, overview, most_agents)},
        assignments=dict(tables.history.offers.rows),
        totals={"queues": len(overview.queues), "agents": len(overview.agents)},
    )


def _rank(tables: Tables, overview: Overview, key: Queue) -> tuple[bool, float, Queue]:
    """The order in which queues are shown: configured ones first, then by the longest wait."""
    oldest = overview.counts[key].oldest
    return key[0] not in tables.queues, float("inf") if oldest is None else oldest.timestamp(), key


async def _shown_agents(tables: Tables, overview: Overview, most: int) -> list[Agent]:
    """Up to `most` agents, those of configured pools first."""
    if len(overview.agents) <= most:
        return overview.agents
    shown: list[Agent] = []
    for configured in (True, False):
        async for part in slices(overview.agents):
            shown += [key for key in part if (key[0] in tables.queues) is configured]
            if len(shown) >= most:
                return shown[:most]
    return shown


# Events


def full_events(rows: PageRows) -> dict[str, dict[str, Any]]:
    """By kind, an event with all rows."""
    return {kind: _event(rows, kind, full=True, changed=list(getattr(rows, kind).values()), gone=[]) for kind in KINDS}


def change_events(before: PageRows, after: PageRows) -> dict[str, dict[str, Any]]:
    """By kind, an event with the rows that are new or changed, and the keys of those gone; none without a change."""
    events = {}
    for kind in KINDS:
        old, new = getattr(before, kind), getattr(after, kind)
        changed = [row for key, row in new.items() if not _same(old.get(key), row)]
        gone = [_key_fields(kind, row) for key, row in old.items() if key not in new]
        if changed or gone or before.totals.get(kind) != after.totals.get(kind):
            events[kind] = _event(after, kind, full=False, changed=changed, gone=gone)
    return events


def _event(rows: PageRows, kind: str, **fields: Any) -> dict[str, Any]:
    total = {"total": rows.totals[kind]} if kind in rows.totals else {}
    return fields | total


def _same(old: dict[str, Any] | None, new: dict[str, Any]) -> bool:
    # Most rows are the same object, which is quicker to see than equality.
    return old is new or old == new


def _key_fields(kind: str, row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in KEY_FIELDS[kind]}


def heartbeat(tables: Tables, now: float, bus_answered_at: float | None, routing: RoutingStatus) -> dict[str, Any]:
    """The event that shows a page that it is live; times are in seconds since 1970."""
    return {
        "at": rfc3339(datetime.fromtimestamp(now, UTC)),
        "bus_answered_at": None if bus_answered_at is None else rfc3339(datetime.fromtimestamp(bus_answered_at, UTC)),
        "routing": routing.as_json(now),
        "decided_at": tables.history.last_at,
    }
