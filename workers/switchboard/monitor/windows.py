"""Figures by queue and time: tumbling windows of a minute for what is now, and the day."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Final, TypeVar

from switchboard.monitor.figures import Figures

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
