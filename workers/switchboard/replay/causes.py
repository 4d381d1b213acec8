"""What made a decision happen: the event, or the timer."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from switchboard.domain.decisions import AssignmentConfirmed, AssignmentEnded, ChatClosed, ChatRequeued, Decision
from switchboard.domain.events import Event

Timer: TypeAlias = Literal[
    "offer-expiry", "wait-over", "queue-overflow", "queue-timeout", "wrap-up-limit", "agent-absent", "agent-lost"
]
"""Which timer fired. `wait-over`: a delay between chats is over, or a chat may be offered again to who turned it down
(R5); the others are those of R1."""


@dataclass(slots=True)
class Cause:
    """Why something was decided just then."""

    kind: Literal["event", "timer"]
    type: str
    """The event's type, or the timer."""
    agent_id: str | None
    chat_id: str | None
    """Whom it was about."""
    data: dict[str, Any] = field(default_factory=dict)
    """The event's fields."""
    id: str | None = None
    """The event's CloudEvents id."""
    source: tuple[str, int, int] | None = None
    """(topic, partition, offset) that the event came from."""
    ignored: str | None = None
    """Why the event changed nothing (R21)."""


def of_event(event: Event, ignored: str | None) -> Cause:
    """An event as a cause."""
    data = {name: value for name, value in event.data.items() if name not in ("config", "attributes")}
    return Cause(
        "event",
        event.type,
        data.get("agent_id"),
        data.get("chat_id"),
        data,
        event.id,
        event.source,
        ignored,
    )


def of_timer(made: list[Decision]) -> Cause:
    """The timer behind all decisions of one step of time: the first of them tells which it was (R1, R3)."""
    first = made[0] if made else None
    timer: Timer = "wait-over"
    agent_id = chat_id = None
    match first:
        case AssignmentEnded():
            timer = "offer-expiry" if first.reason == "missed" else _silence(first.reason)
        case AssignmentConfirmed():
            timer = "offer-expiry"
        case ChatRequeued():
            timer = "queue-overflow" if first.reason == "overflow" else _silence(first.reason)
        case ChatClosed():
            timer = "queue-timeout" if first.reason == "queue-timed-out" else "wrap-up-limit"
        case _:
            pass
    if first is not None and timer != "wait-over":
        agent_id, chat_id = getattr(first, "agent_id", None), getattr(first, "chat_id", None)
    return Cause("timer", timer, agent_id, chat_id)


def _silence(reason: str) -> Timer:
    return "agent-lost" if reason == "agent-lost" else "agent-absent"
