"""Queueing theory against the simulator: Erlang C and Erlang A.

`python -m docs.erlang_picture` makes the picture and the table; a test holds a smaller run against the formulas.
"""
# ruff: noqa: INP001 - never installed

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import factorial, inf, log, sqrt
from random import Random
from statistics import fmean, stdev
from typing import Final

from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes 0.7 s longer to import

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import DEFAULT_POOL, Event, Frame
from switchboard.simulation.cast import Cast, Line, Post, agent_name
from switchboard.simulation.crowd import Crowd, play
from switchboard.simulation.people import Behaviour

AGENTS: Final = 10
HANDLING: Final = 300.0
"""Mean seconds."""
PATIENCE: Final = 600.0
"""Mean seconds, where customers have a limit to it."""
START: Final = 946_684_800_000
CONFIG: Final = {
    "queues": [{"name": "q", "max_wait": 0}],
    "profiles": [{"name": "p", "max_sessions": 1, "wrap_up": False}],
}


@dataclass(slots=True, frozen=True)
class Truth:
    """What theory says of a load, or what was measured: shares, and seconds."""

    waits: float
    """The share of chats that wait at all."""
    wait: float
    """The mean wait of all chats: of those who give up, until they do."""
    abandons: float
    """The share of chats whose customer gives up."""


def theory(load: float, *, patience: float | None) -> Truth:
    """Erlang C (no limit to patience; load below 1) or Erlang A, from the balance of the numbers in the system."""
    arrival, ends = load * AGENTS / HANDLING, 1 / HANDLING
    leaves = 0.0 if patience is None else 1 / patience
    busy = [(load * AGENTS) ** k / factorial(k) for k in range(AGENTS)]
    queued = [(load * AGENTS) ** AGENTS / factorial(AGENTS)]
    while queued[-1] > 1e-15 * sum(queued):
        queued.append(queued[-1] * arrival / (AGENTS * ends + len(queued) * leaves))
    whole = sum(busy) + sum(queued)
    length = sum(k * share for k, share in enumerate(queued)) / whole
    return Truth(waits=sum(queued) / whole, wait=length / arrival, abandons=leaves * length / arrival)


def textbook(patience: float | None) -> Behaviour:
    """The people of queueing theory: exponential talk and patience, at once in all else, always there."""
    return Behaviour(
        handling_law="exponential",
        handling_median=HANDLING * log(2),
        patience_mean=inf if patience is None else patience,
        transfer_chance=0.0,
        accept_median=0.0,
        decline_chance=0.0,
        lapse_chance=0.0,
        work_mean=inf,
    )


def measure(load: float, *, patience: float | None, seed: str, chats: int, warm_up: int) -> Truth:
    """One run: so many chats after so many that are not counted."""
    whole_seed = f"{seed}/{load}/{patience}"
    dice = Random(f"{whole_seed}/arrivals")  # noqa: S311 - a simulation, not a secret
    arrived: dict[str, int] = {}
    waits: list[int] = []
    given_up = 0

    def watch(frame: Frame, decisions: Sequence[Decision]) -> None:
        nonlocal given_up
        for decision in decisions:
            match decision.type:
                case "chat-queued" if warm_up < int(decision.chat_id[5:]) <= warm_up + chats:
                    arrived[decision.chat_id] = frame.at
                case "assignment-confirmed" | "chat-closed" if decision.chat_id in arrived:
                    waits.append(frame.at - arrived.pop(decision.chat_id))
                    given_up += decision.type == "chat-closed"

    posts = [Post(agent_name(number), "push") for number in range(AGENTS)]
    arrivals = _poisson(dice, load, warm_up + chats)
    crowd = Crowd(Cast([Line()], posts), textbook(patience), arrivals, seed=whole_seed, label="chat")
    engine = Engine(0)
    engine.apply(Frame(0, START, 0, [Event("pool-configured", DEFAULT_POOL, {"config": CONFIG})]))
    play(crowd, engine, START, START + 10**12, watch)
    return _truth(waits, given_up)


def _poisson(dice: Random, load: float, number: int) -> Iterator[int]:
    now = 0.0
    for _ in range(number):
        now += 1000 * dice.expovariate(load * AGENTS / HANDLING)
        yield round(now)


def _truth(waits: Sequence[int], given_up: int) -> Truth:
    return Truth(
        waits=sum(wait > 0 for wait in waits) / len(waits),
        wait=fmean(waits) / 1000,
        abandons=given_up / len(waits),
    )


def interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """The mean over independent runs and half the width of its confidence interval (Student's t)."""
    width = stdtrit(len(values) - 1, (1 + confidence) / 2) * stdev(values) / sqrt(len(values))
    return fmean(values), float(width)
