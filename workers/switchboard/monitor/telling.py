"""What the monitor tells Prometheus of itself; of agents, chats and queues nothing."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from switchboard.metrics import monitoring
from switchboard.monitor.pulse import Pulse


def add_metrics(web_app: web.Application, pulse: Pulse, is_restored: Callable[[], bool]) -> None:
    """Serve `/metrics`, also while the tables are being filled."""

    async def tell(_: web.Request) -> web.Response:
        monitoring.RESTORED.set(is_restored())
        monitoring.BUS_ANSWERED.set(pulse.answered_at or 0)
        body = generate_latest(monitoring.REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    web_app.router.add_get("/metrics", tell)
