"""What a router answers over HTTP: /metrics for Prometheus, and /healthz, /readyz and /livez for whoever runs it.

A person asks /healthz whether all is well; a supervisor asks /livez whether to restart it. /healthz and /readyz answer
with a sentence and the state of each shard, whatever the status code.
"""

import logging
from typing import Final

from aiohttp import web

from switchboard import metrics
from switchboard.errors import AddressTakenError
from switchboard.kafka.open_transactions import as_json, zero_of_monotonic
from switchboard.router.router import Router
from switchboard.web.answers import metrics_handler
from switchboard.web.connections import SERVER, Limits
from switchboard.web.server import MOST_BODY_BYTES, WebServer, whole
from switchboard.web.server import serve as serve_app

LIMITS: Final = Limits(connections=100, by_address=50)
"""For probes, Prometheus and people. A router with 64 shards has some 300 connections to brokers beside these."""

log = logging.getLogger(__name__)


async def serve_endpoints(router: Router, host: str, port: int) -> WebServer:
    """Begin to answer; `cleanup()` of what is returned ends it.

    Raises:
        AddressTakenError: the address is in use, or not ours.
    """
    try:
        server = await serve_app(application(router), host, port, LIMITS)
    except OSError as error:
        raise AddressTakenError(
            f"metrics can't be served at {host}:{port} ({error.strerror}): set SWITCHBOARD_METRICS_PORT to "
            "a free port, or 0 for any"
        ) from error
    # Port 0 is any that is free: the log is the only place that tells which.
    log.info("/metrics, /healthz and /readyz at http://%s:%s", *server.addresses[0][:2])
    return server


def application(router: Router) -> web.Application:
    """The routes, without a server."""

    def state(name: str, *, well: bool) -> web.Response:
        body = {
            name: well,
            "reason": router.reason,
            "shards": {str(index): each for index, each in router.shards.items()},
            # Not a fault of this router, so the status code stays: another router could read no further either.
            "held_up": as_json(router.held_up, zero_of_monotonic()),
        }
        return web.json_response(body, status=200 if well else 503)

    async def healthz(_: web.Request) -> web.Response:
        return state("healthy", well=not router.health)

    async def readyz(_: web.Request) -> web.Response:
        return state("ready", well=router.is_ready)

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"alive": router.is_alive}, status=200 if router.is_alive else 503)

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
    response.headers.update({"Server": SERVER, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
