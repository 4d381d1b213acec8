"""What the web API tells, from the tables alone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from switchboard.monitor.availability import Availability, availability
from switchboard.monitor.tables import Tables

DEFAULT: Final = "default"
"""The only queue, and the only profile, of a pool that was never configured."""


def agents_view(tables: Tables, pool: str | None) -> list[dict[str, Any]]:
    """The agents who are logged in, all of them or one pool's, by pool and id."""
    rows = (row for row in tables.agents.values() if pool is None or row["pool"] == pool)
    return sorted(rows, key=lambda row: (row["pool"], row["agent_id"]))


@dataclass(slots=True)
class QueueCount:
    """How many chats of one queue stand at each stage, and since when the oldest of those that wait does so."""

    waiting: int = 0
    oldest: datetime | None = None
    offered: int = 0
    active: int = 0
    wrapping: int = 0


def queues_view(tables: Tables, pool: str | None, now: datetime) -> list[dict[str, Any]]:
    """The queues, of all pools or of one, by pool and name: those configured, in use, or counted in today.

    A pool of which no queue is known, and where agents have the default profile, was never configured: it is told of
    the one queue in which its chats will wait.
    `oldest_wait_seconds` runs from `oldest_arrived_at` to `now`, to the millisecond, and is never negative: the
    router's clock may be ahead of this machine's. Both are null while nobody waits.
    """
    windows, moment = tables.past.counting.windows, now.timestamp()
    known = {(configured, queue) for configured, queues in tables.queues.items() for queue in queues}
    known |= windows.queues(moment)
    counts = {key: QueueCount() for key in known if pool in (None, key[0])}
    for chat in tables.chats.values():
        if pool is not None and chat.pool != pool:
            continue
        count = counts.setdefault((chat.pool, chat.queue), QueueCount())
        match chat.stage:
            case "waiting":
                count.waiting += 1
                if count.oldest is None or chat.arrived_at < count.oldest:
                    count.oldest = chat.arrived_at
            case "offered":
                count.offered += 1
            case "active":
                count.active += 1
            case "wrapping":
                count.wrapping += 1
    staffed = {agent["pool"] for agent in tables.agents.values() if agent["profile"] == DEFAULT}
    for own in staffed - {own for own, _ in counts}:
        if pool in (None, own):
            counts[own, DEFAULT] = QueueCount()
    can_take = availability(tables, set(counts))
    return [
        _queue(key, counts[key], now)
        | _available(can_take.get(key, Availability()))
        | {"now": windows.now(key, moment).told(), "today": windows.today(key, moment).told()}
        for key in sorted(counts)
    ]


def _queue(key: tuple[str, str], count: QueueCount, now: datetime) -> dict[str, Any]:
    return {
        "pool": key[0],
        "queue": key[1],
        "waiting": count.waiting,
        "oldest_arrived_at": None if count.oldest is None else rfc3339(count.oldest),
        "oldest_wait_seconds": None if count.oldest is None else _seconds(count.oldest, now),
        "offered": count.offered,
        "active": count.active,
        "wrapping": count.wrapping,
    }


def _available(figures: Availability) -> dict[str, int]:
    return {
        "agents_requesting": figures.requesting,
        "sessions_free": figures.free,
        "agents_available": figures.available,
    }


def rfc3339(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, round((now - since).total_seconds(), 3))
