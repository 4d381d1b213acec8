"""The web API: the tables as JSON, read-only."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import resources
from typing import Any, Final

import orjson
from aiohttp import web

from switchboard.kafka.library_logs import raised
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import Views, agents_with_id, chat_with_story, link_headers, page_request, pools_of_chat
from switchboard.web.answers import in_pieces
from switchboard.web.connections import SERVER
from switchboard.web.server import Handler

log = logging.getLogger(__name__)

OPENAPI: Final = orjson.loads((resources.files("switchboard.monitor") / "openapi.json").read_bytes())
OPENAPI_JSON: Final = orjson.dumps(OPENAPI)

HEADERS: Final = {
    # Answers hold ids from the bus: a browser must not guess their type, run them or store them.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NO_HEADERS: Final[Mapping[str, str]] = {}

RETRY_SECONDS: Final = 1
"""`Retry-After` while the tables are being filled."""


def add_routes(web_app: web.Application, tables: Tables, stream: Stream, is_restored: Callable[[], bool]) -> None:
    """Serve `/api/...`, `/healthz` and `/livez`, all with the security headers.

    Args:
        web_app: the application to add the routes to.
        tables: served as JSON.
        stream: served as `/api/stream`.
        is_restored: until it is true the API answers 503, since a table that is half filled looks like a quiet day.
    """

    def once_restored(handler: Handler) -> Handler:
        async def restored(request: web.Request) -> web.StreamResponse:
            return await handler(request) if is_restored() else _restoring()

        return restored

    api = _Api(tables, Views(tables, stream.overviews))
    for path, handler in {
        "/api/agents": api.agents,
        # A slash in an id is written as %2F.
        "/api/agents/{agent_id}": api.agent,
        "/api/chats/{chat_id}": api.chat,
        # For the chat ids `.` and `..`, which browsers resolve as parts of a path.
        "/api/chats": api.chat,
        "/api/queues": api.queues,
        "/healthz": api.healthz,
    }.items():
        web_app.router.add_get(path, once_restored(handler))
    # A HEAD request would open a stream and send nothing.
    web_app.router.add_get("/api/stream", once_restored(stream.serve), allow_head=False)
    web_app.router.add_get("/api/openapi.json", _openapi)
    # Answered while the tables are being filled too: shows a supervisor that the event loop runs, and no more.
    web_app.router.add_get("/livez", _livez)
    web_app.on_response_prepare.append(_secure)


class _Api:
    """Handlers of requests about the tables."""

    def __init__(self, tables: Tables, views: Views) -> None:
        self._tables = tables
        self._views = views

    async def agents(self, request: web.Request) -> web.Response:
        page = await self._views.agents(page_request(request))
        return _json(page.rows, headers=link_headers(request, page))

    async def agent(self, request: web.Request) -> web.Response:
        found = await agents_with_id(self._tables, request.match_info["agent_id"], request.query.get("pool"))
        if len(found) > 1:
            return _several([row["pool"] for row in found])
        return _json(found[0]) if found else _not_found("no agent of that id is logged in")

    async def chat(self, request: web.Request) -> web.Response:
        chat_id = request.match_info.get("chat_id", request.query.get("chat_id"))
        if chat_id is None:
            return _json({"error": "say which chat by ?chat_id="}, HTTPStatus.BAD_REQUEST)
        pool = request.query.get("pool")
        pools = await pools_of_chat(self._tables, chat_id) if pool is None else [pool]
        if len(pools) > 1:
            return _several(pools)
        found = chat_with_story(self._tables, pools[0], chat_id) if pools else None
        if found is None:
            return _not_found(
                "no chat of that id is open, or ended within the last 30 minutes; "
                "`switchboard explain` tells the story of any chat in a recorded log"
            )
        return _json(found)

    async def queues(self, request: web.Request) -> web.Response:
        page = await self._views.queues(page_request(request), datetime.now(UTC))
        return _json(page.rows, headers=link_headers(request, page))

    async def healthz(self, _: web.Request) -> web.Response:
        return _json({"status": "ok", "agents": len(self._tables.agents), "open_chats": len(self._tables.chats)})


async def _livez(_: web.Request) -> web.Response:
    return _json({"alive": True})


async def _openapi(_: web.Request) -> web.Response:
    return web.Response(body=OPENAPI_JSON, content_type="application/json")


@web.middleware
async def strict_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON, with their status and reason. No answer repeats a part of the request."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        response = _json({"error": refused.reason}, refused.status)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in refused.headers:
                response.headers[name] = refused.headers[name]
        return response
    except ConnectionError:
        raise  # the client has left
    except Exception as error:
        route = request.match_info.route.resource
        log.error("%s failed: %s", "a request" if route is None else route.canonical, raised(error))  # noqa: TRY400
        log.debug("%r failed", request.path, exc_info=error)
        return _json({"error": "Internal Server Error"}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _several(pools: list[str]) -> web.Response:
    return _json({"error": "several pools have that id: say which by ?pool=", "pools": pools}, HTTPStatus.CONFLICT)


def _not_found(why: str) -> web.Response:
    return _json({"error": why}, HTTPStatus.NOT_FOUND)


def _restoring() -> web.Response:
    response = _json({"status": "restoring"}, HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _json(value: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] = NO_HEADERS) -> web.Response:
    return in_pieces(orjson.dumps(value), {"Content-Type": "application/json", **headers}, status)
