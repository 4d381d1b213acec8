"""What happened: the events that the engine is told, in frames.

The engine trusts its frames: what is here has passed the schemas of `schemas/`, so `data` holds the known fields of
its type, none of them null, and neither `type` nor `pool`.
"""

from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_POOL: Final = "default"

EVENT_TYPES: Final = (
    "pool-configured",
    "agent-logged-in",
    "chat-arrival",
    "request-chat",
    "chat-accepted",
    "chat-declined",
    "chat-abandoned",
    "chat-concluded",
    "chat-released",
    "chat-transferred",
    "agent-logged-out",
    "agent-status-changed",
    "agent-absent",
    "agent-present",
    "agent-lost",
    "agent-heartbeat",
    "agent-capacity-changed",
    "request-cancelled",
)
"""Every event type there is, in the order in which records of equal timestamp are merged."""


@dataclass(slots=True)
class Event:
    """One event, as the journal holds it."""

    type: str
    pool: str
    data: dict[str, Any]
    """The event's own fields, as they came (times are RFC 3339 text)."""
    id: str | None = None
    """The CloudEvents id, if it had one."""
    source: tuple[str, int, int] = ("", 0, 0)
    """(topic, partition, offset) of the record it came in."""


@dataclass(slots=True)
class Frame:
    """One step of a shard's journal: some time passes, then some events happen (R1)."""

    n: int
    """Count of the shard's frames, from 0."""
    at: int
    """The clock, in ms since 1970."""
    run: int
    """Service time since the frame before, in ms."""
    events: list[Event] = field(default_factory=list)
