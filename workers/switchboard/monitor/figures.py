"""What is counted of the chats that arrived in a queue, over some time."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, TypeVar

from switchboard.monitor.public_rows import Decided, seconds

SHORT_ABANDON_SECONDS: Final = 5.0
"""Who leaves sooner most likely never meant to stay: the second service level leaves them out."""


@dataclass(slots=True)
class Figures:
    """Counts of one queue. All can be added up, so that windows make days."""

    arrived: int = 0
    """Chats that arrived in the queue."""
    answered: int = 0
    """Chats that an agent accepted, or whose offer was accepted by itself."""
    answered_in_time: int = 0
    """Those of them that had waited no longer than the service level allows."""
    abandoned: int = 0
    """Chats that were closed before anybody accepted them: the customer left, or the queue's limit was over."""
    abandoned_soon: int = 0
    """Those of them whose customer left within SHORT_ABANDON_SECONDS."""
    waited_seconds: float = 0.0
    """Of all answered ones together."""
    longest_wait_seconds: float = 0.0
    """Of an answered one."""

    def answer(self, waited: float, in_time: float) -> None:
        """Count an answer after `waited` seconds, where up to `in_time` are allowed."""
        self.answered += 1
        self.answered_in_time += waited <= in_time
        self.waited_seconds += waited
        self.longest_wait_seconds = max(self.longest_wait_seconds, waited)

    def leave(self, waited: float, *, timed_out: bool) -> None:
        """Count a customer who left after `waited` seconds, or whom the queue's limit sent away then."""
        self.abandoned += 1
        self.abandoned_soon += waited < SHORT_ABANDON_SECONDS and not timed_out

    def add(self, other: "Figures") -> None:
        """Count what the other has counted."""
        self.arrived += other.arrived
        self.answered += other.answered
        self.answered_in_time += other.answered_in_time
        self.abandoned += other.abandoned
        self.abandoned_soon += other.abandoned_soon
        self.waited_seconds += other.waited_seconds
        self.longest_wait_seconds = max(self.longest_wait_seconds, other.longest_wait_seconds)

    def told(self) -> dict[str, Any]:
        """As the web API tells them; ratios from 0 to 1 and waits are null where there is nothing to take them of."""
        ended = self.answered + self.abandoned
        return {
            "arrived": self.arrived,
            "answered": self.answered,
            "answered_in_time": self.answered_in_time,
            "abandoned": self.abandoned,
            "abandoned_soon": self.abandoned_soon,
            "service_level": _ratio(self.answered_in_time, ended),
            "service_level_without_short": _ratio(self.answered_in_time, ended - self.abandoned_soon),
            "mean_wait_seconds": round(self.waited_seconds / self.answered, 3) if self.answered else None,
            "longest_wait_seconds": round(self.longest_wait_seconds, 3) if self.answered else None,
        }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


NOW_MINUTES: Final = 15
"""How many windows `now` is made of: the minute that runs and those before it."""
WINDOW_SECONDS: Final = 60

MOST_QUEUES: Final = 10_000
"""Queues that are counted in by themselves on a day, which takes up to 40 MB."""

Queue = tuple[str, str]
"""(pool, queue)."""
OTHERS: Final[Queue] = ("other", "other")
"""All queues beyond MOST_QUEUES. Anyone on the bus can make up pools."""
Key = TypeVar("Key", int, date)


@dataclass(slots=True)
class Windows:
    """The figures of all queues. What belongs to no window and no day that can still be asked for is dropped."""

    zone: tzinfo = UTC
    """Whose midnight a day begins at."""
    minutes: defaultdict[Queue, dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))
    """By minutes since 1970."""
    days: defaultdict[Queue, dict[date, Figures]] = field(default_factory=lambda: defaultdict(dict))

    def at(self, queue: Queue, moment: float) -> tuple[Figures, Figures]:
        """The minute's and the day's figures of a moment, to count in; those of OTHERS where too many are counted."""
        if queue not in self.days and len(self.days) >= MOST_QUEUES:
            queue = OTHERS
        minute, day = int(moment // WINDOW_SECONDS), self.day(moment)
        return _of(self.minutes[queue], minute, NOW_MINUTES), _of(self.days[queue], day, 1)

    def now(self, queue: Queue, now: float) -> Figures:
        """The figures of the last NOW_MINUTES windows.

        One that lies ahead counts too: the router's clock may be ahead of this machine's.
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
        """Drop what is over: the days before today, and the windows before `now`'s; of some queues, or of all."""
        day, since = self.day(now), int(now // WINDOW_SECONDS) - NOW_MINUTES
        for queue in tuple({*self.days, *self.minutes}) if queues is None else queues:
            if queue in self.days and max(self.days[queue]) < day:
                del self.days[queue]
            if queue in self.minutes and max(self.minutes[queue]) <= since:
                del self.minutes[queue]

    def day(self, moment: float) -> date:
        """The day that a moment belongs to."""
        return datetime.fromtimestamp(moment, self.zone).date()


def start_of_day(now: float, zone: tzinfo) -> float:
    """The last midnight, in seconds since 1970."""
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp()


def _of(kept: dict[Key, Figures], key: Key, most: int) -> Figures:
    """The figures of a key, made if there are none; only the `most` latest keys are kept, and the key's own."""
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


SERVICE_LEVEL_SECONDS = 20.0

TAKEN_BACK: Final = frozenset({"transferred", "agent-lost", "agent-logged-out"})
"""Why a chat waits again that an agent had. (One that was only offered had its offer shortly before.)"""
WENT: Final = frozenset({"abandoned", "queue-timed-out"})
"""How a chat ends that no agent has."""


@dataclass(slots=True)
class Journey:
    """An open chat as it is counted."""

    queue: str
    """Where it arrived."""
    since: float
    """When that was, in seconds since 1970."""
    answered: bool = False


@dataclass(slots=True)
class Counting:
    """Counts decisions, each of which must come once and, within a pool, in order.

    By the convention of the router's metrics and of `whatif`: a chat counts once, when its first wait ends, for the
    queue in which it arrived, wherever it was answered.
    """

    windows: Windows = field(default_factory=Windows)
    in_time: float = SERVICE_LEVEL_SECONDS
    """Answered within so many seconds is in time."""
    journeys: dict[tuple[str, str], Journey] = field(default_factory=dict)
    """The open chats by (pool, chat id)."""

    def count(self, decided: Decided) -> None:
        """Take one decision into the figures."""
        fields = decided.fields
        match fields["type"]:
            case "chat-queued":
                self._arrive(decided)
            case "chat-assigned":
                self._know(decided, answered=fields["origin"] == "transfer")
            case "chat-requeued" if fields["reason"] in TAKEN_BACK:
                self._know(decided, answered=True)
            case "assignment-confirmed":
                self._answer(decided)
            case "chat-closed":
                self._close(decided)
            case _:
                pass

    def _arrive(self, decided: Decided) -> None:
        fields = decided.fields
        self.journeys[decided.pool, fields["chat_id"]] = Journey(fields["queue"], seconds(fields["arrived_at"]))
        for figures in self.windows.at((decided.pool, fields["queue"]), decided.at):
            figures.arrived += 1

    def _know(self, decided: Decided, *, answered: bool) -> None:
        """Take up a chat that arrived before the reading began: an offer tells when that was.

        One that is taken back from an agent was answered, or is taken for it: nearly all are that are transferred.
        Where that, or an overflow, was before the reading too, nothing tells: it counts where it is, and once more.
        """
        key = (decided.pool, decided.fields["chat_id"])
        if key not in self.journeys:
            arrived = decided.fields.get("arrived_at", decided.fields["at"])
            self.journeys[key] = Journey(decided.fields["queue"], seconds(arrived), answered)

    def _answer(self, decided: Decided) -> None:
        journey = self.journeys.get((decided.pool, decided.fields["chat_id"]))
        if journey is None or journey.answered:
            return
        journey.answered = True
        for figures in self.windows.at((decided.pool, journey.queue), decided.at):
            figures.answer(max(0.0, decided.at - journey.since), self.in_time)

    def _close(self, decided: Decided) -> None:
        fields = decided.fields
        journey = self.journeys.pop((decided.pool, fields["chat_id"]), None)
        if journey is None and fields["reason"] in WENT:
            # It came before the reading began, and was not offered since: it has waited for long, in this queue.
            journey = Journey(fields["queue"], -math.inf)
        if journey is None or journey.answered:
            return
        for figures in self.windows.at((decided.pool, journey.queue), decided.at):
            figures.leave(max(0.0, decided.at - journey.since), timed_out=fields["reason"] == "queue-timed-out")
