"""The metrics of a router.

Series whose labels are known beforehand exist from the start, at zero: a counter that appears with its first event
hides that event from every rate and alert.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from switchboard.domain import decisions
from switchboard.domain.decisions import Decision, OfferEnd
from switchboard.domain.events import EVENT_TYPES
from switchboard.journal.codec import REASONS
from switchboard.journal.limits import Limit
from switchboard.projections.chat_outcomes import WaitOutcome


def _values(decision: type[Decision], field: str) -> tuple[str, ...]:
    """The values that a field of a decision may have."""
    return get_args(decision.__annotations__[field])


DECISION_TYPES: Final = tuple(name for each in get_args(Decision) for name in _values(each, "type"))
REFUSAL_REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    _values(each, "type")[0]: _values(each, "reason")
    for each in (
        decisions.RequestRejected,
        decisions.AcceptRejected,
        decisions.DeclineRejected,
        decisions.TransferRejected,
    )
}
"""Decision type → reasons for a refusal."""
OFFER_OUTCOMES: Final = ("accepted", "automatic", *get_args(OfferEnd))
"""`automatic`: accepted by its expiry (R10)."""
WAIT_OUTCOMES: Final[tuple[str, ...]] = get_args(WaitOutcome)
COMMIT_OUTCOMES: Final = ("committed", "failed", "fenced")
LIMITS: Final[tuple[str, ...]] = get_args(Limit)
STATUSES: Final = ("available", "unavailable", "absent")
STAGES: Final = ("offered", "active", "wrapping")

_LOGGED_OUT: Final = ("not-logged-in",)
IGNORED_REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "chat-arrival": ("already-open", "already-closed"),
    "chat-accepted": ("repeated",),
    "chat-declined": ("unknown-chat", "not-offered", "wrong-agent", "stale-offer"),
    "chat-abandoned": ("already-over",),
    "chat-concluded": ("wrong-agent", "not-active", "already-over"),
    "chat-released": ("unknown-chat", "wrong-agent", "not-active"),
    "request-chat": ("repeated", "already-requested"),
    "request-cancelled": ("not-logged-in", "no-request", "not-manual"),
    "agent-absent": ("not-logged-in", "already-absent"),
    "agent-present": ("not-logged-in", "not-absent"),
    "agent-logged-out": _LOGGED_OUT,
    "agent-lost": _LOGGED_OUT,
    "agent-status-changed": _LOGGED_OUT,
    "agent-heartbeat": _LOGGED_OUT,
    "agent-capacity-changed": _LOGGED_OUT,
}
"""Event type → reasons for which the event may be ignored (R21)."""

_FEW: Final = 32
"""Number of values from which on sorting them first is faster than a search for each."""


class Spans(Collector):
    """A histogram of spans in seconds that counts many values at once. A value below zero counts as zero.

    A span is negative if a producer's clock is ahead.

    Args:
        name: the metric's.
        documentation: the metric's help text.
        labels: the labels' names; without any, the only series exists from the start.
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
        """The series of these labels, created at zero if there is none."""
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

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """The histogram without series: a registry learns its names from it."""
        yield HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)

    def collect(self) -> Iterable[Metric]:
        """The histogram's present values, for a scrape."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        (family,) = self.describe()
        for labels, series in list(self._series.items()):
            family.add_metric(labels, list(zip(bounds, accumulate(series.counts), strict=True)), series.sum)
        yield family


class _Series:
    """One set of labels: how many values each bucket holds, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0


disable_created_metrics()  # type: ignore[no-untyped-call] # they double the series, and no dashboard reads them

REGISTRY: Final = CollectorRegistry()

_LATENCY: Final = (0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
"""Dense around the budgets of latency: 12 ms median, 25 ms p99."""
_WAIT: Final = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1_800)
"""Usual thresholds of service levels, up to the default wait limit of a queue (R17)."""
_ACCEPT: Final = (1, 2, 3, 5, 8, 10, 15, 20, 30, 60, 120, 285)
"""Up to the offer timeout: 15 s unless set, 285 s at most (R10)."""

# Counters of events and decisions. They count at the end of a commit, so that a retry or a replay never counts twice.
EVENTS: Final = Counter("switchboard_events", "Events journaled.", ["type"], registry=REGISTRY)
DEAD_LETTERS: Final = Counter(
    "switchboard_dead_letters", "Records set aside on dead-letter.", ["reason"], registry=REGISTRY
)
OVER_LIMIT: Final = Counter(
    "switchboard_over_limit",
    "Records set aside on dead-letter as over-limit, by the limit.",
    ["limit"],
    registry=REGISTRY,
)
IGNORED: Final = Counter(
    "switchboard_events_ignored", "Events that changed nothing, and why.", ["type", "why"], registry=REGISTRY
)
DECISIONS: Final = Counter("switchboard_decisions", "Decisions made.", ["pool", "type"], registry=REGISTRY)
REFUSALS: Final = Counter(
    "switchboard_refusals",
    "Requests, accepts, declines and transfers that were refused, by decision type and reason.",
    ["pool", "type", "reason"],
    registry=REGISTRY,
)
ARRIVALS: Final = Counter(
    "switchboard_arrivals", "Chats that arrived, by the queue in which they did.", ["pool", "queue"], registry=REGISTRY
)
WAITS_ENDED: Final = Counter(
    "switchboard_waits_ended",
    "Chats whose first wait ended, by the queue in which they arrived: answered, abandoned, short-abandoned (within "
    "5 s) or timed-out. Their sum is what service level calls offered.",
    ["pool", "queue", "outcome"],
    registry=REGISTRY,
)
WAIT: Final = Spans(
    "switchboard_wait_seconds",
    "First wait of the chats that were answered: from arrival to the first accepted offer, by queue of arrival.",
    ["pool", "queue"],
    _WAIT,
)
OFFERS_ENDED: Final = Counter(
    "switchboard_offers_ended",
    "Offers that ended: accepted, automatic (accepted by expiry), or why they were not accepted.",
    ["pool", "queue", "outcome"],
    registry=REGISTRY,
)
ACCEPT: Final = Spans(
    "switchboard_accept_seconds",
    "From an offer to its acceptance by the agent; acceptance by expiry is left out.",
    ["pool", "queue"],
    _ACCEPT,
)

# Gauges of pools and queues, set about once a second.
QUEUE_DEPTH: Final = Gauge("switchboard_queue_depth", "Chats that wait.", ["pool", "queue"], registry=REGISTRY)
OLDEST_WAIT: Final = Gauge(
    "switchboard_oldest_wait_seconds",
    "Time since the arrival of the chat that comes first in the queue; 0 if none waits.",
    ["pool", "queue"],
    registry=REGISTRY,
)
AGENTS_REQUESTING: Final = Gauge(
    "switchboard_agents_requesting",
    "Agents who serve the queue and whose request could be met now: available, a session free, no delay running.",
    ["pool", "queue"],
    registry=REGISTRY,
)
SESSIONS_FREE: Final = Gauge(
    "switchboard_sessions_free",
    "Free sessions of the available agents who serve the queue. An agent counts for each queue served.",
    ["pool", "queue"],
    registry=REGISTRY,
)
AGENTS_AVAILABLE: Final = Gauge(
    "switchboard_agents_available",
    "Available agents who serve the queue, busy or not. An agent counts for each queue served.",
    ["pool", "queue"],
    registry=REGISTRY,
)
QUEUE_STUCK: Final = Gauge(
    "switchboard_queue_stuck",
    "1 while a chat waits that an agent who is asking could take: it must never be (rule I5).",
    ["pool", "queue"],
    registry=REGISTRY,
)
AGENTS: Final = Gauge("switchboard_agents", "Agents logged in.", ["pool", "status"], registry=REGISTRY)
SESSIONS: Final = Gauge("switchboard_sessions", "Chats that agents hold.", ["pool", "stage"], registry=REGISTRY)

# Health of the router.
EVENT_TO_DECISION: Final = Spans(
    "switchboard_event_to_decision_seconds",
    "From an event's record timestamp to its decisions being visible.",
    [],
    _LATENCY,
)
COMMIT: Final = Histogram("switchboard_commit_seconds", "Time that a commit took.", buckets=_LATENCY, registry=REGISTRY)
COMMITS: Final = Counter("switchboard_commits", "Commits, by what became of them.", ["outcome"], registry=REGISTRY)
FENCED: Final = Counter(
    "switchboard_fenced", "Times the shard was taken over from this router.", ["shard"], registry=REGISTRY
)
LAG: Final = Gauge(
    "switchboard_lag_records",
    "Records there and not yet taken. Each shard reads all partitions by itself, and leaves what is not its own.",
    ["topic", "partition", "shard"],
    registry=REGISTRY,
)
LIMIT_USED: Final = Gauge(
    "switchboard_limit_used",
    "What counts against a limit of the shard; of a limit by pool, in the pool that is nearest to it.",
    ["shard", "limit"],
    registry=REGISTRY,
)
LIMIT_MAX: Final = Gauge(
    "switchboard_limit_max", "The limit: what is beyond it is refused.", ["shard", "limit"], registry=REGISTRY
)
LAG_SECONDS: Final = Gauge(
    "switchboard_lag_seconds",
    "The router's clock less the timestamp of the next record to take; if all is taken, what it was for the last one, "
    "and 0 once none came for 60 s. Below 0: a producer's clock is ahead.",
    ["topic", "partition", "shard"],
    registry=REGISTRY,
)
OPEN_TRANSACTION_RECORDS: Final = Gauge(
    "switchboard_open_transaction_records",
    "Records between the last stable offset and the high watermark: they can't be read until a transaction ends.",
    ["topic", "partition", "shard"],
    registry=REGISTRY,
)
OPEN_TRANSACTION_SECONDS: Final = Gauge(
    "switchboard_open_transaction_seconds",
    "How long the last stable offset has been the same with records above it; 0 while no transaction is open.",
    ["topic", "partition", "shard"],
    registry=REGISTRY,
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
    ["shard"],
    registry=REGISTRY,
)
SHARD_OWNED: Final = Gauge(
    "switchboard_shard_owned", "1 while this router serves the shard.", ["shard"], registry=REGISTRY
)
BUILD: Final = Gauge("switchboard_build_info", "1, with the version.", ["version"], registry=REGISTRY)

BY_QUEUE: Final = (QUEUE_DEPTH, OLDEST_WAIT, AGENTS_REQUESTING, SESSIONS_FREE, AGENTS_AVAILABLE, QUEUE_STUCK)
"""Gauges of each queue."""

for _spans in (WAIT, ACCEPT, EVENT_TO_DECISION):
    REGISTRY.register(_spans)
del _spans  # or a listing of this module's metrics would find the last one twice
for _type in EVENT_TYPES:
    EVENTS.labels(_type)
for _reason in REASONS:
    DEAD_LETTERS.labels(_reason)
for _limit in LIMITS:
    OVER_LIMIT.labels(_limit)
for _type, _whys in IGNORED_REASONS.items():
    for _why in _whys:
        IGNORED.labels(_type, _why)
for _outcome in COMMIT_OUTCOMES:
    COMMITS.labels(_outcome)
BUILD.labels(version("chat-switchboard")).set(1)


def present_pool(pool: str) -> None:
    """Create the series of a pool, at zero."""
    for name in DECISION_TYPES:
        DECISIONS.labels(pool, name)
    for name, reasons in REFUSAL_REASONS.items():
        for reason in reasons:
            REFUSALS.labels(pool, name, reason)


def present_queue(pool: str, queue: str) -> None:
    """Create the series of a queue, at zero."""
    ARRIVALS.labels(pool, queue)
    for outcome in WAIT_OUTCOMES:
        WAITS_ENDED.labels(pool, queue, outcome)
    for outcome in OFFER_OUTCOMES:
        OFFERS_ENDED.labels(pool, queue, outcome)
    for spans in (WAIT, ACCEPT):
        spans.present((pool, queue))


def present_shards(shards: int) -> None:
    """Create the series of every shard, at zero, whether this router serves the shard or not."""
    for index in range(shards):
        SHARD_OWNED.labels(str(index))
        SERVICE_TIME_STOPPED.labels(str(index))
        FENCED.labels(str(index))
