"""The HTTP endpoints of a router: /metrics for Prometheus; /healthz, /readyz and /livez for people and supervisors.

A person asks /healthz whether all is well; a supervisor asks /livez whether to restart the router. /healthz and /readyz
answer with a sentence and the state of each shard, whatever the status code.
"""

import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web

from switchboard import metrics
from switchboard.errors import AddressTakenError
from switchboard.router.router_status import RouterStatus
from switchboard.web.answers import metrics_handler
from switchboard.web.connections import SERVER, Limits
from switchboard.web.server import MOST_BODY_BYTES, WebServer, whole
from switchboard.web.server import serve as serve_app

LIMITS: Final = Limits(connections=100, by_address=50)
"""For probes, Prometheus and people. A router with 64 shards has some 300 connections to brokers beside these."""

log = logging.getLogger(__name__)


async def serve_endpoints(status: Callable[[], RouterStatus], host: str, port: int) -> WebServer:
    """Begin to answer, until `cleanup()` of the returned server.

    Args:
        status: the router's status now.
        host: the address to listen at.
        port: 0: any that is free.

    Raises:
        AddressTakenError: the address is in use, or is none of this machine's.
    """
    try:
        server = await serve_app(application(status), host, port, LIMITS)
    except OSError as error:
        raise AddressTakenError(
            f"metrics can't be served at {host}:{port} ({error.strerror}): set SWITCHBOARD_METRICS_PORT to "
            "a free port, or 0 for any"
        ) from error
    # Only the log says which port was chosen for port 0.
    log.info("/metrics, /healthz and /readyz at http://%s:%s", *server.addresses[0][:2])
    return server


def application(status: Callable[[], RouterStatus]) -> web.Application:
    """The web application with the four routes."""

    def answer(name: str, found: RouterStatus, *, well: bool) -> web.Response:
        body = {
            name: well,
            "reason": found.reason,
            "shards": {str(index): each for index, each in found.shards.items()},
            # An open transaction does not change the status code: another router could read no further either.
            "held_up": found.held_up_json,
        }
        return web.json_response(body, status=200 if well else 503)

    async def healthz(_: web.Request) -> web.Response:
        found = status()
        return answer("healthy", found, well=not found.health)

    async def readyz(_: web.Request) -> web.Response:
        found = status()
        return answer("ready", found, well=found.is_ready)

    async def livez(_: web.Request) -> web.Response:
        is_alive = status().is_alive
        return web.json_response({"alive": is_alive}, status=200 if is_alive else 503)

    app = web.Application(middlewares=[whole], client_max_size=MOST_BODY_BYTES)
    for path, handler in {
        "/metrics": metrics_handler(metrics.REGISTRY),
        "/healthz": healthz,
        "/readyz": readyz,
        "/livez": livez,
    }.items():
        app.router.add_get(path, handler)
    app.on_response_prepare.append(_secure)
    return app


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that every answer has."""
    response.headers.update({"Server": SERVER, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
