"""The web API: the tables as JSON, read only."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from switchboard.monitor.tables import Tables
from switchboard.monitor.views import agents_view, queues_view

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    # Ids come from the bus: no browser may take an answer for anything but JSON, run it or keep it.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}

RETRY_SECONDS: Final = 1


def add_routes(web_app: web.Application, tables: Tables, is_restored: Callable[[], bool]) -> None:
    """Serve `/api/agents`, `/api/queues` and `/healthz`.

    Until `is_restored` the API answers 503: half a table looks like a quiet day.
    """

    async def agents(request: web.Request) -> web.Response:
        return _restoring() if not is_restored() else _json(agents_view(tables, request.query.get("pool")))

    async def queues(request: web.Request) -> web.Response:
        pool = request.query.get("pool")
        return _restoring() if not is_restored() else _json(queues_view(tables, pool, datetime.now(UTC)))

    async def healthz(_: web.Request) -> web.Response:
        if not is_restored():
            return _restoring()
        return _json({"status": "ok", "agents": len(tables.agents), "open_chats": len(tables.chats)})

    web_app.router.add_get("/api/agents", agents)
    web_app.router.add_get("/api/queues", queues)
    web_app.router.add_get("/healthz", healthz)


@web.middleware
async def strict_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer, errors too, is JSON with the security headers; an error tells its status and nothing else."""
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        response = _json({"error": HTTPStatus(refused.status).phrase}, refused.status)
        if "Allow" in refused.headers:
            response.headers["Allow"] = refused.headers["Allow"]
    except Exception:
        log.exception("%r failed", request.path)
        response = _json({"error": "Internal Server Error"}, HTTPStatus.INTERNAL_SERVER_ERROR)
    response.headers.update(HEADERS)
    return response


def _restoring() -> web.Response:
    response = _json({"status": "restoring"}, HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _json(value: Any, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
