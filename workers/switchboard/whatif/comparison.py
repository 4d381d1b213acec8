"""Plays a scenario under each variant's rules, seed by seed, and compares the variants pair by pair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from statistics import fmean, stdev
from typing import Any, Final

from scipy.stats import t as student

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.simulation.cast import Cast
from switchboard.simulation.crowd import Crowd, play
from switchboard.whatif.measures import Figures, Measures
from switchboard.whatif.rule_variants import Variant, staff_of
from switchboard.whatif.scenario import Scenario

CONFIDENCE: Final = 0.95


@dataclass(slots=True, frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval (Student's t); nan where one seed tells no spread."""

    mean: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether it is above or below nought, and not perhaps either."""
        return self.low > 0 or self.high < 0

    @property
    def has_spread(self) -> bool:
        """Whether there is an interval at all: one run tells none."""
        return not isnan(self.low)

    @property
    def half(self) -> float:
        """Half its width."""
        return (self.high - self.low) / 2


@dataclass(slots=True)
class Result:
    """What came of one variant; the lists are by seed, in the same order for all variants."""

    variant: Variant
    runs: list[Measures]
    figures: list[Figures]
    by_queue: list[dict[str, Figures]]

    def interval(self, name: str, queue: str | None = None) -> Interval | None:
        """A figure over the seeds; None where it has no value in some of them."""
        values = self._values(name, queue)
        return interval(values) if values else None

    def against(self, base: "Result", name: str, queue: str | None = None) -> Interval | None:
        """The difference from the base, seed by seed: chance that both met alike cancels out."""
        mine, other = self._values(name, queue), base._values(name, queue)  # noqa: SLF001 - its own kind
        if not mine or not other:
            return None
        return interval([a - b for a, b in zip(mine, other, strict=True)])

    def queues(self) -> list[str]:
        """The queues in which chats arrived, in any run."""
        return sorted({name for run in self.by_queue for name in run})

    def _values(self, name: str, queue: str | None) -> list[float]:
        told = self.figures if queue is None else [each.get(queue, {}) for each in self.by_queue]
        values = [each[name] for each in told if name in each]
        return values if len(values) == len(told) else []


def interval(values: Sequence[float]) -> Interval:
    """The mean of independent values with its 95 % interval."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, nan, nan)
    half = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def compare(
    scenario: Scenario,
    variants: Sequence[Variant],
    seeds: Sequence[str],
    threshold_ms: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Each variant under each seed; the first should be the base.

    Raises:
        RulesError: a variant can't be.
    """
    configs = {variant.name: variant.configs(scenario.configs) for variant in variants}
    results = []
    for variant in variants:
        runs = []
        for seed in seeds:
            runs.append(_run(scenario, variant, configs[variant.name], seed))
            progress()
        figures = [run.figures(threshold_ms) for run in runs]
        results.append(Result(variant, runs, figures, [run.queue_figures(threshold_ms) for run in runs]))
    return results


def _run(scenario: Scenario, variant: Variant, configs: Mapping[str, Mapping[str, Any]], seed: str) -> Measures:
    staff = staff_of(scenario.agents, configs, variant, seed)
    people = scenario.people(seed, staff.ways)
    crowd = Crowd(Cast((), staff.posts), people, scenario.arrivals(seed), seed=seed, label="chat")
    engine = Engine(0)
    configured = [Event("pool-configured", pool, {"config": config}) for pool, config in configs.items()]
    engine.apply(Frame(0, scenario.start, 0, configured))
    measures = Measures(scenario.start)
    play(crowd, engine, scenario.start, scenario.end, lambda frame, told: measures.step(engine, frame, told))
    return measures
