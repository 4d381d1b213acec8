"""The web API: the tables as JSON, read only."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import resources
from typing import Any, Final

import orjson
from aiohttp import web

from switchboard.kafka.quiet import raised
from switchboard.monitor.entry import Handler
from switchboard.monitor.single import agents_named, chats_named
from switchboard.monitor.stream import Stream
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import agents_view, queues_view

log = logging.getLogger(__name__)

OPENAPI: Final = orjson.loads((resources.files("switchboard.monitor") / "openapi.json").read_bytes())

HEADERS: Final = {
    # Ids come from the bus: no browser may take an answer for anything but what it is, run it or keep it.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

RETRY_SECONDS: Final = 1


def add_routes(web_app: web.Application, tables: Tables, stream: Stream, is_restored: Callable[[], bool]) -> None:
    """Serve `/api/...` and `/healthz`, all with the security headers.

    Until `is_restored` the API answers 503: half a table looks like a quiet day.
    """

    async def agents(request: web.Request) -> web.Response:
        return _json(agents_view(tables, request.query.get("pool")))

    async def agent(request: web.Request) -> web.Response:
        found = agents_named(tables, request.match_info["agent_id"], request.query.get("pool"))
        return _the_one(found, "no agent of that id is logged in")

    async def chat(request: web.Request) -> web.Response:
        chat_id = request.match_info.get("chat_id", request.query.get("chat_id"))
        if chat_id is None:
            return _json({"error": "say which chat by ?chat_id="}, HTTPStatus.BAD_REQUEST)
        found = chats_named(tables, chat_id, request.query.get("pool"))
        return _the_one(
            found,
            "no chat of that id is open, or ended within the last 30 minutes; "
            "`switchboard explain` tells the story of any chat in a recorded log",
        )

    async def queues(request: web.Request) -> web.Response:
        return _json(queues_view(tables, request.query.get("pool"), datetime.now(UTC)))

    async def healthz(_: web.Request) -> web.Response:
        return _json({"status": "ok", "agents": len(tables.agents), "open_chats": len(tables.chats)})

    async def openapi(_: web.Request) -> web.Response:
        return _json(OPENAPI)

    def once_restored(handler: Handler) -> Handler:
        async def restored(request: web.Request) -> web.StreamResponse:
            return await handler(request) if is_restored() else _restoring()

        return restored

    for path, handler in {
        "/api/agents": agents,
        # An id may hold a slash: written as %2F it is part of the id.
        "/api/agents/{agent_id}": agent,
        "/api/chats/{chat_id}": chat,
        # Whoever takes `.` and `..` for steps of the path, as browsers do, has no path to a chat of that id.
        "/api/chats": chat,
        "/api/queues": queues,
        "/healthz": healthz,
    }.items():
        web_app.router.add_get(path, once_restored(handler))
    # HEAD would open a stream and send nothing.
    web_app.router.add_get("/api/stream", once_restored(stream.serve), allow_head=False)
    web_app.router.add_get("/api/openapi.json", openapi)
    web_app.on_response_prepare.append(_secure)


@web.middleware
async def strict_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors are JSON too; an error tells its status and nothing else."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        response = _json({"error": HTTPStatus(refused.status).phrase}, refused.status)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in refused.headers:
                response.headers[name] = refused.headers[name]
        return response
    except Exception as error:
        route = request.match_info.route.resource
        log.error("%s failed: %s", "a request" if route is None else route.canonical, raised(error))  # noqa: TRY400
        log.debug("%r failed", request.path, exc_info=error)
        return _json({"error": "Internal Server Error"}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _the_one(found: list[dict[str, Any]], none: str) -> web.Response:
    match found:
        case []:
            return _json({"error": none}, HTTPStatus.NOT_FOUND)
        case [one]:
            return _json(one)
        case several:
            pools = [each["pool"] for each in several]
            return _json({"error": "several pools have that id: say which by ?pool=", "pools": pools}, 409)


def _restoring() -> web.Response:
    response = _json({"status": "restoring"}, HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _json(value: Any, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
