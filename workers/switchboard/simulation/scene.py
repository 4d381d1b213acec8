"""What is going to happen, and what is sent when it does."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, Literal, TypeAlias

from switchboard.simulation.cast import Cast, Mode, Post
from switchboard.simulation.people import Away, Dice, People

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

Stage: TypeAlias = Literal["waiting", "offered", "active", "wrapping"]
Presence: TypeAlias = Literal["out", "here", "sidelined", "break", "absent"]
"""`out` is logged out or lost; `sidelined` was made unavailable by missed offers."""


@dataclass(slots=True)
class Chat:
    """One open chat."""

    chat_id: str
    pool: str
    ours: bool
    """Whether its customer is one of ours; the agents answer other people's chats as well."""
    stage: Stage = "waiting"
    agent_id: str | None = None
    """Who was offered it or holds it."""
    waits: int = 0
    """How often it has come (back) to a queue: the mark of its customer's patience."""
    stint: int = 0
    """How many agents have accepted it: the mark of what its talk and wrap-up end."""
    transfers: int = 0
    refused: bool = False
    """The last transfer came to nothing: it stays where it is."""


@dataclass(slots=True)
class Agent:
    """One agent."""

    post: Post
    dice: Random
    mode: Mode
    presence: Presence = "out"
    stretch: int = 0
    """Grows whenever the presence changes: the mark of stepping away and coming back."""
    away: Away = "log-out"
    """How it went away last."""
    leaving: bool = False
    """Logs out as soon as its last chat is done."""
    offers: dict[str, str] = field(default_factory=dict)
    """chat_id to offer_id of what it has not decided on."""
    chats: set[str] = field(default_factory=set)
    """The chats it has accepted and not closed."""
    max_sessions: int | None = None
    """Known from its first assignment."""
    asking: bool = False
    """A request of its own is with the router."""
    reaching: bool = False
    """About to click Request Chat."""
    clicks: int = 0


@dataclass(slots=True)
class Scene:
    """Everyone and everything."""

    people: People
    dice: Dice
    cast: Cast
    label: str
    """What our chats' ids begin with."""
    diary: Diary = field(default_factory=Diary)
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """By agent id, in the order of the cast."""
    arrived: int = 0
    started: int = 0
    """When, in ms since 1970."""
