"""The texts of a comparison: summary, figures with their units, assumptions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from switchboard.journal.printable_text import counted
from switchboard.whatif.comparison import Interval, Result
from switchboard.whatif.measures import Figures
from switchboard.whatif.recorded_people import DEFAULTS, ENOUGH, DayStatistics
from switchboard.whatif.scenario import AssumedScenario, RecordedScenario

ENOUGH_RUNS: Final = 5
"""With 2 runs an interval is 7 times as wide as with 5 (Student's t), and may well reach beyond 0 or 100 %."""

Shown = Callable[[float], str]


def seconds(value: float) -> str:
    """A duration as `12 s`, `0.4 s` or `3.5 min`."""
    size = abs(value)
    text = f"{size / 60:.1f} min" if size >= 120 else f"{size:.0f} s" if size >= 9.95 else f"{size:.1f} s"
    return f"-{text}" if value < 0 else text


def percent(value: float) -> str:
    """A share as `81.2 %`."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of two shares as `0.6 points`."""
    return f"{100 * value:.1f} points"


def few_runs(seeds: int) -> str | None:
    """A warning about too few runs of each variant; None with `ENOUGH_RUNS`."""
    if seeds >= ENOUGH_RUNS:
        return None
    fault = "one run tells no interval" if seeds == 1 else f"intervals of {seeds} runs are too wide to tell much"
    return f"{fault}: give --seeds {ENOUGH_RUNS} or more"


def summary(base: Result, results: Sequence[Result], threshold: float) -> list[list[str]]:
    """Sentences about each variant, the most important first."""
    return [
        list(_sentences(base, each, threshold)) or [f"With {each.variant.name}, no chat ended."] for each in results
    ]


def _sentences(base: Result, result: Result, threshold: float) -> Iterator[str]:
    difference, own, other = _three(base, result, "wait")
    if difference and own and other:
        now = f"{seconds(own.mean)} instead of {seconds(other.mean)}"
        change = _significant(difference, seconds, "longer", "less")
        waited = change or f"about as long {_insignificant(difference, seconds)}"
        yield f"With {result.variant.name}, customers would have waited {waited} for an agent: {now} on average."
    for name, said in (
        ("service_level", f"of chats would have been answered within {threshold:g} s"),
        ("abandonment", "of customers would have given up"),
    ):
        difference, own, other = _three(base, result, name)
        if difference and own and other:
            change = _significant(difference, points, "more", "fewer")
            change = change or f"no clear difference {_insignificant(difference, points)}"
            yield f"{percent(own.mean)} {said}, instead of {percent(other.mean)}: {change}."


def _three(base: Result, result: Result, name: str) -> tuple[Interval | None, Interval | None, Interval | None]:
    """A figure's difference from the base, its value, and its value in the base."""
    return result.difference(base, name), result.interval(name), base.interval(name)


def _significant(difference: Interval, shown: Shown, up: str, down: str) -> str | None:
    """`12 s longer (95 % between 9.0 s and 15 s)`; None if the interval includes 0."""
    if not difference.is_certain:
        return None
    low, high = sorted((abs(difference.low), abs(difference.high)))
    direction = up if difference.mean > 0 else down
    return f"{shown(abs(difference.mean))} {direction} (95 % between {shown(low)} and {shown(high)})"


def _insignificant(difference: Interval, shown: Shown) -> str:
    """The remark on a difference that may be chance."""
    if difference.low == difference.high == 0:
        return "(exactly the same in every run)"
    if not difference.has_spread:
        return "(one run tells no interval)"
    return f"(95 % between {shown(difference.low)} and {shown(difference.high)})"


@dataclass(slots=True, frozen=True)
class Unit:
    """The unit of a figure, and the format of values, intervals and differences."""

    shown: Callable[[float], str]
    """Formats a value."""
    digits: int = 1
    """Decimals of intervals and differences."""
    times: int = 1
    """Factor of intervals and differences."""
    of_differences: str = ""
    """Text after a difference."""

    def bare(self, value: float, sign: str = "") -> str:
        """An interval or difference without its unit. With the sign `+`, positive values have a sign too."""
        return f"{self.times * value:{sign}.{self.digits}f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


PERCENT: Final = Unit(percent, times=100, of_differences=" points")
SECONDS: Final = Unit(lambda value: f"{value:.1f} s", of_differences=" s")
NUMBER: Final = Unit(_count)
FRACTION: Final = Unit(lambda value: f"{value:.3f}", digits=3)


@dataclass(slots=True, frozen=True)
class Figure:
    """One figure of `Figures`, as a row of the table."""

    name: str
    words: str
    """Title, with `{threshold}` for the limit of the service level in seconds."""
    meaning: str
    unit: Unit

    def shown(self, value: float) -> str:
        """A value with its unit."""
        return self.unit.shown(value)

    def title(self, threshold: float) -> str:
        """The title, with the limit of the service level in seconds."""
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


def cell(figure: Figure, value: Interval | None) -> str:
    """The mean with half the width of the interval, as `12.3 s ± 0.4`; empty without a value."""
    if value is None:
        return ""
    if not value.has_spread or value.half == 0:
        return figure.shown(value.mean)
    return f"{figure.shown(value.mean)} ± {figure.unit.bare(value.half)}"


def change(figure: Figure, difference: Interval | None) -> str | None:
    """The difference from the base, as `+1.2 s [+0.8, +1.6]`; None if the value is missing or equal in every run."""
    if difference is None or difference.low == difference.high == 0:
        return None
    mean = f"{figure.unit.bare(difference.mean, '+')}{figure.unit.of_differences}"
    if not difference.has_spread:
        return mean
    return f"{mean} [{figure.unit.bare(difference.low, '+')}, {figure.unit.bare(difference.high, '+')}]"


def calibration(recorded: Figures, base: Result, threshold: float) -> str:
    """The sentence that compares the log's own figures with those of a simulation under the same rules."""
    parts = []
    for figure in FIGURES:
        span = base.interval(figure.name)
        if figure.name in ("service_level", "wait", "abandonment", "occupancy") and figure.name in recorded and span:
            was, again = figure.shown(recorded[figure.name]), cell(figure, span)
            parts.append(f"{figure.title(threshold)} {was} as recorded, {again} re-simulated")
    return f"How well the model fits, under the rules as they were: {'; '.join(parts)}."


def assumptions(scenario: RecordedScenario | AssumedScenario, seeds: int) -> list[str]:
    """The assumptions of a comparison, in one or two sentences each."""
    own = list(_of_log(scenario) if isinstance(scenario, RecordedScenario) else _of_day(scenario))
    warning = few_runs(seeds)
    warnings = [] if warning is None else [f"{warning[0].upper()}{warning[1:]}."]
    return [_PEOPLE.format(runs=counted(seeds, "run")), *warnings, *own, *_MODEL]


_PEOPLE: Final = (
    "How long a chat takes and how patient its customer is belong to the chat; how quickly offers are answered and "
    "Request Chat is clicked belong to the agent. Every set of rules meets the same arrivals and the same people, and "
    "is compared with the base run by run ({runs}, differing in what had to be drawn)."
)
_MODEL: Final = (
    (
        "How long a chat takes does not depend on how many others its agent has at the same time: the model does not "
        "say what more sessions an agent cost in quality or speed."
    ),
    (
        "Agents who log out finish the chats at hand first. An added agent has the hours and the ways of a colleague "
        "drawn at random; who is taken away is drawn at random."
    ),
    (
        "A ± or a bracket is a 95 % interval (Student's t over the runs). It covers the chance in what was drawn; it "
        "says nothing about other days, nor about a model that is wrong."
    ),
)


def _of_log(scenario: RecordedScenario) -> Iterator[str]:
    statistics, day = scenario.statistics, scenario.day
    yield (
        f"Arrivals, logins, breaks and logouts are those of the log ({len(day.chats):,} chats, {len(day.agents):,} "
        "agents). Who never logs in or out, but asks for chats, counts as there from the first sign to the last, or to "
        "the close of the last chat, in the log's own figures too. Handling and wrap-up of a chat are as recorded; "
        "where it was never answered they are those of another chat of its queue."
    )
    yield _patience_text(statistics)
    for observed, what, default in (
        (statistics.accept_delays, "accept an offer", f"log-normal, median {DEFAULTS.accept_median:g} s"),
        (statistics.click_delays, "click Request Chat", f"log-normal, median {statistics.click_median:g} s"),
    ):
        if observed:
            yield (
                f"How long an agent takes to {what} is drawn from the agent's own {len(observed):,} such delays in the "
                f"log, or from everyone's where an agent has fewer than {ENOUGH} (median "
                f"{observed[len(observed) // 2] / 1000:.1f} s)."
            )
        else:
            yield f"No agent is seen to {what} in the log: the delay is assumed ({default})."
    yield (
        f"{statistics.declined_share:.1%} of offers are declined and {statistics.lapsed_share:.1%} left to lapse, as "
        "in the log, each agent as it did; a longer offer timeout does not save one that lapsed."
    )
    if not any(statistics.wrap_ups.values()):
        yield (
            f"The log shows no wrap-up: where rules ask for one, it is assumed (log-normal, median "
            f"{DEFAULTS.wrap_up_median:g} s)."
        )
    if day.configured_again:
        yield (
            f"The configuration of {', '.join(day.configured_again)} changed during the log; the re-simulations have "
            "the last one throughout."
        )


def _patience_text(statistics: DayStatistics) -> str:
    """The estimate of the customers' patience, and its method."""
    fit = statistics.all_patience
    if fit.mean == inf:
        return "No customer gave up in the log, so nobody does here, however long the wait: read long waits with care."
    high = f"{fit.high / 60_000:.1f}" if fit.high < inf else "any number of"
    return (
        f"Patience is exponential, mean {fit.mean / 60_000:.1f} minutes (95 % between {fit.low / 60_000:.1f} and "
        f"{high}): all time waited over the {fit.abandoned:,} customers who gave up, for an answered wait tells only "
        f"that patience was longer. A queue with {ENOUGH} of them or more has its own mean. Who gave up in the log "
        "gives up at the same wait here; the others have what they had waited, and an exponential beyond."
    )


def _of_day(scenario: AssumedScenario) -> Iterator[str]:
    people = scenario.behaviour
    yield (
        f"Only the numbers of calls are recorded: a bank's call centre on {scenario.day.name}, in bins of "
        f"{scenario.day.bin_minutes} minutes. The people are assumed: handling log-normal with median "
        f"{people.handling_median:g} s (sigma {people.handling_sigma:g}), wrap-up log-normal with median "
        f"{people.wrap_up_median:g} s, patience exponential with mean {people.patience_mean / 60:g} minutes; offers "
        f"accepted after a median of {people.accept_median:g} s, Request Chat clicked after a median of "
        f"{people.click_median:g} s; {people.decline_chance:.0%} of offers declined, {people.lapse_chance:.0%} left to "
        f"lapse, {people.transfer_chance:.0%} of chats passed on."
    )
    yield (
        f"{len(scenario.agents)} agents work in three shifts (07:00, 10:00 and 16:00, eight hours each, half an hour's "
        "break); calls at night are left out."
    )
