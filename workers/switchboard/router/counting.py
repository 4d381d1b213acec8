"""What a commit counts in the metrics, once it was made: a retry or a replay never counts twice."""

import time
from collections import Counter
from operator import attrgetter
from typing import Final, TypeAlias

from prometheus_client import Gauge

from switchboard import metrics
from switchboard.contracts.codec import BadInput
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event
from switchboard.router.merging import Taken

MOST_POOLS: Final = 200
OTHER: Final = "other"
Series: TypeAlias = tuple[Gauge, tuple[str, ...]]
_EVENT_TYPE: Final = attrgetter("what.type")
_POOL_AND_TYPE: Final = attrgetter("pool", "type")

_named: set[str] = set()


def count(taken: list[Taken], outcome: Outcome | None) -> None:
    """Count what a commit has made visible."""
    # Counter counts what C code gives it in C, and this is done for every event and decision.
    events = [each for each in taken if type(each.what) is Event]
    for event_type, number in Counter(map(_EVENT_TYPE, events)).items():
        metrics.EVENTS.labels(event_type).inc(number)
    now = time.time() * 1000
    metrics.EVENT_TO_DECISION.observe_all([(now - each.timestamp) / 1000 for each in events])
    if len(events) < len(taken):
        for reason, number in Counter([each.what.reason for each in taken if isinstance(each.what, BadInput)]).items():
            metrics.DEAD_LETTERS.labels(reason).inc(number)
    if outcome is None:
        return
    for (pool, decision_type), number in Counter(map(_POOL_AND_TYPE, outcome.decisions)).items():
        metrics.DECISIONS.labels(pool_label(pool), decision_type).inc(number)
    for (event_type, why), number in outcome.ignored.items():
        metrics.IGNORED.labels(event_type, why).inc(number)


class Survey:
    """The gauges of one shard's pools: as they are now, and gone once the shard is let go or the queue is."""

    def __init__(self) -> None:
        self._shown: set[Series] = set()

    def show(self, engine: Engine) -> None:
        """Set the gauges."""
        figures: Counter[Series] = Counter()
        for pool in engine.pools.values():
            label = pool_label(pool.id)
            for queue, line in pool.waiting.items():
                named = queue if label == pool.id else OTHER
                figures[metrics.QUEUE_DEPTH, (label, named)] += len(line.chats)
            statuses = Counter(
                "absent" if agent.absent else "available" if agent.available else "unavailable"
                for agent in pool.agents.values()
            )
            for status in ("available", "unavailable", "absent"):
                figures[metrics.AGENTS, (label, status)] += statuses[status]
        for (gauge, labels), figure in figures.items():
            gauge.labels(*labels).set(figure)
        self._keep(set(figures))

    def clear(self) -> None:
        """The shard is another's, who tells its figures: told here as well they would count twice."""
        self._keep(set())

    def _keep(self, shown: set[Series]) -> None:
        for gauge, labels in self._shown - shown:
            gauge.remove(*labels)
        self._shown = shown


def pool_label(pool: str) -> str:
    """The pool's own name for the first `MOST_POOLS` that this process meets: anyone on the bus can make up more."""
    if pool not in _named and len(_named) < MOST_POOLS:
        _named.add(pool)
    return pool if pool in _named else OTHER
