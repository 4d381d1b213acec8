"""The metrics of the workers: one registry, names and meanings in one place. No ids are labels."""

from bisect import bisect_right
from collections.abc import Iterable
from importlib.metadata import version
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call] # they double the series, and no dashboard reads them

REGISTRY: Final = CollectorRegistry()

_LATENCY: Final = (0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
"""Around the budgets: 12 ms median, 25 ms p99."""


class Latency(Collector):
    """A histogram that is told many values at once: the library's own takes 5 us an event on the routing path."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(_LATENCY) + 1)
        self._sum = 0.0

    def observe_all(self, seconds: Iterable[float]) -> None:
        """Count these values; what is below zero (a clock that is ahead) counts as zero."""
        ascending = sorted(seconds)
        below = 0
        for place, bound in enumerate(_LATENCY):
            upto = bisect_right(ascending, bound)
            self._counts[place] += upto - below
            below = upto
        self._counts[-1] += len(ascending) - below
        self._sum += sum(ascending[bisect_right(ascending, 0.0) :])

    def collect(self) -> Iterable[Metric]:
        """The histogram as it is now."""
        bounds = [*(str(float(bound)) for bound in _LATENCY), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)


EVENTS: Final = Counter("switchboard_events", "Events journaled.", ["type"], registry=REGISTRY)
DEAD_LETTERS: Final = Counter(
    "switchboard_dead_letters", "Records set aside on dead-letter.", ["reason"], registry=REGISTRY
)
DECISIONS: Final = Counter("switchboard_decisions", "Decisions made.", ["pool", "type"], registry=REGISTRY)
IGNORED: Final = Counter(
    "switchboard_events_ignored", "Events that changed nothing, and why.", ["type", "why"], registry=REGISTRY
)
EVENT_TO_DECISION: Final = Latency(
    "switchboard_event_to_decision_seconds", "From an event's record timestamp to its decisions being visible."
)
REGISTRY.register(EVENT_TO_DECISION)
COMMIT: Final = Histogram("switchboard_commit_seconds", "Time that a commit took.", buckets=_LATENCY, registry=REGISTRY)
COMMITS: Final = Counter("switchboard_commits", "Commits, by what became of them.", ["outcome"], registry=REGISTRY)
FENCED: Final = Counter("switchboard_fenced", "Times a shard was taken over from this router.", registry=REGISTRY)
LAG: Final = Gauge(
    "switchboard_lag_records", "Records there and not yet taken.", ["topic", "partition"], registry=REGISTRY
)
RESTORE: Final = Gauge("switchboard_restore_seconds", "Time that the last restore took.", ["shard"], registry=REGISTRY)
PROGRESS: Final = Gauge(
    "switchboard_last_progress_timestamp_seconds",
    "When the shard was last known to go on: it committed, or had nothing to do.",
    ["shard"],
    registry=REGISTRY,
)
SERVICE_TIME_STOPPED: Final = Counter(
    "switchboard_service_time_stopped_seconds",
    "Time that did not count as service time, since the router was not caught up.",
    registry=REGISTRY,
)
SHARD_OWNED: Final = Gauge(
    "switchboard_shard_owned", "1 while this router serves the shard.", ["shard"], registry=REGISTRY
)
QUEUE_DEPTH: Final = Gauge("switchboard_queue_depth", "Chats that wait.", ["pool", "queue"], registry=REGISTRY)
AGENTS: Final = Gauge("switchboard_agents", "Agents logged in.", ["pool", "status"], registry=REGISTRY)
BUILD: Final = Gauge("switchboard_build_info", "1, with the version.", ["version"], registry=REGISTRY)

for _outcome in ("committed", "failed", "fenced"):
    COMMITS.labels(_outcome)
BUILD.labels(version("chat-switchboard")).set(1)
