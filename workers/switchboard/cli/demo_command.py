"""`switchboard demo`: simulated people, a router and a monitor on a real broker, and a check at the end."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from switchboard.cli.demo_office import BEHAVIOUR, CAST, FROM_MINUTE, SPEED, Child, Office, broker, office
from switchboard.cli.live_board import Board, follow_rows, show
from switchboard.cli.params import Duration
from switchboard.cli.process import stop_on_signal
from switchboard.cli.simulate_command import summary_lines, summary_of
from switchboard.cli.ui import say_json, wide_console
from switchboard.errors import FAULT, BrokerUnavailableError, OfficeError
from switchboard.kafka.clients import Connection
from switchboard.kafka.positions import caught_up
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.crowd_bus import Bus, paced
from switchboard.simulation.recorded_days import Day, arrival_times, shipped_days
from switchboard.simulation.tally import Tally
from switchboard.tools.final_check import FinalCheck, final_check

CATCH_UP_SECONDS: Final = 20.0
"""The router must read all published events within this time."""
LAST_SECONDS: Final = 0.3
"""Time to read the decisions of the router's last commit."""


@click.command()
@click.option("--for", "seconds", type=Duration(), help="How long; until Ctrl-C unless given.")
@click.option("--seed", default="1", show_default=True, help="The same seed gives the same people.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary and the final check as JSON.")
@click.pass_context
def demo(ctx: click.Context, *, seconds: float | None, seed: str, as_json: bool) -> None:
    """Watch chats from real call arrivals being assigned to push and pull agents, through Apache Kafka.

    A push team works under First Due, a pull team under Strict Priority. It runs a broker of its own (Java 17 or newer
    and Maven are needed) unless KAFKA_BOOTSTRAP names one. At the end it checks that every record was journaled once
    and in order, and that every decision equals an offline replay of the journal; exit code 1 if not.

    \b
    Example:
      switchboard demo
      switchboard demo --for 30s
    """
    console = wide_console(stderr=as_json)
    say = partial(console.print, soft_wrap=True, highlight=False)
    try:
        with broker(say) as (conn, settings), tempfile.TemporaryDirectory(prefix="switchboard-demo-") as folder:
            figures, check = asyncio.run(_demo(conn, settings, Path(folder), seconds, seed, console))
    except (BrokerUnavailableError, OfficeError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        checked = {"holds": check.holds, **{name: getattr(check, name) for name in FinalCheck.__slots__}}
        say_json(figures | {"final_check": checked})
    else:
        for line in (*summary_lines(figures), f"final check: {'passed' if check.holds else 'FAILED'}"):
            say(line)
        for line in check.lines():
            say(f"  {line}")
    ctx.exit(0 if check.holds else FAULT)


async def _demo(
    conn: Connection, settings: dict[str, str], folder: Path, seconds: float | None, seed: str, console: Console
) -> tuple[dict[str, Any], FinalCheck]:
    """Run the demo until a signal, or for `seconds`; (summary, final check)."""
    say: Callable[[str], None] = partial(console.print, soft_wrap=True, highlight=False)
    stop = stop_on_signal()
    async with office(conn, settings, folder, say) as running:
        days = shipped_days()
        tally, crowd = Tally(), _crowd(days, seed)
        where = f"wallboard {running.monitor_address}/   metrics {running.metrics_address}   bus {conn.bootstrap}"
        say(f"{where}   Ctrl-C ends it")
        say(
            f"to look in from another terminal: export SWITCHBOARD_BOOTSTRAP_SERVERS={conn.bootstrap} "
            f"SWITCHBOARD_TOPIC_PREFIX={running.names.prefix} SWITCHBOARD_SOURCE_PREFIX={running.names.source_prefix}"
        )
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)
        began = time.monotonic()
        bus = await _play(running, crowd, tally, stop, console, days[0].name, where)
        took = time.monotonic() - began
        # Reported, but no failure of the demo: the monitor is not on the routing path.
        if running.monitor.exit_code is not None:
            say(f"the monitor ended with code {running.monitor.exit_code}; it said:\n{running.monitor.last_words()}")
        say("waiting for the router, then comparing the journal with what was published and decided …")
        in_time = await caught_up(conn, running.names, 1, within=CATCH_UP_SECONDS)
        await asyncio.to_thread(running.router.stop)
        await bus.observe_for(LAST_SECONDS)
        await bus.close()
        check = await final_check(conn, running.names, 1)
        if not in_time:
            check.failures.append(f"the router did not take all that was published within {CATCH_UP_SECONDS:g} s")
        return summary_of(tally, crowd, took), check


def _crowd(days: list[Day], seed: str) -> Crowd:
    """The customers and agents of the demo."""
    times = arrival_times(days, seed=seed, from_minute=FROM_MINUTE)
    return Crowd(CAST, BEHAVIOUR.sped_up(SPEED), paced(times, SPEED), seed=seed, label="chat")


async def _play(
    running: Office, crowd: Crowd, tally: Tally, stop: asyncio.Event, console: Console, day: str, where: str
) -> Bus:
    """Simulate and show the people until `stop`; returns the bus, still open."""
    board = Board([(line.pool, line.queue or "") for line in CAST.lines])
    policies = {each["pool"]: each["config"]["profiles"][0]["pull_policy"] for each in running.pools}
    bus = Bus(running.conn, running.names, crowd, tally)
    await bus.open()
    tasks = [
        asyncio.create_task(follow_rows(running.conn, running.names, board)),
        asyncio.create_task(show(console, board, policies, tally, day, where)),
        asyncio.create_task(_watch(running.router, stop)),
    ]
    try:
        await bus.play(stop, board.note)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            await bus.close()
            raise end
    return bus


async def _watch(router: Child, stop: asyncio.Event) -> None:
    """Stop the demo with an error if the router ends."""
    code = await router.ended()
    stop.set()
    raise OfficeError(f"the router ended with code {code}; it said:\n{router.last_words()}")
