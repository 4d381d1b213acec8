"""What the web API and the stream serve: rows of queues and agents in pages, and single agents and chats."""

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
from switchboard.monitor.overview import Availability, Overview, Overviews, QueueCount, page_of
from switchboard.monitor.tables import Tables
from switchboard.projections.decision_texts import story_sentence
from switchboard.web.answers import slices

ROW_SLICE: Final = 200
"""Queues whose rows are made between two turns of the event loop: 20 us each, most of it for the last 15 minutes."""
MOST_ROWS: Final = 1_000
"""Rows of one page, and the default: 0.7 MB, which take 20 ms of the event loop in slices."""
MOST_POOLS: Final = 100
"""Pools that are searched for one id. A client whose id is in several pools has to name the pool anyway."""


@dataclass(slots=True, frozen=True)
class PageRequest:
    """Which page of the rows to serve."""

    pool: str | None
    """None for all pools."""
    after: tuple[str, str] | None
    """(pool, name) of the last row of the previous page; None for the first page."""
    most: int
    """Rows of the page."""


@dataclass(slots=True, frozen=True)
class Page:
    """A page of rows."""

    rows: list[dict[str, Any]]
    next_after: tuple[str, str] | None
    """(pool, name) of the last row; None if no page follows."""


class Views:
    """Pages of queues and agents.

    Args:
        tables: with the figures of the queues.
        overviews: of the same tables.
    """

    def __init__(self, tables: Tables, overviews: Overviews) -> None:
        self._tables = tables
        self._overviews = overviews
        self._one_at_a_time = asyncio.Lock()
        """100 pages made concurrently would all take a slice before the event loop does anything else."""

    async def agents(self, request: PageRequest) -> Page:
        """The agents who are logged in, by pool and id."""
        overview = await self._overviews.latest()
        keys, next_after = _keys_of_page(overview.agents, request)
        return Page([overview.rows[key] for key in keys], next_after)

    async def queues(self, request: PageRequest, now: datetime) -> Page:
        """Queues that are configured, in use, or have figures of today; by pool and name."""
        overview = await self._overviews.latest()
        keys, next_after = _keys_of_page(overview.queues, request)
        async with self._one_at_a_time:
            rows = await queue_rows(overview, keys, self._tables.history.outcomes.windows, now)
        return Page(rows, next_after)


def _keys_of_page(
    keys: Sequence[tuple[str, str]], request: PageRequest
) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
    # One key more than the page has, to know whether another page follows.
    found = page_of(keys, request.pool, request.after, request.most + 1)
    return found[: request.most], found[request.most - 1] if len(found) > request.most else None


# Rows


async def queue_rows(
    overview: Overview, keys: Sequence[Queue], windows: Windows, now: datetime
) -> list[dict[str, Any]]:
    """The rows of some queues, as they are served.

    Args:
        overview: the counts of the queues.
        keys: which queues, in order.
        windows: the figures of the queues.
        now: the end of the waits.
    """
    moment = now.timestamp()
    return [
        _counts_of_row(key, overview.counts[key], now)
        | _availability_of_row(overview.available.get(key, Availability()))
        | {"now": windows.now(key, moment).as_json(), "today": windows.today(key, moment).as_json()}
        async for part in slices(keys, ROW_SLICE)
        for key in part
    ]


def _counts_of_row(key: Queue, count: QueueCount, now: datetime) -> dict[str, Any]:
    return {
        "pool": key[0],
        "queue": key[1],
        "waiting": count.waiting,
        "oldest_arrived_at": None if count.oldest is None else rfc3339(count.oldest),
        "oldest_wait_seconds": None if count.oldest is None else _wait_seconds(count.oldest, now),
        "offered": count.offered,
        "active": count.active,
        "wrapping": count.wrapping,
    }


def _availability_of_row(figures: Availability) -> dict[str, int]:
    return {
        "agents_requesting": figures.requesting,
        "sessions_free": figures.free,
        "agents_available": figures.available,
    }


def rfc3339(moment: datetime) -> str:
    """A time as RFC 3339 text, in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wait_seconds(since: datetime, now: datetime) -> float:
    """Seconds to the millisecond. Never negative, though the router's clock may be ahead of this machine's."""
    return max(0.0, round((now - since).total_seconds(), 3))


# Pages


def page_request(request: web.Request) -> PageRequest:
    """The page that `pool`, `limit` and `cursor` of the query ask for.

    Raises:
        HTTPBadRequest: `limit` is no number from 1 to MOST_ROWS, or `cursor` was not taken from a `Link` header.
    """
    limit = request.query.get("limit", str(MOST_ROWS))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= MOST_ROWS):
        raise web.HTTPBadRequest(reason=f"limit must be a number from 1 to {MOST_ROWS}")
    cursor = request.query.get("cursor")
    return PageRequest(request.query.get("pool"), None if cursor is None else _decoded_cursor(cursor), int(limit))


def link_headers(request: web.Request, page: Page) -> dict[str, str]:
    """The header `Link` to the next page (RFC 8288); empty if no page follows."""
    if page.next_after is None:
        return {}
    kept = {name: request.query[name] for name in ("pool", "limit") if name in request.query}
    query = urlencode(kept | {"cursor": _encoded_cursor(page.next_after)}, errors="surrogatepass")
    return {"Link": f'<{request.path}?{query}>; rel="next"'}


def _encoded_cursor(after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(after)).decode()


def _decoded_cursor(cursor: str) -> tuple[str, str]:
    try:
        found = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [str(pool), str(name)]:
            return pool, name
        case _:
            raise web.HTTPBadRequest(reason="cursor must be one that a Link header named")


# Single agents and chats


async def agents_with_id(tables: Tables, agent_id: str, pool: str | None) -> list[dict[str, Any]]:
    """The rows of the agents with this id, by pool: of one pool, or of up to MOST_POOLS pools."""
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
    """Up to MOST_POOLS pools that have an open chat with this id, or keep the story of one."""
    found: set[str] = set()
    stories = tables.history.stories
    async for chats in slices([*stories.open, *stories.closed]):
        found |= {pool for pool, each in chats if each == chat_id}
    async for keys in slices(list(tables.chats)):
        for key in keys:
            # Many ids may end with this one, so the whole key is compared.
            if key.endswith(chat_id) and (row := tables.chats.get(key)) and key == f"{row.pool}/{chat_id}":
                found.add(row.pool)
        if len(found) >= MOST_POOLS:
            break
    return sorted(found)[:MOST_POOLS]


def chat_with_story(tables: Tables, pool: str, chat_id: str) -> dict[str, Any] | None:
    """A chat and its story, as they are served; None if the chat is not open and no story is kept."""
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
