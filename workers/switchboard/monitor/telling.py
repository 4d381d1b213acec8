"""What the monitor tells Prometheus of itself; of agents, chats and queues nothing."""

from collections.abc import Callable

from aiohttp import web

from switchboard.metrics import monitoring
from switchboard.monitor.pulse import Pulse
from switchboard.web.answers import metrics_handler


def add_metrics(web_app: web.Application, pulse: Pulse, is_restored: Callable[[], bool]) -> None:
    """Serve `/metrics`, also while the tables are being filled."""

    def prepare() -> None:
        monitoring.RESTORED.set(is_restored())
        monitoring.BUS_ANSWERED.set(pulse.answered_at or 0)

    web_app.router.add_get("/metrics", metrics_handler(monitoring.REGISTRY, prepare))
