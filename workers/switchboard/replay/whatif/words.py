"""The comparison in plain words: what a manager would be told first."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from switchboard.replay.whatif.comparing import Interval, Result

ENOUGH_RUNS: Final = 5
"""With 2 runs an interval is 7 times as wide as with 5 (Student's t), and may well reach beyond 0 or 100 %."""

Shown = Callable[[float], str]


def seconds(value: float) -> str:
    """`12 s`, `0.4 s`, `3.5 min`."""
    size = abs(value)
    told = f"{size / 60:.1f} min" if size >= 120 else f"{size:.0f} s" if size >= 9.95 else f"{size:.1f} s"
    return f"-{told}" if value < 0 else told


def percent(value: float) -> str:
    """`81.2 %`."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of two shares: `0.6 points`."""
    return f"{100 * value:.1f} points"


def few_runs(seeds: int) -> str | None:
    """What to say of so many runs of each variant; None: nothing."""
    if seeds >= ENOUGH_RUNS:
        return None
    told = "one run tells no interval" if seeds == 1 else f"intervals of {seeds} runs are too wide to tell much"
    return f"{told}: give --seeds {ENOUGH_RUNS} or more"


def summary(base: Result, results: Sequence[Result], threshold: float) -> list[list[str]]:
    """A few sentences for each variant, the most telling first."""
    return [list(_about(base, each, threshold)) or [f"With {each.variant.name}, no chat ended."] for each in results]


def _about(base: Result, result: Result, threshold: float) -> Iterator[str]:
    difference, own, other = _three(base, result, "wait")
    if difference and own and other:
        now = f"{seconds(own.mean)} instead of {seconds(other.mean)}"
        told = _change(difference, seconds, "longer", "less")
        waited = told or f"about as long {_doubt(difference, seconds)}"
        yield f"With {result.variant.name}, customers would have waited {waited} for an agent: {now} on average."
    for name, said in (
        ("service_level", f"of chats would have been answered within {threshold:g} s"),
        ("abandonment", "of customers would have given up"),
    ):
        difference, own, other = _three(base, result, name)
        if difference and own and other:
            told = _change(difference, points, "more", "fewer") or f"no clear difference {_doubt(difference, points)}"
            yield f"{percent(own.mean)} {said}, instead of {percent(other.mean)}: {told}."


def _three(base: Result, result: Result, name: str) -> tuple[Interval | None, Interval | None, Interval | None]:
    return result.against(base, name), result.interval(name), base.interval(name)


def _change(told: Interval, shown: Shown, up: str, down: str) -> str | None:
    """`12 s longer (95 % between 9.0 s and 15 s)`; None where it may be chance."""
    if not told.is_certain:
        return None
    low, high = sorted((abs(told.low), abs(told.high)))
    return f"{shown(abs(told.mean))} {up if told.mean > 0 else down} (95 % between {shown(low)} and {shown(high)})"


def _doubt(told: Interval, shown: Shown) -> str:
    if told.low == told.high == 0:
        return "(exactly the same in every run)"
    if not told.has_spread:
        return "(one run tells no interval)"
    return f"(95 % between {shown(told.low)} and {shown(told.high)})"
