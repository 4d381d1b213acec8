"""From decisions to figures: who entered a queue, who was answered, who left, and how long each had waited."""

from dataclasses import dataclass, field

from switchboard.monitor.decisions import Decided, seconds
from switchboard.monitor.windows import Windows

SERVICE_LEVEL_SECONDS = 20.0


@dataclass(slots=True)
class Journey:
    """An open chat as it is counted."""

    queue: str
    since: float
    """What its wait runs from: its arrival; or, where it was answered before, when it came to wait again."""
    answered: bool = False


@dataclass(slots=True)
class Counting:
    """Counts decisions, each of which must come once and, within a pool, in order.

    A chat moved on to another queue while it waits enters that one, and the one it left counts neither an answer nor
    an abandonment. Its wait runs on, as the customer's does.
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
                self._enter(decided, Journey(fields["queue"], seconds(fields["arrived_at"])))
            case "chat-requeued":
                self._requeue(decided)
            case "chat-assigned":
                # One that arrived before the reading began: how it waited is in the offer. One transferred to this
                # agent may have been answered before, which can't be told from it: it is not counted.
                journey = Journey(fields["queue"], seconds(fields["arrived_at"]), fields["origin"] == "transfer")
                self.journeys.setdefault((decided.pool, fields["chat_id"]), journey)
            case "assignment-confirmed":
                self._answer(decided)
            case "chat-closed":
                self._close(decided)
            case _:
                pass

    def _enter(self, decided: Decided, journey: Journey) -> None:
        self.journeys[decided.pool, decided.fields["chat_id"]] = journey
        for figures in self.windows.at((decided.pool, journey.queue), decided.at):
            figures.arrived += 1

    def _requeue(self, decided: Decided) -> None:
        queue = decided.fields["queue"]
        journey = self.journeys.get((decided.pool, decided.fields["chat_id"]))
        if journey is None or journey.answered:
            self._enter(decided, Journey(queue, decided.at))
        elif journey.queue != queue:
            self._enter(decided, Journey(queue, journey.since))

    def _answer(self, decided: Decided) -> None:
        journey = self.journeys.get((decided.pool, decided.fields["chat_id"]))
        if journey is None or journey.answered:
            return
        journey.answered = True
        for figures in self.windows.at((decided.pool, decided.fields["queue"]), decided.at):
            figures.answer(max(0.0, decided.at - journey.since), self.in_time)

    def _close(self, decided: Decided) -> None:
        journey = self.journeys.pop((decided.pool, decided.fields["chat_id"]), None)
        if journey is None or journey.answered:
            return
        for figures in self.windows.at((decided.pool, decided.fields["queue"]), decided.at):
            figures.abandon(max(0.0, decided.at - journey.since))
