"""Figures of a simulation: counts, and delays from publishing an event to seeing the decision that follows."""

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
    """Counts since the start. Times are ms since 1970, with fractions, all from the same clock."""

    sent: Counter[str] = field(default_factory=Counter)
    """Events published, by type."""
    unsent: int = 0
    """Events that no broker accepted."""
    seen: Counter[str] = field(default_factory=Counter)
    """Decisions that became visible, by type."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Decisions with a reason that became visible, by (type, reason)."""
    delays: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in CAUSES})
    """Decision type in `CAUSES` -> delays in ms, from publishing the causing event to seeing the decision."""
    published: dict[tuple[str, str], float] = field(default_factory=dict)
    """(Event type, chat id) -> time of publishing, for events whose decision is still awaited."""
    last_queued: dict[str, str] = field(default_factory=dict)
    """Id of a chat that still waits -> frame in which the chat was queued."""

    def note_sent(self, event: Outgoing, now: float) -> None:
        """Count an event that is handed to the producer, and keep the time of an awaited event."""
        self.sent[event.type] += 1
        if event.type in _AWAITED:
            self.published[event.type, event.body["chat_id"]] = now

    def note_seen(self, decision: Mapping[str, Any], now: float) -> None:
        """Count a decision that was read, and the delay since the causing event, if known."""
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
            return  # the chat waited: an agent's request caused the offer, not the arrival
        since = self.published.get((CAUSES[kind], chat_id))
        if since is not None:
            self.delays[kind].append(now - since)
        if kind == "chat-queued" and since is not None:
            self.last_queued[chat_id] = frame
        if kind == "assignment-confirmed":
            self._forget(chat_id)

    def delay_of(self, *kinds: str) -> Delays | None:
        """Return median and p99 over the decisions of some types, in ms; None without such decisions."""
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
"""Decision type -> type of the causing event. An arrival causes an offer only if both are in the same frame."""

_AWAITED = frozenset(CAUSES.values())


def rank(ascending: Sequence[float], share: float) -> float:
    """Return the quantile of ascending values for a share from 0 to 1, by nearest rank."""
    return ascending[max(0, ceil(share * len(ascending)) - 1)]
