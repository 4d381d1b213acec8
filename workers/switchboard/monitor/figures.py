"""The figures of a queue over some time: chats that arrived, their outcomes, waits and service level."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, TypeVar

from switchboard.monitor.public_rows import Decided
from switchboard.projections.chat_outcomes import (
    EndedWaits,
    FirstWaits,
    WaitOutcome,
    outcome_unanswered,
    service_level,
)

NOW_MINUTES: Final = 15
"""Number of windows that `now` is made of: the running minute and those before it."""
WINDOW_SECONDS: Final = 60

MOST_QUEUES: Final = 10_000
"""Queues with counts of their own on one day, which take up to 40 MB."""

SERVICE_LEVEL_SECONDS = 20.0

BACK_FROM_AGENT: Final = frozenset({"transferred", "agent-lost", "agent-logged-out"})
"""Reasons of `chat-requeued` for a chat that an agent had. (A chat that was only offered had its offer shortly
before.)"""
UNANSWERED_ENDS: Final = frozenset({"abandoned", "queue-timed-out"})
"""Reasons of `chat-closed` for a chat that no agent has."""

Queue = tuple[str, str]
"""(pool, queue)."""
OTHERS: Final[Queue] = ("other", "other")
"""All queues beyond MOST_QUEUES. Anyone on the bus can make up pools."""
Key = TypeVar("Key", int, date)


@dataclass(slots=True)
class Figures:
    """Counts of one queue. All can be added up, so that windows make days."""

    arrived: int = 0
    """Chats that arrived in the queue."""
    answered: int = 0
    """Chats that an agent accepted, or whose offer was accepted by itself."""
    answered_in_time: int = 0
    """Answered chats that had waited no longer than the service level allows."""
    abandoned: int = 0
    """Chats that were closed before anybody accepted them: the customer left, or the queue's limit was over."""
    abandoned_soon: int = 0
    """Abandoned chats whose customer left within SHORT_ABANDON_MS."""
    waited_ms: int = 0
    """The waits of all answered chats together."""
    longest_wait_ms: int = 0
    """The longest wait of an answered chat."""

    def add_answered(self, wait_ms: int, in_time_seconds: float) -> None:
        """Count a chat that was answered after `wait_ms`; up to `in_time_seconds` is in time."""
        self.answered += 1
        self.answered_in_time += wait_ms / 1000 <= in_time_seconds
        self.waited_ms += wait_ms
        self.longest_wait_ms = max(self.longest_wait_ms, wait_ms)

    def add_unanswered(self, outcome: WaitOutcome) -> None:
        """Count a chat whose customer left, or whose time was over."""
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
    """The figures of all queues, by minute and by day. Minutes and days that nobody can ask for are dropped."""

    zone: tzinfo = UTC
    """The time zone whose midnight a day begins at."""
    most_queues: int = MOST_QUEUES
    minutes: defaultdict[Queue, dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))
    """By minutes since 1970."""
    days: defaultdict[Queue, dict[date, Figures]] = field(default_factory=lambda: defaultdict(dict))

    def at(self, queue: Queue, moment: float) -> tuple[Figures, Figures]:
        """The figures of the minute and of the day of a moment, to count in.

        Those of OTHERS where `most_queues` have figures already. `moment` is in seconds since 1970.
        """
        if queue not in self.days and len(self.days) >= self.most_queues:
            queue = OTHERS
        minute, day = int(moment // WINDOW_SECONDS), self.day(moment)
        return _entry(self.minutes[queue], minute, NOW_MINUTES), _entry(self.days[queue], day, 1)

    def now(self, queue: Queue, now: float) -> Figures:
        """The figures of the last NOW_MINUTES windows.

        A window that lies ahead counts too: the router's clock may be ahead of this machine's.
        """
        since = int(now // WINDOW_SECONDS) - NOW_MINUTES
        kept = self.minutes.get(queue, {})
        return _sum(figures for minute, figures in kept.items() if minute > since)

    def today(self, queue: Queue, now: float) -> Figures:
        """The figures since midnight."""
        day = self.day(now)
        return _sum(figures for other, figures in self.days.get(queue, {}).items() if other >= day)

    def has_counted(self, queue: Queue, day: date) -> bool:
        """Whether anything was counted of a queue on a day or after it."""
        return any(other >= day for other in self.days.get(queue, ()))

    def forget(self, now: float, queues: Iterable[Queue] | None = None) -> None:
        """Drop the days before today and the windows that `now` no longer holds; of some queues, or of all."""
        day, since = self.day(now), int(now // WINDOW_SECONDS) - NOW_MINUTES
        for queue in tuple({*self.days, *self.minutes}) if queues is None else queues:
            if queue in self.days and max(self.days[queue]) < day:
                del self.days[queue]
            if queue in self.minutes and max(self.minutes[queue]) <= since:
                del self.minutes[queue]

    def day(self, moment: float) -> date:
        """The day of a moment, in the time zone of these windows."""
        return datetime.fromtimestamp(moment, self.zone).date()


def start_of_day(now: float, zone: tzinfo) -> float:
    """The last midnight, in seconds since 1970."""
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp()


def _entry(kept: dict[Key, Figures], key: Key, most: int) -> Figures:
    """The figures of a key, made if there are none. Beside the key's own, only the `most` latest are kept."""
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
    """Counts decisions into windows. Each decision must come once and, within a pool, in order.

    A chat counts once, when its first wait ends, for the queue in which it arrived, wherever it was answered: the
    convention of the router's metrics and of `whatif`.

    The monitor reads decisions from shortly before midnight on. So a chat may have arrived before the reading began;
    its first decision that is read then says what is known of it.
    """

    windows: Windows = field(default_factory=Windows)
    in_time_seconds: float = SERVICE_LEVEL_SECONDS
    """A chat answered within this time is answered in time."""
    waits: FirstWaits = field(default_factory=FirstWaits)
    """The chats that nobody has answered yet."""
    answered: set[tuple[str, str]] = field(default_factory=set)
    """(pool, chat id) of the open chats that somebody has answered."""

    def count(self, decided: Decided) -> None:
        """Count one decision.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or of another kind.
        """
        fields = decided.fields
        match fields["type"]:
            case "chat-queued":
                self._arrive(decided)
            case "chat-assigned":
                # A transfer from agent to agent is offered a second time: the chat was answered before.
                self._take_up(decided, answered=fields["origin"] == "transfer")
            case "chat-requeued" if fields["reason"] in BACK_FROM_AGENT:
                self._take_up(decided, answered=True)
            case "assignment-confirmed":
                self._accept(decided)
            case "chat-closed":
                self._close(decided)
            case _:
                pass

    def _arrive(self, decided: Decided) -> None:
        fields = decided.fields
        self.waits.arrive([(decided.pool, fields["chat_id"], fields["queue"], fields["arrived_at"])])
        self.answered.discard((decided.pool, fields["chat_id"]))
        for figures in self.windows.at((decided.pool, fields["queue"]), decided.at):
            figures.arrived += 1

    def _take_up(self, decided: Decided, *, answered: bool) -> None:
        """Take up a chat that arrived before the reading began: an offer says when it arrived.

        A chat taken back from an agent was answered, or is taken as answered: nearly all transferred chats were.
        If an answer or an overflow was before the reading too, no decision says so: the chat counts where it is now,
        and once more.
        """
        fields = decided.fields
        chat = (decided.pool, fields["chat_id"])
        if chat in self.waits or chat in self.answered:
            return
        if answered:
            self.answered.add(chat)
        else:
            self.waits.arrive([(*chat, fields["queue"], fields["arrived_at"])])

    def _accept(self, decided: Decided) -> None:
        chat = (decided.pool, decided.fields["chat_id"])
        ended = self.waits.accept([(*chat, decided.fields["at"])])
        if ended:
            self.answered.add(chat)
            self._count_ended(decided, ended)

    def _close(self, decided: Decided) -> None:
        fields = decided.fields
        chat = (decided.pool, fields["chat_id"])
        if chat in self.answered:
            self.answered.remove(chat)
            return
        ended = self.waits.close([(*chat, fields["at"], fields["reason"])])
        if ended:
            self._count_ended(decided, ended)
        elif fields["reason"] in UNANSWERED_ENDS:
            # The chat arrived before the reading began, and was not offered since: it has waited for long, in the
            # queue in which it closes.
            outcome = outcome_unanswered(fields["reason"], math.inf)
            for figures in self.windows.at((decided.pool, fields["queue"]), decided.at):
                figures.add_unanswered(outcome)

    def _count_ended(self, decided: Decided, ended: EndedWaits) -> None:
        for (pool, queue, outcome), waits in ended.items():
            for figures in self.windows.at((pool, queue), decided.at):
                for _, wait_ms in waits:
                    if outcome == "answered":
                        figures.add_answered(wait_ms, self.in_time_seconds)
                    else:
                        figures.add_unanswered(outcome)
