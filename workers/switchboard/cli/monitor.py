"""`switchboard run monitor`: the monitor in a process of its own."""

import asyncio
import logging
import signal
from typing import Final

import click

from switchboard.kafka.clients import BrokerAwayError
from switchboard.monitor.worker import MonitorError, serve
from switchboard.settings import Settings

DONE: Final = 0
FAULT: Final = 1
BROKER_AWAY: Final = 3

CHATTY: Final = ("faust", "mode")
"""Loggers that tell of every service that starts and stops, and of every partition."""


def run_monitor(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 stopped, 1 a fault, 3 no broker answers. What is wrong stands on stderr.
    """
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_serve_until_signal(settings))
    except BrokerAwayError as away:
        click.echo(f"monitor: {away}", err=True)
        return BROKER_AWAY
    except MonitorError as fault:
        click.echo(f"monitor: {fault}", err=True)
        return FAULT
    return DONE


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await serve(
        settings.connection(),
        settings.topic_names(),
        group_id=settings.group_id,
        replication=settings.replication,
        host=settings.web_host,
        port=settings.web_port,
        broker_wait_seconds=settings.broker_wait_seconds,
        stop=stop,
    )
