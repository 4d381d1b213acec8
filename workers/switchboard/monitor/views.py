"""The rows that the web API and the stream send of queues and agents, and their pages."""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from switchboard.monitor.figures import Queue, Windows
from switchboard.monitor.overview import Availability, Overview, Overviews, QueueCount, part_of
from switchboard.monitor.tables import Tables
from switchboard.projections.decision_texts import story_sentence
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
            return Page(await queue_rows(taken, keys, self._tables.history.outcomes.windows, now), next_after)


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
        | {"now": windows.now(key, moment).as_json(), "today": windows.today(key, moment).as_json()}
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


MOST_ROWS: Final = 1_000
"""Of one answer, also where no limit is named: 0.7 MB, and 20 ms of the loop in short steps."""


def wanted(request: web.Request) -> Wanted:
    """The page that `pool`, `limit` and `cursor` of the query name.

    Raises:
        HTTPBadRequest: `limit` is no number from 1 to MOST_ROWS, or `cursor` is none of ours.
    """
    limit = request.query.get("limit", str(MOST_ROWS))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= MOST_ROWS):
        raise web.HTTPBadRequest(reason=f"limit must be a number from 1 to {MOST_ROWS}")
    cursor = request.query.get("cursor")
    return Wanted(request.query.get("pool"), None if cursor is None else _after(cursor), int(limit))


def links(request: web.Request, page: Page) -> dict[str, str]:
    """The headers that name the next page, as RFC 8288 has it; none if this is the last."""
    if page.next_after is None:
        return {}
    kept = {name: request.query[name] for name in ("pool", "limit") if name in request.query}
    query = urlencode(kept | {"cursor": _cursor(page.next_after)}, errors="surrogatepass")
    return {"Link": f'<{request.path}?{query}>; rel="next"'}


def _cursor(after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(after)).decode()


def _after(cursor: str) -> tuple[str, str]:
    try:
        found = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [str(pool), str(name)]:
            return pool, name
        case _:
            raise web.HTTPBadRequest(reason="cursor must be one that a Link header named")


MOST_POOLS: Final = 100
"""How many pools that know an id are looked for: whoever asks has to name one of them anyway."""


async def agents_named(tables: Tables, agent_id: str, pool: str | None) -> list[dict[str, Any]]:
    """The agents of that id: of one pool, or of up to MOST_POOLS that have one, by pool."""
    if pool is not None:
        row = tables.agents.get(f"{pool}/{agent_id}")
        return [] if row is None else [row]
    found: dict[str, dict[str, Any]] = {}
    async for rows in slices(list(tables.agents.values())):
        found |= {row["pool"]: row for row in rows if row["agent_id"] == agent_id}
        if len(found) >= MOST_POOLS:
            break
    return [found[each] for each in sorted(found)[:MOST_POOLS]]


async def pools_of_chat(tables: Tables, chat_id: str) -> list[str]:
    """Up to MOST_POOLS pools with a chat of that id that is open or remembered."""
    found: set[str] = set()
    stories = tables.history.stories
    async for chats in slices([*stories.open, *stories.ended]):
        found |= {pool for pool, each in chats if each == chat_id}
    async for keys in slices(list(tables.chats)):
        for key in keys:
            if key.endswith(chat_id) and (row := tables.chats.get(key)) and key == f"{row.pool}/{chat_id}":
                found.add(row.pool)
        if len(found) >= MOST_POOLS:
            break
    return sorted(found)[:MOST_POOLS]


def chat_named(tables: Tables, pool: str, chat_id: str) -> dict[str, Any] | None:
    """A chat that is open or remembered, with its story; None if there is none."""
    row = tables.chats.get(f"{pool}/{chat_id}")
    story = tables.history.stories.of(pool, chat_id)
    if row is None and story is None:
        return None
    decisions = [] if story is None else [orjson.loads(value) for value in story.decisions]
    return {
        "pool": pool,
        "chat_id": chat_id,
        "open": None
        if row is None
        else {"queue": row.queue, "stage": row.stage, "arrived_at": rfc3339(row.arrived_at)},
        "is_whole": story is not None and story.is_whole,
        "decisions": [fields | {"words": story_sentence(fields)} for fields in decisions],
    }
