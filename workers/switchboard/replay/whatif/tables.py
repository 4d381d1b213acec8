"""The figures as they are shown: their names, units and meanings, in the terminal and in the report alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from switchboard.replay.whatif.comparing import Interval, Result
from switchboard.replay.whatif.measuring import Figures
from switchboard.replay.whatif.words import percent


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


def _fraction(value: float) -> str:
    return f"{value:.3f}"


@dataclass(slots=True, frozen=True)
class Figure:
    """One row."""

    name: str
    words: str
    meaning: str
    shown: Callable[[float], str]

    def title(self, threshold: float) -> str:
        """What it is called, with the threshold of service level in seconds."""
        return self.words.format(threshold=f"{threshold:g}")


FIGURES: Final = (
    Figure("offered", "chats offered", "Chats that arrived and whose wait ended in the time looked at.", _number),
    Figure(
        "service_level",
        "answered within {threshold} s",
        "Service level: chats accepted by an agent within this long of their arrival, of all that were offered to the "
        "queue; those who gave up or timed out count as not answered.",
        percent,
    ),
    Figure(
        "service_level_without_short",
        "… without short abandons",
        "The same, of all offered but those whose customer gave up within 5 s.",
        percent,
    ),
    Figure("wait", "mean wait, answered", "From arrival until an agent accepted.", _seconds),
    Figure(
        "wait_p90",
        "90 % waited at most, answered",
        "The wait that nine in ten answered chats did not exceed.",
        _seconds,
    ),
    Figure("wait_all", "mean wait, all", "From arrival until accepted, given up or timed out.", _seconds),
    Figure("wait_all_p90", "90 % waited at most, all", "Likewise.", _seconds),
    Figure("abandonment", "gave up", "Customers who left before an agent accepted, of all offered.", percent),
    Figure("timed_out", "timed out", "Chats that the queue's max_wait closed, of all offered.", percent),
    Figure("left_waiting", "still waiting at the end", "Chats that nobody had answered when the log ends.", _number),
    Figure(
        "occupancy",
        "occupancy",
        "The share of the agents' time in which they had a chat or its wrap-up in hand, of the time in which they were "
        "available or had one.",
        percent,
    ),
    Figure(
        "sessions_used",
        "chats at once",
        "Chats in hand, wrap-up included, on average over the same time: with several sessions it can exceed 1.",
        _fraction,
    ),
    Figure("agent_hours", "agent hours", "That time, of all agents together.", _number),
    Figure("assignments_min", "chats an agent, fewest", "Chats accepted by the agent who had fewest.", _number),
    Figure("assignments_median", "chats an agent, median", "By the agent in the middle.", _number),
    Figure("assignments_max", "chats an agent, most", "By the agent who had most.", _number),
    Figure("gini", "unevenness (Gini)", "0: every agent accepted as many; towards 1: one had all of them.", _fraction),
    Figure("missed", "offers missed", "Offers that expired.", _number),
    Figure("declined", "offers declined", "Offers that the agent refused.", _number),
)


def cell(figure: Figure, told: Interval | None) -> str:
    """A mean with half its interval."""
    if told is None:
        return ""
    if not told.has_spread or told.half == 0:
        return figure.shown(told.mean)
    return f"{figure.shown(told.mean)} ± {_bare(figure, told.half)}"


def change(figure: Figure, told: Interval | None) -> str | None:
    """A difference from the base; None where there is none at all."""
    if told is None or told.low == told.high == 0:
        return None
    unit = " points" if figure.shown is percent else " s" if figure.shown is _seconds else ""
    if not told.has_spread:
        return f"{_bare(figure, told.mean, sign=True)}{unit}"
    low, high = _bare(figure, told.low, sign=True), _bare(figure, told.high, sign=True)
    return f"{_bare(figure, told.mean, sign=True)}{unit} [{low}, {high}]"


def calibration(recorded: Figures, base: Result, threshold: float) -> str:
    """How near the re-simulation under the log's own rules comes to the log: how far to trust the rest."""
    told = []
    for figure in FIGURES:
        span = base.interval(figure.name)
        if figure.name in ("service_level", "wait", "abandonment", "occupancy") and figure.name in recorded and span:
            was, again = figure.shown(recorded[figure.name]), cell(figure, span)
            told.append(f"{figure.title(threshold)} {was} as recorded, {again} re-simulated")
    return f"How well the model fits, under the rules as they were: {'; '.join(told)}."


def _bare(figure: Figure, value: float, *, sign: bool = False) -> str:
    """Without its unit."""
    scaled, digits = (100 * value, 1) if figure.shown is percent else (value, 3 if figure.shown is _fraction else 1)
    return f"{scaled:+.{digits}f}" if sign else f"{scaled:.{digits}f}"
