"""The first wait of each chat: from its arrival until it is answered, or its customer leaves, or it times out.

Service level is about this wait and no other (a chat counts once, for the queue in which it arrived), as in `whatif`.
Decisions alone tell it, so it is told after the commit, in order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from switchboard import metrics
from switchboard.domain.decisions import AssignmentConfirmed, ChatClosed, ChatQueued
from switchboard.domain.engine import Engine
from switchboard.domain.rfc3339 import parse_ms
from switchboard.router.labels import queue_labels, series

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
