"""What pools and queues are called in metrics: a bounded number of names, whoever makes up more."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any, Final

import prometheus_client

from switchboard import metrics
from switchboard.domain.decisions import AssignmentConfirmed, ChatClosed, ChatQueued
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event
from switchboard.domain.rfc3339 import parse_ms
from switchboard.journal.codec import BadInput
from switchboard.kafka.merged_reader import Taken
from switchboard.metrics import REFUSAL_REASONS
from switchboard.router.admission import OverLimit

MOST_POOLS: Final = 200
MOST_MADE_UP: Final = 100
"""Of these, pools that were not known to be configured when they were met: anyone on the bus can make them up."""
MOST_QUEUES: Final = 1_000
"""Unless the setting `metrics_queues` says otherwise. A queue has 57 series, which take about 40 KB."""
OTHER: Final = "other"


@dataclass(slots=True)
class Named:
    """The names that this process has met and that are labels. They are never given up: counters keep their series."""

    most_queues: int = MOST_QUEUES
    pools: set[str] = field(default_factory=set)
    made_up: int = 0
    """How many of the pools were not known to be configured."""
    queues: set[tuple[str, str]] = field(default_factory=set)
    """(pool, queue)."""


_named = Named()


def set_most_queues(number: int) -> None:
    """Let so many queues of all pools together have labels of their own."""
    _named.most_queues = number


def pool_label(pool: str) -> str:
    """The pool's own name for the first pools that this process meets, else `OTHER`."""
    pools = _named.pools
    if pool not in pools and len(pools) < MOST_POOLS and _named.made_up < MOST_MADE_UP:
        pools.add(pool)
        _named.made_up += 1
    return pool if pool in pools else OTHER


def name_configured(pool: str) -> None:
    """Let a configured pool have its own name: half of the names are for such pools alone."""
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
    """One counter of many. There are as many as label sets, which are bounded; the library's own look-up takes 1 us."""
    return counter.labels(*labels)


SHORT_ABANDON_MS: Final = 5_000
"""Who gives up sooner is left out of the second convention of service level."""
_NOBODY: Final[dict[str, tuple[str, int]]] = {}


class Waits:
    """The chats of a shard that nobody has answered yet."""

    def __init__(self, engine: Engine) -> None:
        """Begin with those that wait or are offered in a restored engine.

        One that an agent held before and passed on looks like them: after a takeover its next wait counts as well, from
        its arrival. Where a chat overflowed its queue of arrival is still the one it entered (R17).
        """
        self._open: dict[str, dict[str, tuple[str, int]]] = {
            pool.id: {
                chat.id: (chat.entered_queue, chat.arrived_at)
                for chat in pool.chats.values()
                if chat.stage in ("waiting", "offered")
            }
            for pool in engine.pools.values()
        }
        """By pool and chat: the queue of arrival, and when that was, in ms."""

    def begin(self, decisions: Iterable[ChatQueued]) -> None:
        """Chats have arrived."""
        text, at = "", 0
        for each in decisions:
            if each.arrived_at is not text:  # parsing takes 0.8 us, and most of a frame arrived at its clock
                text = each.arrived_at
                at = parse_ms(text)
            pool = self._open.get(each.pool)
            if pool is None:
                pool = self._open[each.pool] = {}
            pool[each.chat_id] = (each.queue, at)

    def end(self, decisions: Iterable[AssignmentConfirmed | ChatClosed]) -> None:
        """Chats were accepted or are closed: where nobody had answered one before, its wait is over."""
        text, at = "", 0
        ended: Counter[tuple[str, str, str]] = Counter()
        answered: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for each in decisions:
            found = self._open.get(each.pool, _NOBODY).pop(each.chat_id, None)
            if found is None:
                continue
            if each.at is not text:
                text = each.at
                at = parse_ms(text)
            queue, arrived_at = found
            if each.type == "assignment-confirmed":
                answered[each.pool, queue].append((at - arrived_at) / 1000)
            elif each.reason == "queue-timed-out":
                ended[each.pool, queue, "timed-out"] += 1
            else:
                short = at - arrived_at < SHORT_ABANDON_MS
                ended[each.pool, queue, "short-abandoned" if short else "abandoned"] += 1
        for (pool, queue), waited in answered.items():
            metrics.WAIT.observe_all(waited, queue_labels(pool, queue))
            ended[pool, queue, "answered"] = len(waited)
        for (pool, queue, outcome), number in ended.items():
            series(metrics.WAITS_ENDED, *queue_labels(pool, queue), outcome).inc(number)


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
        for decision_type in made.keys() & REFUSAL_REASONS.keys():
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
