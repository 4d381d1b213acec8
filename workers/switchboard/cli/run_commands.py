"""`switchboard run`: the router, the monitor, or both as processes of their own."""

import asyncio
import logging
import signal
import subprocess
import sys

import click
import uvloop

from switchboard.cli.process import LEVEL_SIGNALS, MONITOR_THRESHOLDS, relax_collector, set_up_logs, stop_on_signal
from switchboard.kafka.positions import Start
from switchboard.monitor.worker import MonitorConfig, serve_monitor
from switchboard.router.endpoints import serve_endpoints
from switchboard.router.label_names import LabelNames
from switchboard.router.loop_actions import FrameLimits
from switchboard.router.router import Router
from switchboard.router.shard import RouterConfig
from switchboard.settings import Settings, load

log = logging.getLogger(__name__)

FROM = click.option(
    "--from", "start", default=None, help="Where a first start on a bus begins: earliest, latest or a time (RFC 3339)."
)


@click.group()
def run() -> None:
    """Run the workers: the router, the monitor, or both."""


@run.command()
@FROM
def router(start: str | None) -> None:
    """Route: read the bus's topics, decide, and write assignments.

    Several routers share the shards among them; a router without a shard is a standby. The first start on a bus that
    holds events needs --from. Stops clean, within 5 s, on SIGTERM or Ctrl-C.

    \b
    Example:
      switchboard run router --from earliest
    """
    try:
        begin = Start.parse(start) if start is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from") from None
    settings = load()
    set_up_logs(settings)
    uvloop.run(_route(settings, begin))
    log.info("the router has stopped")


@run.command()
def monitor() -> None:
    """Serve agents and queues as JSON, from the committed topics.

    \b
    Example:
      switchboard run monitor
    """
    settings = load()
    set_up_logs(settings)
    relax_collector(MONITOR_THRESHOLDS)
    asyncio.run(_monitor(settings))


@run.command(name="all")
@FROM
@click.pass_context
def all_workers(ctx: click.Context, start: str | None) -> None:
    """Run a router and a monitor, each in a process of its own, until Ctrl-C or until one of them ends.

    \b
    Example:
      switchboard run all --from earliest
    """
    begin = ["--from", start] if start is not None else []
    for number in LEVEL_SIGNALS:
        # Workers inherit this. Before they install their own handlers, such a signal would end them.
        signal.signal(number, signal.SIG_IGN)
    workers = [_start("router", *begin), _start("monitor")]
    ctx.exit(asyncio.run(_first_end(workers)))


async def _route(settings: Settings, start: Start | None) -> None:
    """Run a router with its web server until SIGTERM or Ctrl-C."""
    stop = stop_on_signal()
    relax_collector()
    config = RouterConfig(
        conn=settings.connection(),
        names=settings.topic_names(),
        shards=settings.shards,
        group=settings.group_id,
        frames=FrameLimits(settings.frame_events),
        merge_wait=settings.merge_wait_ms / 1000,
        longest_outage=settings.longest_outage_hours * 3600,
        start=start,
        limits=settings.limits(),
        labels=LabelNames(settings.metrics_queues),
    )
    worker = Router(
        config,
        settings.topic_plan(),
        settings.session_timeout_ms,
        settings.broker_wait_seconds,
        settings.instance_id,
    )
    web = await serve_endpoints(worker.status, settings.metrics_host, settings.metrics_port)
    try:
        await worker.run(stop)
    finally:
        await web.cleanup()


async def _monitor(settings: Settings) -> None:
    """Run the monitor until SIGTERM or Ctrl-C."""
    stop = stop_on_signal()
    config = MonitorConfig(
        conn=settings.connection(),
        names=settings.topic_names(),
        group_id=settings.group_id,
        replication=settings.replication,
        broker_wait_seconds=settings.broker_wait_seconds,
        host=settings.web_host,
        port=settings.web_port,
        token=settings.reader_token(),
        service_level_seconds=settings.service_level_seconds,
        zone=settings.time_zone,
        max_pools=settings.max_pools,
        session_seconds=settings.web_session_hours * 3600,
        proxies=settings.proxy_networks(),
    )
    await serve_monitor(config, stop)


def _start(*worker: str) -> subprocess.Popen[bytes]:
    """Start a worker in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "switchboard", "run", *worker])  # noqa: S603 - ourselves


async def _first_end(workers: list[subprocess.Popen[bytes]]) -> int:
    """Wait for a signal or for the first worker to end, then stop the others.

    Returns:
        The exit code of all workers together: 0 after a signal.
    """
    stop = stop_on_signal()
    for number in LEVEL_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, _pass_on, number, workers)
    ends = [asyncio.ensure_future(asyncio.to_thread(worker.wait)) for worker in workers]
    stopping = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait([*ends, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    _pass_on(signal.SIGTERM, workers)
    codes = await asyncio.gather(*ends)
    if stopping in done:
        return 0
    # First the code of the worker that ended by itself. The other one may have been stopped before it handles SIGTERM.
    codes = [end.result() for end in ends if end in done] + codes
    # A worker ended by a signal has a negative code (out of memory: -9). As in a shell, the exit code is 128 + signal.
    return next((code if code > 0 else 128 - code for code in codes if code), 0)


def _pass_on(number: signal.Signals, workers: list[subprocess.Popen[bytes]]) -> None:
    """Send a signal to each worker that is running."""
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)
