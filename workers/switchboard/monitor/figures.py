"""The figures of a queue over some time: chats that arrived, their outcomes, waits and service level."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, TypeVar

from switchboard.monitor.public_rows import DecisionRecord
from switchboard.projections.chat_outcomes import (
    EndedWaits,
    FirstWaits,
    WaitOutcome,
    outcome_unanswered,
    service_level,
)

NOW_MINUTES: Final = 15
"""Windows of a minute that the figure `now` sums up: the running minute and those before it."""
WINDOW_SECONDS: Final = 60

MOST_QUEUES: Final = 10_000
"""Queues with figures of their own on one day; they take up to 40 MB."""

SERVICE_LEVEL_SECONDS = 20.0

BACK_FROM_AGENT: Final = frozenset({"transferred", "agent-lost", "agent-logged-out"})
"""Reasons of `chat-requeued` for a chat that an agent had accepted. (For a chat that was only offered, the offer itself
was read shortly before.)"""
UNANSWERED_ENDS: Final = frozenset({"abandoned", "queue-timed-out"})
"""Reasons of `chat-closed` for a chat without an agent."""

Queue = tuple[str, str]
"""(pool, queue)."""
OTHERS: Final[Queue] = ("other", "other")
"""Stands for all queues beyond MOST_QUEUES, since anyone on the bus can make up pools."""
Key = TypeVar("Key", int, date)


@dataclass(slots=True)
class Figures:
    """Counts of one queue over some time. Figures can be added."""

    arrived: int = 0
    """Chats that arrived in the queue."""
    answered: int = 0
    """Chats accepted by an agent, or by the expiry of the offer (R10)."""
    answered_in_time: int = 0
    """Answered chats whose first wait was within the threshold of the service level."""
    abandoned: int = 0
    """Chats closed before they were accepted: abandoned or timed out."""
    abandoned_soon: int = 0
    """Of these, chats whose customer left within SHORT_ABANDON_MS."""
    waited_ms: int = 0
    """Sum of the first waits of all answered chats."""
    longest_wait_ms: int = 0
    """The longest first wait of an answered chat."""

    def add_answered(self, wait_ms: int, in_time_seconds: float) -> None:
        """Count a chat that was answered after `wait_ms`; a wait of up to `in_time_seconds` is in time."""
        self.answered += 1
        self.answered_in_time += wait_ms / 1000 <= in_time_seconds
        self.waited_ms += wait_ms
        self.longest_wait_ms = max(self.longest_wait_ms, wait_ms)

    def add_unanswered(self, outcome: WaitOutcome) -> None:
        """Count a chat that was abandoned or timed out."""
        self.abandoned += 1
        self.abandoned_soon += outcome == "short-abandoned"

    def add(self, other: "Figures") -> None:
        """Add the counts of other figures."""
        self.arrived += other.arrived
        self.answered += other.answered
        self.answered_in_time += other.answered_in_time
        self.abandoned += other.abandoned
        self.abandoned_soon += other.abandoned_soon
        self.waited_ms += other.waited_ms
        self.longest_wait_ms = max(self.longest_wait_ms, other.longest_wait_ms)

    def as_json(self) -> dict[str, Any]:
        """The figures as the web API serves them.

        Ratios run from 0 to 1. Ratios and waits are null where no chat counts.
        """
        level = service_level(self.answered_in_time, self.answered + self.abandoned, self.abandoned_soon)
        return {
            "arrived": self.arrived,
            "answered": self.answered,
            "answered_in_time": self.answered_in_time,
            "abandoned": self.abandoned,
            "abandoned_soon": self.abandoned_soon,
            "service_level": _rounded(level.of_all),
            "service_level_without_short": _rounded(level.without_short),
            "mean_wait_seconds": round(self.waited_ms / (self.answered * 1000), 3) if self.answered else None,
            "longest_wait_seconds": self.longest_wait_ms / 1000 if self.answered else None,
        }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


@dataclass(slots=True)
class Windows:
    """The figures of all queues, by minute and by day. Only the minutes and days that are still served are kept."""

    zone: tzinfo = UTC
    """The time zone of the midnight at which a day begins."""
    most_queues: int = MOST_QUEUES
    minutes: defaultdict[Queue, dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))
    """By queue, then by minutes since 1970."""
    days: defaultdict[Queue, dict[date, Figures]] = field(default_factory=lambda: defaultdict(dict))
    """By queue, then by day in `zone`."""

    def at(self, queue: Queue, moment: float) -> tuple[Figures, Figures]:
        """The figures to count an event in: those of its minute and of its day.

        A new queue counts as OTHERS while `most_queues` queues have figures.

        Args:
            queue: the queue of the event.
            moment: the time of the event, in seconds since 1970.
        """
        if queue not in self.days and len(self.days) >= self.most_queues:
            queue = OTHERS
        minute, day = int(moment // WINDOW_SECONDS), self.day(moment)
        return _entry(self.minutes[queue], minute, NOW_MINUTES), _entry(self.days[queue], day, 1)

    def now(self, queue: Queue, now: float) -> Figures:
        """The figures of the last NOW_MINUTES windows; `now` is in seconds since 1970.

        Windows later than `now` count too, since the router's clock may be ahead of this machine's.
        """
        since = int(now // WINDOW_SECONDS) - NOW_MINUTES
        kept = self.minutes.get(queue, {})
        return _sum(figures for minute, figures in kept.items() if minute > since)

    def today(self, queue: Queue, now: float) -> Figures:
        """The figures since midnight; `now` is in seconds since 1970."""
        day = self.day(now)
        return _sum(figures for other, figures in self.days.get(queue, {}).items() if other >= day)

    def has_counted(self, queue: Queue, day: date) -> bool:
        """True if a queue has figures of a day or of a later one."""
        return any(other >= day for other in self.days.get(queue, ()))

    def forget(self, now: float, queues: Iterable[Queue] | None = None) -> None:
        """Drop days before today and minutes before the last NOW_MINUTES, of some queues or of all."""
        day, since = self.day(now), int(now // WINDOW_SECONDS) - NOW_MINUTES
        for queue in tuple({*self.days, *self.minutes}) if queues is None else queues:
            if queue in self.days and max(self.days[queue]) < day:
                del self.days[queue]
            if queue in self.minutes and max(self.minutes[queue]) <= since:
                del self.minutes[queue]

    def day(self, moment: float) -> date:
        """The day of a moment (seconds since 1970) in `zone`."""
        return datetime.fromtimestamp(moment, self.zone).date()


def start_of_day(now: float, zone: tzinfo) -> float:
    """The last midnight before `now`; both in seconds since 1970."""
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp()


def _entry(kept: dict[Key, Figures], key: Key, most: int) -> Figures:
    """The figures of a key, created if missing. Beside the new ones only the `most` latest keys are kept."""
    figures = kept.get(key)
    if figures is None:
        figures = kept[key] = Figures()
        while len(kept) > most + 1:
            del kept[min(kept)]
    return figures


def _sum(parts: Iterable[Figures]) -> Figures:
    total = Figures()
    for part in parts:
        total.add(part)
    return total


@dataclass(slots=True)
class OutcomeCounts:
    """Counts decisions into windows. Each decision must be counted once and, within a pool, in order.

    A chat counts once, when its first wait ends, for the queue in which it arrived, wherever it was answered. The
    router's metrics and `whatif` count by the same rule.

    The monitor reads decisions from shortly before midnight on, so a chat may have arrived before the first decision
    read. The chat's first decision that was read then tells its state.
    """

    windows: Windows = field(default_factory=Windows)
    in_time_seconds: float = SERVICE_LEVEL_SECONDS
    """A chat answered within this time is answered in time."""
    waits: FirstWaits = field(default_factory=FirstWaits)
    """The chats that no agent has accepted yet."""
    answered: set[tuple[str, str]] = field(default_factory=set)
    """(pool, chat id) of the open chats that an agent has accepted."""

    def count(self, decision: DecisionRecord) -> None:
        """Count one decision.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or of another kind.
        """
        fields = decision.fields
        match fields["type"]:
            case "chat-queued":
                self._arrive(decision)
            case "chat-assigned":
                # The offer of a transfer between agents is not the first: the chat was answered before.
                self._take_up(decision, answered=fields["origin"] == "transfer")
            case "chat-requeued" if fields["reason"] in BACK_FROM_AGENT:
                self._take_up(decision, answered=True)
            case "assignment-confirmed":
                self._accept(decision)
            case "chat-closed":
                self._close(decision)
            case _:
                pass

    def _arrive(self, decision: DecisionRecord) -> None:
        fields = decision.fields
        self.waits.arrive([(decision.pool, fields["chat_id"], fields["queue"], fields["arrived_at"])])
        self.answered.discard((decision.pool, fields["chat_id"]))
        for figures in self.windows.at((decision.pool, fields["queue"]), decision.at):
            figures.arrived += 1

    def _take_up(self, decision: DecisionRecord, *, answered: bool) -> None:
        """Take up a chat that arrived before the first decision read; its offer states the arrival.

        A chat requeued from an agent counts as answered, as nearly all transferred chats were. If the chat was also
        answered or overflowed before the first decision read, no decision says so: it counts again, in its present
        queue.
        """
        fields = decision.fields
        chat = (decision.pool, fields["chat_id"])
        if chat in self.waits or chat in self.answered:
            return
        if answered:
            self.answered.add(chat)
        else:
            self.waits.arrive([(*chat, fields["queue"], fields["arrived_at"])])

    def _accept(self, decision: DecisionRecord) -> None:
        chat = (decision.pool, decision.fields["chat_id"])
        ended = self.waits.accept([(*chat, decision.fields["at"])])
        if ended:
            self.answered.add(chat)
            self._count_ended(decision, ended)

    def _close(self, decision: DecisionRecord) -> None:
        fields = decision.fields
        chat = (decision.pool, fields["chat_id"])
        if chat in self.answered:
            self.answered.remove(chat)
            return
        ended = self.waits.close([(*chat, fields["at"], fields["reason"])])
        if ended:
            self._count_ended(decision, ended)
        elif fields["reason"] in UNANSWERED_ENDS:
            # The chat arrived before the first decision read and has no offer since. It has waited for long, and is
            # counted in the queue in which it closes.
            outcome = outcome_unanswered(fields["reason"], math.inf)
            for figures in self.windows.at((decision.pool, fields["queue"]), decision.at):
                figures.add_unanswered(outcome)

    def _count_ended(self, decision: DecisionRecord, ended: EndedWaits) -> None:
        for (pool, queue, outcome), waits in ended.items():
            for figures in self.windows.at((pool, queue), decision.at):
                for _, wait_ms in waits:
                    if outcome == "answered":
                        figures.add_answered(wait_ms, self.in_time_seconds)
                    else:
                        figures.add_unanswered(outcome)
