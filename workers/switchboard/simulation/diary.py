"""What is going to happen, and what is sent when it does."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Literal, TypeAlias

Deed: TypeAlias = Literal[
    "arrive",
    "abandon",
    "end-talk",
    "release",
    "answer",
    "log-in",
    "step-away",
    "come-back",
    "click",
    "heartbeat",
    "as-planned",
    "go",
]


@dataclass(slots=True, frozen=True)
class Outgoing:
    """One event for a source topic (by its bare name) of the bus."""

    topic: str
    key: str
    type: str
    body: dict[str, Any]
    at: int
    """When it was due, in ms."""


@dataclass(slots=True, frozen=True)
class Entry:
    """A deed of somebody; `mark` tells whether it is still meant when it is due."""

    deed: Deed
    who: str
    """The chat for the first four, the agent for the others."""
    mark: int = 0
    chat_id: str = ""
    """For an answer."""


@dataclass(slots=True)
class Diary:
    """Deeds in order of (when they are due, when they were written down), and what has been sent."""

    heap: list[tuple[int, int, Entry]] = field(default_factory=list)
    written: int = 0
    outbox: list[Outgoing] = field(default_factory=list)

    def write(self, due: int, entry: Entry) -> None:
        """Have it done at `due` (ms)."""
        heappush(self.heap, (due, self.written, entry))
        self.written += 1

    def next_due(self) -> int | None:
        """When the next deed is due, in ms."""
        return self.heap[0][0] if self.heap else None

    def take(self, now: int) -> tuple[int, Entry] | None:
        """The first deed that is due, with the time for which it was written down."""
        if not self.heap or self.heap[0][0] > now:
            return None
        due, _, entry = heappop(self.heap)
        return due, entry

    def send(self, at: int, event_type: str, body: dict[str, Any]) -> None:
        """Put an event into the outbox: of a chat's topics keyed by the chat, else by the agent."""
        topic = _TOPICS.get(event_type, "agent-presence")
        key = body["agent_id"] if topic in ("agent-presence", "request-chat") else body["chat_id"]
        self.outbox.append(Outgoing(topic=topic, key=key, type=event_type, body=body, at=at))


_TOPICS = {
    "chat-arrival": "chat-arrival",
    "chat-accepted": "chat-accepted",
    "request-chat": "request-chat",
    "chat-declined": "chat-lifecycle",
    "chat-abandoned": "chat-lifecycle",
    "chat-concluded": "chat-lifecycle",
    "chat-released": "chat-lifecycle",
    "chat-transferred": "chat-lifecycle",
}
