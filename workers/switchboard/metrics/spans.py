"""Histograms that cost the routing path little: the library's own takes 5 us a value."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_FEW: Final = 32
"""Values below which each finds its bucket by itself; more are sorted first."""


class Spans(Collector):
    """A histogram of spans in seconds. What is below zero (a clock that is ahead) counts as zero.

    Args:
        name: the metric's.
        documentation: what it tells.
        labels: the labels' names; without any, its one series is there from the start.
        buckets: upper bounds, ascending.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._labelnames = tuple(labels)
        self._bounds = tuple(buckets)
        self._series: dict[tuple[str, ...], _Series] = {}
        if not labels:
            self.present(())

    def present(self, labels: tuple[str, ...]) -> "_Series":
        """The series of these labels, made if there is none: a rate over one that begins with a count misses it."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series(len(self._bounds) + 1)
        return series

    def observe_all(self, seconds: Sequence[float], labels: tuple[str, ...] = ()) -> None:
        """Count these values."""
        series = self._series.get(labels) or self.present(labels)
        counts, bounds = series.counts, self._bounds
        if len(seconds) < _FEW:
            for value in seconds:
                counts[bisect_left(bounds, value)] += 1
        else:
            ascending = sorted(seconds)
            below = 0
            for place, bound in enumerate(bounds):
                upto = bisect_right(ascending, bound)
                counts[place] += upto - below
                below = upto
            counts[-1] += len(ascending) - below
        series.sum += sum([value for value in seconds if value > 0])

    def collect(self) -> Iterable[Metric]:
        """The histogram as it is now."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for labels, series in list(self._series.items()):
            family.add_metric(labels, list(zip(bounds, accumulate(series.counts), strict=True)), series.sum)
        yield family


class _Series:
    """One set of labels: how many values each bucket holds, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
