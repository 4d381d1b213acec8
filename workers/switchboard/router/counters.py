"""Counters of the events and decisions that a shard's commits make visible."""

from collections import Counter, defaultdict
from functools import cache
from operator import attrgetter
from typing import Any, Final

import prometheus_client

from switchboard import metrics
from switchboard.domain.decisions import AssignmentConfirmed, AssignmentEnded, ChatQueued, Decision
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event
from switchboard.journal.codec import BadInput
from switchboard.kafka.record_merge import Taken
from switchboard.metrics import REFUSAL_REASONS
from switchboard.projections.chat_outcomes import EndedWaits, FirstWaits, acceptances_of, arrivals_of, closures_of
from switchboard.router.label_names import LabelNames
from switchboard.router.shard_limits import OverLimit

_EVENT_TYPE: Final = attrgetter("what.type")
_POOL: Final = attrgetter("pool")
_POOL_AND_QUEUE: Final = attrgetter("pool", "queue")
_POOL_AND_REASON: Final = attrgetter("pool", "reason")
_OFFER_END: Final = attrgetter("pool", "queue", "reason")


@cache
def series(counter: prometheus_client.Counter, *labels: str) -> prometheus_client.Counter:
    """The series of a label set, cached: the library's own look-up takes 1 us. The number of label sets is bounded."""
    return counter.labels(*labels)


class Tally:
    """Counts the events and decisions of one shard's commits.

    A chat that waits or is offered in the restored engine counts as not yet answered. So does a chat that an agent held
    and transferred before the restore: its next wait counts again, from its arrival. The queue of a wait is
    that of the chat's arrival, also after an overflow or a transfer; for a restored chat, the queue last entered (R17).

    Args:
        engine: the shard's, as restored.
        labels: the names of pools and queues in metrics.
    """

    def __init__(self, engine: Engine, labels: LabelNames) -> None:
        self._labels = labels
        self._waits = FirstWaits()
        for pool in engine.pools.values():
            for chat in pool.chats.values():
                if chat.stage in ("waiting", "offered"):
                    self._waits.restore(pool.id, chat.id, chat.entered_queue, chat.arrived_at)

    def count(self, taken: list[Taken], outcome: Outcome | None, clock: int) -> None:
        """Count one frame; frames come in the order of the journal.

        Args:
            taken: the records that were read for the frame.
            outcome: the engine's, for the frame; None: the records held no event and made no frame.
            clock: when the frame became visible, ms since 1970.
        """
        # `Counter` counts an iterator from C code in C, and counting is done for every event and decision.
        events = [each for each in taken if type(each.what) is Event]
        for event_type, number in Counter(map(_EVENT_TYPE, events)).items():
            series(metrics.EVENTS, event_type).inc(number)
        metrics.EVENT_TO_DECISION.observe_all([(clock - each.timestamp) / 1000 for each in events])
        if len(events) < len(taken):
            _count_set_aside(taken)
        if outcome is None:
            return
        for (event_type, why), number in outcome.ignored.items():
            series(metrics.IGNORED, event_type, why).inc(number)
        if outcome.decisions:
            self._count_decisions(outcome.decisions)

    def _count_decisions(self, decisions: list[Decision]) -> None:
        """Count decisions, by type."""
        by_type: defaultdict[str, list[Any]] = defaultdict(list)
        for decision in decisions:
            by_type[decision.type].append(decision)
        for decision_type, made in by_type.items():
            for pool, number in Counter(map(_POOL, made)).items():
                series(metrics.DECISIONS, self._labels.pool(pool), decision_type).inc(number)
        for decision_type in by_type.keys() & REFUSAL_REASONS.keys():
            for (pool, reason), number in Counter(map(_POOL_AND_REASON, by_type[decision_type])).items():
                series(metrics.REFUSALS, self._labels.pool(pool), decision_type, reason).inc(number)
        self._count_ended_offers(by_type.get("assignment-ended", []))
        # `FirstWaits` needs the decisions on a chat in their order: arrival, acceptance, closure.
        if queued := by_type.get("chat-queued"):
            self._count_arrivals(queued)
            self._waits.arrive(arrivals_of(queued))
        if confirmed := by_type.get("assignment-confirmed"):
            self._count_accepted(confirmed)
            self._count_ended_waits(self._waits.accept(acceptances_of(confirmed)))
        if closed := by_type.get("chat-closed"):
            self._count_ended_waits(self._waits.close(closures_of(closed)))

    def _count_ended_offers(self, decisions: list[AssignmentEnded]) -> None:
        """Count the offers that ended without acceptance, by reason."""
        for (pool, queue, reason), number in Counter(map(_OFFER_END, decisions)).items():
            series(metrics.OFFERS_ENDED, *self._labels.queue(pool, queue), reason).inc(number)

    def _count_arrivals(self, decisions: list[ChatQueued]) -> None:
        """Count the chats that arrived, by queue."""
        for (pool, queue), number in Counter(map(_POOL_AND_QUEUE, decisions)).items():
            series(metrics.ARRIVALS, *self._labels.queue(pool, queue)).inc(number)

    def _count_accepted(self, decisions: list[AssignmentConfirmed]) -> None:
        """Count accepted offers, and the times from offer to acceptance."""
        spans: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for each in decisions:
            if each.automatic:
                series(metrics.OFFERS_ENDED, *self._labels.queue(each.pool, each.queue), "automatic").inc()
            else:
                spans[each.pool, each.queue].append(each.seconds_to_accept)
        for (pool, queue), seconds in spans.items():
            labels = self._labels.queue(pool, queue)
            series(metrics.OFFERS_ENDED, *labels, "accepted").inc(len(seconds))
            metrics.ACCEPT.observe_all(seconds, labels)

    def _count_ended_waits(self, ended: EndedWaits) -> None:
        """Count first waits that ended; observe the lengths of those that ended with an acceptance."""
        for (pool, queue, outcome), waits in ended.items():
            labels = self._labels.queue(pool, queue)
            series(metrics.WAITS_ENDED, *labels, outcome).inc(len(waits))
            if outcome == "answered":
                metrics.WAIT.observe_all([wait_ms / 1000 for _, wait_ms in waits], labels)


def _count_set_aside(taken: list[Taken]) -> None:
    """Count the records that go to `dead-letter`."""
    bad = Counter([each.what.reason for each in taken if isinstance(each.what, BadInput)])
    for reason, number in bad.items():
        series(metrics.DEAD_LETTERS, reason).inc(number)
    over = Counter([each.what.limit for each in taken if isinstance(each.what, OverLimit)])
    for limit, number in over.items():
        series(metrics.OVER_LIMIT, limit).inc(number)
