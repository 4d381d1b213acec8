"""A day's log to ask what-if of: simulated people with the real engine, written as the router's journal."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.frames import encode_frame
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.simulation.cast import Cast, Line, Post, agent_name
from switchboard.simulation.crowd import Crowd, play
from switchboard.simulation.people import Behaviour

START = 919_666_800_000
"""1999-02-22T07:00:00Z, in ms."""

CONFIG: dict[str, Any] = {
    "queues": [{"name": "accounts"}, {"name": "cards"}],
    "profiles": [{"name": "desk", "max_sessions": 1}],
}
STEADY = Behaviour(handling_median=200.0, wrap_up_median=20.0, patience_mean=240.0, work_mean=5400.0, break_mean=300.0)


def poisson(every_seconds: float, seed: str) -> Iterator[int]:
    """Arrivals, in ms since the start."""
    dice, now = Random(seed), 0.0  # noqa: S311 - a simulation
    while True:
        now += 1000 * dice.expovariate(1 / every_seconds)
        yield round(now)


def write_day(
    path: Path,
    *,
    agents: int = 5,
    every_seconds: float = 60.0,
    hours: float = 6.0,
    config: dict[str, Any] = CONFIG,
    behaviour: Behaviour = STEADY,
    seed: str = "log",
) -> Path:
    """A journal log of so many hours."""
    lines = [Line(queue["name"], "office") for queue in config["queues"]]
    mode = config["profiles"][0].get("mode", "push")
    posts = [Post(agent_name(number), mode, "office", config["profiles"][0]["name"]) for number in range(agents)]
    crowd = Crowd(Cast(lines, posts), behaviour, poisson(every_seconds, seed), seed=seed, label="chat")
    engine = Engine(0)
    first = Frame(0, START, 0, [Event("pool-configured", "office", {"config": config})])
    engine.apply(first)
    with writing_log(path) as write:
        write(_record(first))

        def watch(frame: Frame, decisions: list[Decision]) -> None:
            del decisions
            write(_record(frame))

        play(crowd, engine, START, START + round(hours * 3_600_000), watch)
    return path


def _record(frame: Frame) -> Record:
    return Record("journal", 0, frame.n, frame.at, None, encode_frame(frame))
