"""What a commit counts in the metrics, once it was made: a retry or a replay never counts twice.

About 1 us an event in frames of 500 (a drain), 20 us a frame of one (a quiet bus).
"""

import time
from collections import Counter, defaultdict
from operator import attrgetter
from typing import Any, Final

from switchboard import metrics
from switchboard.domain.decisions import AssignmentConfirmed
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event
from switchboard.journal.codec import BadInput
from switchboard.kafka.merged_reader import Taken
from switchboard.metrics.label_sets import REFUSALS
from switchboard.router.admission import OverLimit
from switchboard.router.labels import pool_label, queue_labels, series
from switchboard.router.waits import Waits

_EVENT_TYPE: Final = attrgetter("what.type")
_POOL: Final = attrgetter("pool")
_POOL_AND_QUEUE: Final = attrgetter("pool", "queue")
_POOL_AND_REASON: Final = attrgetter("pool", "reason")
_OFFER_END: Final = attrgetter("pool", "queue", "reason")


class Tally:
    """Counts what one shard's commits have made visible.

    Args:
        engine: the shard's, as it was restored.
    """

    def __init__(self, engine: Engine) -> None:
        self._waits = Waits(engine)

    def count(self, taken: list[Taken], outcome: Outcome | None) -> None:
        """Count one frame or, with no outcome, what is none; in the order of the journal."""
        # Counter counts what C code gives it in C, and this is done for every event and decision.
        events = [each for each in taken if type(each.what) is Event]
        for event_type, number in Counter(map(_EVENT_TYPE, events)).items():
            series(metrics.EVENTS, event_type).inc(number)
        now = time.time() * 1000
        metrics.EVENT_TO_DECISION.observe_all([(now - each.timestamp) / 1000 for each in events])
        if len(events) < len(taken):
            bad = Counter([each.what.reason for each in taken if isinstance(each.what, BadInput)])
            for reason, number in bad.items():
                series(metrics.DEAD_LETTERS, reason).inc(number)
            over = Counter([each.what.limit for each in taken if isinstance(each.what, OverLimit)])
            for limit, number in over.items():
                series(metrics.OVER_LIMIT, limit).inc(number)
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
        for decision_type, some in made.items():
            for pool, number in Counter(map(_POOL, some)).items():
                series(metrics.DECISIONS, pool_label(pool), decision_type).inc(number)
        for decision_type in made.keys() & REFUSALS.keys():
            for (pool, reason), number in Counter(map(_POOL_AND_REASON, made[decision_type])).items():
                series(metrics.REFUSALS, pool_label(pool), decision_type, reason).inc(number)
        for (pool, queue, reason), number in Counter(map(_OFFER_END, made.get("assignment-ended", ()))).items():
            series(metrics.OFFERS_ENDED, *queue_labels(pool, queue), reason).inc(number)
        # A chat arrives before it is accepted, and is accepted before it is closed: so the order of the three is kept.
        if queued := made.get("chat-queued"):
            for (pool, queue), number in Counter(map(_POOL_AND_QUEUE, queued)).items():
                series(metrics.ARRIVALS, *queue_labels(pool, queue)).inc(number)
            self._waits.begin(queued)
        if confirmed := made.get("assignment-confirmed"):
            _count_accepted(confirmed)
            self._waits.end(confirmed)
        if closed := made.get("chat-closed"):
            self._waits.end(closed)


def _count_accepted(decisions: list[AssignmentConfirmed]) -> None:
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
