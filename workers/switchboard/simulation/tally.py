"""What came of a simulation: counts, and how long it took from publishing an event to seeing what it caused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from switchboard.simulation.scene import Outgoing


@dataclass(slots=True, frozen=True)
class Delays:
    """A summary of delays, in ms."""

    count: int
    median: float
    p99: float


@dataclass(slots=True)
class Tally:
    """Counts since the start. Times are ms since 1970, with fractions, all by one clock."""

    sent: Counter[str] = field(default_factory=Counter)
    """Events published, by type."""
    unsent: int = 0
    """Events that no broker took."""
    seen: Counter[str] = field(default_factory=Counter)
    """Decisions that became visible, by type."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same, by type and reason, of those that have one."""
    delays: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in CAUSES})
    """For each kind of decision whose cause is known: from publishing the cause to seeing it, in ms."""
    published: dict[tuple[str, str], float] = field(default_factory=dict)
    """When the events were published that still await their decision, by (type, chat)."""
    last_queued: dict[str, str] = field(default_factory=dict)
    """The frame in which a chat that still waits was queued."""

    def note_sent(self, event: Outgoing, now: float) -> None:
        """An event is handed to the producer."""
        self.sent[event.type] += 1
        if event.type in _AWAITED:
            self.published[event.type, event.body["chat_id"]] = now

    def note_seen(self, decision: Mapping[str, Any], now: float) -> None:
        """A decision was read."""
        kind = decision["type"]
        self.seen[kind] += 1
        if "reason" in decision:
            self.reasons[kind, decision["reason"]] += 1
        chat_id = decision.get("chat_id")
        if kind not in CAUSES or chat_id is None:
            if kind == "chat-closed":
                self._forget(decision["chat_id"])
            return
        frame = decision["id"].rpartition("/")[0]
        if kind == "chat-assigned" and self.last_queued.pop(chat_id, None) != frame:
            return  # it waited: what caused the offer is some agent's doing
        since = self.published.get((CAUSES[kind], chat_id))
        if since is not None:
            self.delays[kind].append(now - since)
        if kind == "chat-queued" and since is not None:
            self.last_queued[chat_id] = frame
        if kind == "assignment-confirmed":
            self._forget(chat_id)

    def delay_of(self, *kinds: str) -> Delays | None:
        """Median and p99 over decisions of these kinds; None if there was none."""
        values = sorted(value for kind in kinds for value in self.delays[kind])
        return Delays(len(values), rank(values, 0.5), rank(values, 0.99)) if values else None

    def _forget(self, chat_id: str) -> None:
        self.last_queued.pop(chat_id, None)
        for kind in _AWAITED:
            self.published.pop((kind, chat_id), None)


CAUSES: Mapping[str, str] = {
    "chat-queued": "chat-arrival",
    "chat-assigned": "chat-arrival",
    "assignment-confirmed": "chat-accepted",
}
"""Decisions whose cause is known; an assignment's is the chat's arrival if both were decided in one frame."""

_AWAITED = frozenset(CAUSES.values())


def rank(ascending: Sequence[float], share: float) -> float:
    """The value at or below which lies this share of the values (nearest rank)."""
    return ascending[max(0, ceil(share * len(ascending)) - 1)]
