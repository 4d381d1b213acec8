"""Counters of what commits make visible, and the names of pools and queues that are labels.

Anyone on the bus can make up pools, and each label set takes memory for good. So only a bounded number of names become
labels; all others share the label `other`.
"""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any, Final

import prometheus_client

from switchboard import metrics
from switchboard.domain.decisions import AssignmentConfirmed
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event
from switchboard.journal.codec import BadInput
from switchboard.kafka.merged_reader import Taken
from switchboard.metrics import REFUSAL_REASONS
from switchboard.projections.chat_outcomes import EndedWaits, FirstWaits, acceptances_of, arrivals_of, closures_of
from switchboard.router.shard_limits import OverLimit

MOST_POOLS: Final = 200
"""Pools that are labels, configured and made-up ones together."""
MOST_MADE_UP: Final = 100
"""Of these, pools that were not known to be configured when they were first named: anyone on the bus can make up
names."""
MOST_QUEUES: Final = 1_000
"""Queues that are labels, unless the setting `metrics_queues` says otherwise. A queue has 57 series, which take about
40 KB."""
OTHER: Final = "other"
"""The label of all pools and queues without a label of their own."""

_EVENT_TYPE: Final = attrgetter("what.type")
_POOL: Final = attrgetter("pool")
_POOL_AND_QUEUE: Final = attrgetter("pool", "queue")
_POOL_AND_REASON: Final = attrgetter("pool", "reason")
_OFFER_END: Final = attrgetter("pool", "queue", "reason")


@dataclass(slots=True)
class Named:
    """The names that are labels in this process. No name is ever given up: counters keep their series."""

    most_queues: int = MOST_QUEUES
    pools: set[str] = field(default_factory=set)
    made_up: int = 0
    """Number of the pools that were not known to be configured when they got their label."""
    queues: set[tuple[str, str]] = field(default_factory=set)
    """(pool, queue)."""


_named = Named()


def set_most_queues(number: int) -> None:
    """Let `number` queues of all pools together have labels of their own."""
    _named.most_queues = number


def pool_label(pool: str) -> str:
    """The pool's own name for the first pools that this process meets, else `OTHER`."""
    pools = _named.pools
    if pool not in pools and len(pools) < MOST_POOLS and _named.made_up < MOST_MADE_UP:
        pools.add(pool)
        _named.made_up += 1
    return pool if pool in pools else OTHER


def name_configured(pool: str) -> None:
    """Let a configured pool have its own name: half of the names are for configured pools alone."""
    if pool not in _named.pools and len(_named.pools) < MOST_POOLS:
        _named.pools.add(pool)


def queue_labels(pool: str, queue: str) -> tuple[str, str]:
    """The labels of a queue: its own name for the first queues that this process meets in pools that have a label."""
    if pool_label(pool) != pool:
        return OTHER, OTHER
    labels = (pool, queue)
    queues = _named.queues
    if labels in queues:
        return labels
    if len(queues) < _named.most_queues:
        queues.add(labels)
        return labels
    return pool, OTHER


@cache
def series(counter: prometheus_client.Counter, *labels: str) -> prometheus_client.Counter:
    """The series of a label set, cached: the library's own look-up takes 1 us. Label sets are bounded."""
    return counter.labels(*labels)


class Tally:
    """Counts what one shard's commits have made visible.

    Args:
        engine: the shard's, as restored. A chat that waits or is offered in the engine counts as not yet answered. One
            that an agent held before and passed on looks the same: after a takeover its next wait counts as well, from
            its arrival. The queue of a chat is the queue in which it arrived, also after an overflow (R17).
    """

    def __init__(self, engine: Engine) -> None:
        self._waits = FirstWaits()
        for pool in engine.pools.values():
            for chat in pool.chats.values():
                if chat.stage in ("waiting", "offered"):
                    self._waits.restore(pool.id, chat.id, chat.entered_queue, chat.arrived_at)

    def count(self, taken: list[Taken], outcome: Outcome | None) -> None:
        """Count one frame; frames come in the order of the journal.

        Args:
            taken: the records that were read for the frame.
            outcome: what the engine made of the frame; None if the records held no event and made no frame.
        """
        # `Counter` counts an iterator from C code in C, and counting is done for every event and decision.
        events = [each for each in taken if type(each.what) is Event]
        for event_type, number in Counter(map(_EVENT_TYPE, events)).items():
            series(metrics.EVENTS, event_type).inc(number)
        now = time.time() * 1000
        metrics.EVENT_TO_DECISION.observe_all([(now - each.timestamp) / 1000 for each in events])
        if len(events) < len(taken):
            _count_set_aside(taken)
        if outcome is None:
            return
        for (event_type, why), number in outcome.ignored.items():
            series(metrics.IGNORED, event_type, why).inc(number)
        if outcome.decisions:
            self._count_decisions(outcome)

    def _count_decisions(self, outcome: Outcome) -> None:
        made: defaultdict[str, list[Any]] = defaultdict(list)
        for decision in outcome.decisions:
            made[decision.type].append(decision)
        for decision_type, decisions in made.items():
            for pool, number in Counter(map(_POOL, decisions)).items():
                series(metrics.DECISIONS, pool_label(pool), decision_type).inc(number)
        for decision_type in made.keys() & REFUSAL_REASONS.keys():
            for (pool, reason), number in Counter(map(_POOL_AND_REASON, made[decision_type])).items():
                series(metrics.REFUSALS, pool_label(pool), decision_type, reason).inc(number)
        for (pool, queue, reason), number in Counter(map(_OFFER_END, made.get("assignment-ended", ()))).items():
            series(metrics.OFFERS_ENDED, *queue_labels(pool, queue), reason).inc(number)
        # A chat arrives before it is accepted, and is accepted before it is closed: the three types keep this order.
        if queued := made.get("chat-queued"):
            for (pool, queue), number in Counter(map(_POOL_AND_QUEUE, queued)).items():
                series(metrics.ARRIVALS, *queue_labels(pool, queue)).inc(number)
            self._waits.arrive(arrivals_of(queued))
        if confirmed := made.get("assignment-confirmed"):
            _count_accepted(confirmed)
            _count_ended_waits(self._waits.accept(acceptances_of(confirmed)))
        if closed := made.get("chat-closed"):
            _count_ended_waits(self._waits.close(closures_of(closed)))


def _count_set_aside(taken: list[Taken]) -> None:
    """Count the records that go to `dead-letter`."""
    bad = Counter([each.what.reason for each in taken if isinstance(each.what, BadInput)])
    for reason, number in bad.items():
        series(metrics.DEAD_LETTERS, reason).inc(number)
    over = Counter([each.what.limit for each in taken if isinstance(each.what, OverLimit)])
    for limit, number in over.items():
        series(metrics.OVER_LIMIT, limit).inc(number)


def _count_accepted(decisions: list[AssignmentConfirmed]) -> None:
    """Count accepted offers, and the times from offer to acceptance."""
    spans: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for each in decisions:
        if each.automatic:
            series(metrics.OFFERS_ENDED, *queue_labels(each.pool, each.queue), "automatic").inc()
        else:
            spans[each.pool, each.queue].append(each.seconds_to_accept)
    for (pool, queue), seconds in spans.items():
        labels = queue_labels(pool, queue)
        series(metrics.OFFERS_ENDED, *labels, "accepted").inc(len(seconds))
        metrics.ACCEPT.observe_all(seconds, labels)


def _count_ended_waits(ended: EndedWaits) -> None:
    for (pool, queue, outcome), waits in ended.items():
        labels = queue_labels(pool, queue)
        series(metrics.WAITS_ENDED, *labels, outcome).inc(len(waits))
        if outcome == "answered":
            metrics.WAIT.observe_all([wait_ms / 1000 for _, wait_ms in waits], labels)
