"""`switchboard simulate`: simulated customers and agents on the bus, and a summary at the end."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.status import Status

from switchboard.cli.params import Duration
from switchboard.cli.process import stop_on_signal
from switchboard.cli.ui import broker_wait, say, say_json, say_lines, wide_console
from switchboard.domain.events import DEFAULT_POOL
from switchboard.errors import ArrivalsError, RoutingFileError
from switchboard.journal.printable_text import counted
from switchboard.journal.routing_file import read_routing_file
from switchboard.settings import Settings, load
from switchboard.simulation.cast import Cast, Line, cast_of, mixed_team
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.crowd_bus import Bus, paced
from switchboard.simulation.people import Behaviour
from switchboard.simulation.recorded_days import Day, arrival_times, minute_of_day, read_day, shipped_days
from switchboard.simulation.tally import CAUSES, Delays, Tally

PARTING_SECONDS: Final = 1.0
"""Seconds of reading decisions after all agents have logged out."""
LINE_SECONDS: Final = 5.0
"""Seconds between two lines of progress where there is no terminal."""


@dataclass(slots=True, frozen=True)
class Plan:
    """The parameters of a simulation."""

    cast: Cast
    days: list[Day]
    behaviour: Behaviour
    from_minute: int
    """Minute of the recorded day at which the simulation begins."""
    speed: float
    """Multiple of the recorded pace."""
    seed: str
    label: str
    """Prefix of the chat ids."""
    seconds: float | None
    """Duration in real time; None: until a signal."""

    def crowd(self) -> Crowd:
        """A new crowd with these parameters."""
        times = arrival_times(self.days, seed=self.seed, from_minute=self.from_minute)
        behaviour = self.behaviour.sped_up(self.speed)
        return Crowd(self.cast, behaviour, paced(times, self.speed), seed=self.seed, label=self.label)


@click.command()
@click.option("--agents", default=12, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option(
    "--pull-share", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Agents who click for chats."
)
@click.option("--pool", default=DEFAULT_POOL, show_default=True, help="Where they work.")
@click.option("--profile", help="The agents' profile; the pool's default one unless given.")
@click.option(
    "--queue", "queues", multiple=True, help="Where chats arrive; again for more. The default one unless given."
)
@click.option(
    "--routing",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take pools, queues and profiles from this routing file instead; agents are dealt out over its profiles.",
)
@click.option(
    "--arrivals",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A day of one's own: CSV with columns start (HH:MM) and calls. Else five recorded days.",
)
@click.option("--start", default="10:00", show_default=True, help="The time of the recorded day at which to begin.")
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Pace of arrivals, chats, patience and breaks; 1 is as recorded. Accepting and clicking keep their pace.",
)
@click.option("--heartbeats", type=Duration(), help="Agents give a sign of life this often; none unless given.")
@click.option("--for", "seconds", type=Duration(), help="How long, in real time; until Ctrl-C unless given.")
@click.option("--seed", default="1", show_default=True, help="The same seed gives the same people.")
@click.option("--ids", help="What chat ids begin with; sim- and the time of day unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def simulate(
    *,
    agents: int,
    pull_share: float,
    pool: str,
    profile: str | None,
    queues: tuple[str, ...],
    routing: Path | None,
    arrivals: Path | None,
    start: str,
    speed: float,
    heartbeats: float | None,
    seconds: float | None,
    seed: str,
    ids: str | None,
    as_json: bool,
) -> None:
    """Customers and agents on the bus: real call arrivals, and people who answer, decline, wrap up and take breaks.

    They publish to the bus's topics and act on what a running router decides. Arrivals are recorded ones; how long
    chats take and how patient customers are is drawn from stated distributions. At the end, or on Ctrl-C, open chats
    are closed and everyone logs out.

    \b
    Example:
      switchboard simulate --agents 20 --pull-share 0.25 --speed 30 --for 60s
      switchboard simulate --routing routing.toml --for 5m --json
    """
    try:
        behaviour = replace(Behaviour(), heartbeat_every=heartbeats or 0.0)
        plan = Plan(
            cast=_cast(routing, agents, pull_share, pool, profile, queues),
            days=[read_day(arrivals)] if arrivals else shipped_days(),
            behaviour=behaviour,
            from_minute=minute_of_day(start),
            speed=speed,
            seed=seed,
            label=ids or f"sim-{datetime.now(UTC):%H%M%S}",
            seconds=seconds,
        )
    except (ArrivalsError, RoutingFileError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    figures = asyncio.run(_simulate(load(), plan, wide_console(stderr=True)))
    if as_json:
        say_json(figures)
    else:
        say_lines("\n".join(summary_lines(figures)))
    if figures["events"] and figures["publish_to_visible_ms"]["all"] is None:
        say("no decision came back: is a router running on this bus? (switchboard run router)", err=True)


def _cast(
    routing: Path | None, agents: int, pull_share: float, pool: str, profile: str | None, queues: tuple[str, ...]
) -> Cast:
    """The agents and queues of a routing file, or of the options."""
    if routing is not None:
        return cast_of(read_routing_file(routing), agents)
    lines = [Line(name, pool) for name in queues] or [Line(pool=pool)]
    return Cast(lines, mixed_team(agents, pull_share=pull_share, pool=pool, profile=profile))


async def _simulate(settings: Settings, plan: Plan, console: Console) -> dict[str, Any]:
    """Simulate until a signal or the end. Returns the summary before all agents log out."""
    conn, tally, crowd = settings.connection(), Tally(), plan.crowd()
    bus = Bus(conn, settings.topic_names(), crowd, tally)
    try:
        await bus.open(broker_wait(settings, for_machines=settings.log_format == "json"))
    except Exception:
        await bus.close()
        raise
    stop = stop_on_signal()
    if plan.seconds is not None:
        asyncio.get_running_loop().call_later(plan.seconds, stop.set)
    began = time.monotonic()
    try:
        with console.status("simulating; Ctrl-C ends it") as status:
            await bus.play(stop, _reporter(status, console, tally, crowd))
        figures = summary_of(tally, crowd, time.monotonic() - began)
        await bus.end_simulation()
        await bus.observe_for(PARTING_SECONDS)
    finally:
        await bus.close()
    return figures


def _reporter(status: Status, console: Console, tally: Tally, crowd: Crowd) -> Callable[[object], None]:
    """A function that shows the counts: every 0.2 s on a terminal, elsewhere a line every `LINE_SECONDS`."""
    last = time.monotonic()

    def report(_: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (0.2 if console.is_terminal else LINE_SECONDS):
            return
        last = now
        waiting = sum(chat.stage == "waiting" for chat in crowd.scene.chats.values())
        line = (
            f"{counted(tally.sent['chat-arrival'], 'chat')} arrived, {tally.seen['chat-assigned']:,} assigned, "
            f"{tally.seen['assignment-confirmed']:,} accepted, {waiting:,} waiting"
        )
        if console.is_terminal:
            status.update(f"{line}; Ctrl-C ends it")
        else:
            console.print(line)

    return report


def summary_of(tally: Tally, crowd: Crowd, seconds: float) -> dict[str, Any]:
    """The output of `--json`; its field names are public. Delays are in ms."""
    stages = [chat.stage for chat in crowd.scene.chats.values()]
    every = tally.delay_of(*CAUSES)
    return {
        "seconds": round(seconds, 1),
        "arrived": tally.sent["chat-arrival"],
        "assigned": tally.seen["chat-assigned"],
        "accepted": tally.seen["assignment-confirmed"],
        "waiting": stages.count("waiting"),
        "with_agents": len(stages) - stages.count("waiting"),
        "concluded": tally.reasons["chat-closed", "concluded"],
        "abandoned": tally.reasons["chat-closed", "abandoned"],
        "timed_out": tally.reasons["chat-closed", "queue-timed-out"],
        "declined": tally.reasons["assignment-ended", "declined"],
        "missed": tally.reasons["assignment-ended", "missed"],
        "transferred": tally.reasons["chat-requeued", "transferred"],
        "follow_ups": tally.seen["chat-requested"],
        "clicks": tally.sent["request-chat"],
        "events": sum(tally.sent.values()),
        "events_lost": tally.unsent,
        "publish_to_visible_ms": {
            "all": _delay(every),
            **{kind: _delay(tally.delay_of(kind)) for kind in CAUSES},
        },
    }


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures of `summary_of` as text."""
    yield (
        f"chats     {figures['arrived']:,} arrived, {figures['assigned']:,} assigned, "
        f"{figures['accepted']:,} accepted, {figures['waiting']:,} waiting, {figures['with_agents']:,} with agents"
    )
    yield (
        f"          {figures['concluded']:,} concluded, {figures['abandoned']:,} abandoned, "
        f"{figures['timed_out']:,} timed out, {figures['transferred']:,} transferred"
    )
    yield f"offers    {figures['declined']:,} declined, {figures['missed']:,} missed"
    clicks = f"{counted(figures['clicks'], 'click')} by pull agents"
    yield f"requests  {counted(figures['follow_ups'], 'follow-up')} issued to push agents, {clicks}"
    names = {
        "all": "publish to visible",
        "chat-queued": "  arrival to chat-queued",
        "chat-assigned": "  arrival to chat-assigned, where an agent was free",
        "assignment-confirmed": "  accept to assignment-confirmed",
    }
    for kind, name in names.items():
        delay = figures["publish_to_visible_ms"][kind]
        if delay is not None:
            yield f"{name}: median {delay['median']:.1f} ms, p99 {delay['p99']:.1f} ms ({delay['count']:,})"
    if figures["events_lost"]:
        yield f"{figures['events_lost']:,} of {figures['events']:,} events were taken by no broker"


def _delay(delays: Delays | None) -> dict[str, float] | None:
    if delays is None:
        return None
    return {"count": delays.count, "median": round(delays.median, 1), "p99": round(delays.p99, 1)}
