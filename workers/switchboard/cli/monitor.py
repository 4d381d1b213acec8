"""`switchboard run monitor`: the monitor in a process of its own."""

import asyncio
import signal
from typing import Final

from switchboard.cli.collector import MONITOR_THRESHOLDS, relax_collector
from switchboard.cli.failures import BROKER_AWAY, FAULT, WRONG_USE, FailedError
from switchboard.kafka.admin import WrongTopicsError
from switchboard.kafka.clients import BrokerAwayError
from switchboard.kafka.refusals import SecurityError
from switchboard.kafka.rights import NotAllowedError
from switchboard.monitor.entry import ExposedError
from switchboard.monitor.worker import AddressTakenError, MonitorError, Serving, serve
from switchboard.settings import Settings

EXIT_CODES: Final[dict[type[Exception], int]] = {
    MonitorError: FAULT,
    AddressTakenError: WRONG_USE,
    ExposedError: WRONG_USE,
    NotAllowedError: WRONG_USE,
    SecurityError: WRONG_USE,
    WrongTopicsError: WRONG_USE,
    BrokerAwayError: BROKER_AWAY,
}


def run_monitor(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        FailedError: it can't, or can't go on.
    """
    relax_collector(MONITOR_THRESHOLDS)
    try:
        asyncio.run(_serve_until_signal(settings))
    except tuple(EXIT_CODES) as error:
        raise FailedError(str(error), EXIT_CODES[type(error)]) from error


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await serve(
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
