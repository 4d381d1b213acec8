"""What a router tells over HTTP: /metrics for Prometheus, the rest for whoever runs it: /healthz, /readyz, /livez.

A person asks /healthz whether all is well; a supervisor asks /livez whether to restart it. /healthz and /readyz answer
with a sentence and how each shard stands, whatever the status code.
"""

import asyncio
import logging

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from switchboard import metrics
from switchboard.router.held_up import as_json, zero_of_monotonic
from switchboard.router.router import Router

log = logging.getLogger(__name__)


class AddressTakenError(Exception):
    """The metrics address can't be had."""


async def serve(router: Router, host: str, port: int) -> web.AppRunner:
    """Begin to answer; `cleanup()` of what is returned ends it.

    Raises:
        AddressTakenError: the address is in use, or not ours.
    """

    async def tell_metrics(_: web.Request) -> web.Response:
        # In a thread: 7 us a line, and 200 pools make 60,000 of them, in which chats would stand still.
        body = await asyncio.to_thread(generate_latest, metrics.REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def how_it_stands(name: str, *, well: bool) -> web.Response:
        body = {
            name: well,
            "reason": router.reason,
            "shards": {str(at): each for at, each in router.shards.items()},
            # Not a fault of this router, so the status code stays: another router could read no further either.
            "held_up": as_json(router.held_up, zero_of_monotonic()),
        }
        return web.json_response(body, status=200 if well else 503)

    async def tell_health(_: web.Request) -> web.Response:
        return how_it_stands("healthy", well=not router.health)

    async def tell_ready(_: web.Request) -> web.Response:
        return how_it_stands("ready", well=router.is_ready)

    async def tell_alive(_: web.Request) -> web.Response:
        return web.json_response({"alive": router.is_alive}, status=200 if router.is_alive else 503)

    app = web.Application()
    for path, handler in {
        "/metrics": tell_metrics,
        "/healthz": tell_health,
        "/readyz": tell_ready,
        "/livez": tell_alive,
    }.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise AddressTakenError(
            f"metrics can't be served at {host}:{port} ({error.strerror}): set SWITCHBOARD_METRICS_PORT to "
            "a free port, or 0 for any"
        ) from error
    # Port 0 is any that is free: which one, nobody could know.
    log.info("/metrics, /healthz and /readyz at http://%s:%s", *runner.addresses[0][:2])
    return runner
