"""The rows that the web API and the stream send of queues and agents, and their pages."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from switchboard.monitor.availability import Availability
from switchboard.monitor.overview import Overview, Overviews, QueueCount, part_of
from switchboard.monitor.tables import Tables
from switchboard.monitor.windows import Queue, Windows
from switchboard.web.answers import slices

ROW_SLICE: Final = 200
"""Queues whose rows are made in one step: 20 us each, most of it for the figures of 15 minutes."""


@dataclass(slots=True, frozen=True)
class Wanted:
    """Which part of the rows is wanted."""

    pool: str | None
    """Of one pool; None for all."""
    after: tuple[str, str] | None
    """The (pool, name) of the last row of the page before; None for the first page."""
    most: int


@dataclass(slots=True, frozen=True)
class Page:
    """A part of the rows."""

    rows: list[dict[str, Any]]
    next_after: tuple[str, str] | None
    """The (pool, name) of the last row, if there are more; else None."""


class Views:
    """Pages of the queues and the agents.

    Args:
        tables: of which.
        overviews: of the tables.
    """

    def __init__(self, tables: Tables, overviews: Overviews) -> None:
        self._tables = tables
        self._overviews = overviews
        self._one_at_a_time = asyncio.Lock()
        """100 pages that are made together would each take a step before anything else is done."""

    async def agents(self, wanted: Wanted) -> Page:
        """The agents who are logged in, by pool and id."""
        taken = await self._overviews.latest()
        keys, next_after = _page(taken.agents, wanted)
        return Page([taken.rows[key] for key in keys], next_after)

    async def queues(self, wanted: Wanted, now: datetime) -> Page:
        """The queues, by pool and name: those configured, in use, or counted in today."""
        taken = await self._overviews.latest()
        keys, next_after = _page(taken.queues, wanted)
        async with self._one_at_a_time:
            return Page(await queue_rows(taken, keys, self._tables.past.counting.windows, now), next_after)


def _page(keys: Sequence[tuple[str, str]], wanted: Wanted) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
    found = part_of(keys, wanted.pool, wanted.after, wanted.most + 1)
    return found[: wanted.most], found[wanted.most - 1] if len(found) > wanted.most else None


async def queue_rows(taken: Overview, keys: Sequence[Queue], windows: Windows, now: datetime) -> list[dict[str, Any]]:
    """The rows of some queues.

    `oldest_wait_seconds` runs from `oldest_arrived_at` to `now`, to the millisecond, and is never negative: the
    router's clock may be ahead of this machine's. Both are null while nobody waits.
    """
    moment = now.timestamp()
    return [
        _queue(key, taken.counts[key], now)
        | _available(taken.available.get(key, Availability()))
        | {"now": windows.now(key, moment).told(), "today": windows.today(key, moment).told()}
        async for part in slices(keys, ROW_SLICE)
        for key in part
    ]


def _queue(key: Queue, count: QueueCount, now: datetime) -> dict[str, Any]:
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
