"""Which page of the rows a request asks for, and how its answer names the next one."""

import base64
import binascii
from typing import Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from switchboard.monitor.views import Page, Wanted

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
