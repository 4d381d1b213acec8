"""The comparison of variants: each is simulated with each seed, and compared with the base seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from statistics import fmean, stdev
from typing import Any, Final

from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes 0.7 s longer to import

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
    """A mean over seeds with its 95 % interval (Student's t). The limits are nan with one seed."""

    mean: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """True if the whole interval is above 0, or below 0."""
        return self.low > 0 or self.high < 0

    @property
    def has_spread(self) -> bool:
        """False with one seed."""
        return not isnan(self.low)

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(slots=True)
class Result:
    """The runs of one variant, one for each seed. All variants have the seeds in the same order."""

    variant: Variant
    runs: list[Measures]
    figures: list[Figures]
    by_queue: list[dict[str, Figures]]
    """Per run: `POOL/QUEUE` of the arrival → figures."""

    def interval(self, name: str, queue: str | None = None) -> Interval | None:
        """The mean of a figure over the seeds, of all queues or one; None if the figure is missing in a run."""
        values = self._values(name, queue)
        return interval(values) if values else None

    def difference(self, base: "Result", name: str, queue: str | None = None) -> Interval | None:
        """The mean difference of a figure from the base's runs, seed by seed; None if the figure is missing in a run.

        Chance that both runs of a seed have in common cancels out.
        """
        mine, other = self._values(name, queue), base._values(name, queue)  # noqa: SLF001 - another object of this class
        if not mine or not other:
            return None
        return interval([a - b for a, b in zip(mine, other, strict=True)])

    def queues(self) -> list[str]:
        """The queues with an arrival in any run, as `POOL/QUEUE`."""
        return sorted({name for run in self.by_queue for name in run})

    def _values(self, name: str, queue: str | None) -> list[float]:
        runs = self.figures if queue is None else [run.get(queue, {}) for run in self.by_queue]
        values = [figures[name] for figures in runs if name in figures]
        return values if len(values) == len(runs) else []


def interval(values: Sequence[float]) -> Interval:
    """The mean of independent values with its 95 % interval (Student's t)."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, nan, nan)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def compare(
    scenario: Scenario,
    variants: Sequence[Variant],
    seeds: Sequence[str],
    threshold_ms: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Simulate each variant with each seed. The results are in the order of the variants.

    Args:
        scenario: arrivals, agents and people.
        variants: the base first.
        seeds: one for each run.
        threshold_ms: limit of the service level.
        progress: called after each run.

    Raises:
        RulesError: a variant's settings do not fit the scenario.
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
    people = scenario.people(seed, staff.recorded)
    crowd = Crowd(Cast((), staff.posts), people, scenario.arrivals(seed), seed=seed, label="chat")
    engine = Engine(0)
    # The first frame configures the pools.
    configured = [Event("pool-configured", pool, {"config": config}) for pool, config in configs.items()]
    engine.apply(Frame(0, scenario.start, 0, configured))
    measures = Measures(scenario.start)
    play(crowd, engine, scenario.start, scenario.end, lambda frame, made: measures.step(engine, frame, made))
    return measures
