"""`switchboard run monitor`: the monitor in a process of its own."""

import asyncio
import signal

from switchboard.cli.collector import MONITOR_THRESHOLDS, relax_collector
from switchboard.monitor.worker import Serving, serve_monitor
from switchboard.settings import Settings


def run_monitor(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        UserError: the monitor can't start, or can't go on.
    """
    relax_collector(MONITOR_THRESHOLDS)
    asyncio.run(_serve_until_signal(settings))


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await serve_monitor(
        settings.connection(),
        settings.topic_names(),
        Serving(
            host=settings.web_host,
            port=settings.web_port,
            token=settings.reader_token(),
            service_level_seconds=settings.service_level_seconds,
            zone=settings.time_zone,
            max_pools=settings.max_pools,
            session_seconds=settings.web_session_hours * 3600,
            proxies=settings.proxy_networks(),
        ),
        group_id=settings.group_id,
        replication=settings.replication,
        broker_wait_seconds=settings.broker_wait_seconds,
        stop=stop,
    )
