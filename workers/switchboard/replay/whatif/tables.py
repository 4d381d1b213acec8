"""The figures as they are shown: their names, units and meanings, in the terminal and in the report alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from switchboard.replay.whatif.comparing import Interval, Result
from switchboard.replay.whatif.measuring import Figures
from switchboard.replay.whatif.words import percent


@dataclass(slots=True, frozen=True)
class Unit:
    """What a figure is in, and how it is written."""

    shown: Callable[[float], str]
    digits: int = 1
    """Of an interval or a difference."""
    times: int = 1
    """By how much these are multiplied."""
    of_differences: str = ""
    """What stands behind one."""

    def bare(self, value: float, sign: str = "") -> str:
        """An interval or a difference, without its unit; `+` as a sign shows it always."""
        return f"{self.times * value:{sign}.{self.digits}f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


PERCENT: Final = Unit(percent, times=100, of_differences=" points")
SECONDS: Final = Unit(lambda value: f"{value:.1f} s", of_differences=" s")
NUMBER: Final = Unit(_count)
FRACTION: Final = Unit(lambda value: f"{value:.3f}", digits=3)


@dataclass(slots=True, frozen=True)
class Figure:
    """One row."""

    name: str
    words: str
    meaning: str
    unit: Unit

    def shown(self, value: float) -> str:
        """A value of it."""
        return self.unit.shown(value)

    def title(self, threshold: float) -> str:
        """What it is called, with the threshold of service level in seconds."""
        return self.words.format(threshold=f"{threshold:g}")


FIGURES: Final = (
    Figure("offered", "chats offered", "Chats that arrived and whose wait ended in the time looked at.", NUMBER),
    Figure(
        "service_level",
        "answered within {threshold} s",
        "Service level: chats accepted by an agent within this long of their arrival, of all that were offered to the "
        "queue; those who gave up or timed out count as not answered.",
        PERCENT,
    ),
    Figure(
        "service_level_without_short",
        "… without short abandons",
        "The same, of all offered but those whose customer gave up within 5 s.",
        PERCENT,
    ),
    Figure("wait", "mean wait, answered", "From arrival until an agent accepted.", SECONDS),
    Figure(
        "wait_p90",
        "90 % waited at most, answered",
        "The wait that nine in ten answered chats did not exceed.",
        SECONDS,
    ),
    Figure("wait_all", "mean wait, all", "From arrival until accepted, given up or timed out.", SECONDS),
    Figure("wait_all_p90", "90 % waited at most, all", "Likewise.", SECONDS),
    Figure("abandonment", "gave up", "Customers who left before an agent accepted, of all offered.", PERCENT),
    Figure("timed_out", "timed out", "Chats that the queue's max_wait closed, of all offered.", PERCENT),
    Figure("left_waiting", "still waiting at the end", "Chats that nobody had answered when the log ends.", NUMBER),
    Figure(
        "occupancy",
        "occupancy",
        "The share of the agents' time in which they had a chat or its wrap-up in hand, of the time in which they were "
        "available or had one.",
        PERCENT,
    ),
    Figure(
        "sessions_used",
        "chats at once",
        "Chats in hand, wrap-up included, on average over the same time: with several sessions it can exceed 1.",
        FRACTION,
    ),
    Figure("agent_hours", "agent hours", "That time, of all agents together.", NUMBER),
    Figure("assignments_min", "chats an agent, fewest", "Chats accepted by the agent who had fewest.", NUMBER),
    Figure("assignments_median", "chats an agent, median", "By the agent in the middle.", NUMBER),
    Figure("assignments_max", "chats an agent, most", "By the agent who had most.", NUMBER),
    Figure("gini", "unevenness (Gini)", "0: every agent accepted as many; towards 1: one had all of them.", FRACTION),
    Figure("missed", "offers missed", "Offers that expired.", NUMBER),
    Figure("declined", "offers declined", "Offers that the agent refused.", NUMBER),
)


def cell(figure: Figure, told: Interval | None) -> str:
    """A mean with half its interval."""
    if told is None:
        return ""
    if not told.has_spread or told.half == 0:
        return figure.shown(told.mean)
    return f"{figure.shown(told.mean)} ± {figure.unit.bare(told.half)}"


def change(figure: Figure, told: Interval | None) -> str | None:
    """A difference from the base; None where there is none at all."""
    if told is None or told.low == told.high == 0:
        return None
    mean = f"{figure.unit.bare(told.mean, '+')}{figure.unit.of_differences}"
    if not told.has_spread:
        return mean
    return f"{mean} [{figure.unit.bare(told.low, '+')}, {figure.unit.bare(told.high, '+')}]"


def calibration(recorded: Figures, base: Result, threshold: float) -> str:
    """How near the re-simulation under the log's own rules comes to the log: how far to trust the rest."""
    told = []
    for figure in FIGURES:
        span = base.interval(figure.name)
        if figure.name in ("service_level", "wait", "abandonment", "occupancy") and figure.name in recorded and span:
            was, again = figure.shown(recorded[figure.name]), cell(figure, span)
            told.append(f"{figure.title(threshold)} {was} as recorded, {again} re-simulated")
    return f"How well the model fits, under the rules as they were: {'; '.join(told)}."
