"""What is counted of the chats that arrived in a queue, over some time."""

from dataclasses import dataclass
from typing import Any, Final

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
