"""From decisions to figures: who arrived in a queue, who was answered, who left, and how long each had waited."""

import math
from dataclasses import dataclass, field
from typing import Final

from switchboard.monitor.decisions import Decided, seconds
from switchboard.monitor.windows import Windows

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
