"""What differs between two looks at the tables: what a page must be told to show the second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from switchboard.monitor.routing import Routing
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import queues_view, rfc3339

Rows = dict[str, dict[str, Any]]
"""By a key that is unique among the rows of one kind."""

KINDS: Final = ("queues", "agents", "assignments")


@dataclass(slots=True)
class Look:
    """All that the page shows, as it was at one moment."""

    queues: Rows = field(default_factory=dict)
    agents: Rows = field(default_factory=dict)
    assignments: Rows = field(default_factory=dict)


def look(tables: Tables, now: float) -> Look:
    """The tables as they are. Their rows are replaced and never changed, so they need not be copied."""
    queues = queues_view(tables, None, datetime.fromtimestamp(now, UTC))
    for queue in queues:
        del queue["oldest_wait_seconds"]  # it grows all the time; the page reckons it from oldest_arrived_at
    return Look(
        queues={f"{queue['pool']}/{queue['queue']}": queue for queue in queues},
        agents=dict(tables.agents),
        assignments=dict(tables.past.offers.latest),
    )


def whole(seen: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind with all rows."""
    return {kind: {"full": True, "changed": list(getattr(seen, kind).values()), "gone": []} for kind in KINDS}


def between(before: Look, after: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind of which anything differs, with the rows that are new or changed, and those gone."""
    told = {}
    for kind in KINDS:
        old, new = getattr(before, kind), getattr(after, kind)
        changed = [row for key, row in new.items() if not _same(old.get(key), row)]
        gone = [_named(kind, row) for key, row in old.items() if key not in new]
        if changed or gone:
            told[kind] = {"full": False, "changed": changed, "gone": gone}
    return told


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
