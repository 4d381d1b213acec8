"""State of a simulation: customers' chats, agents, the diary of future actions and the outbox of events."""

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
    """Time at which the event was due, ms since 1970."""


@dataclass(slots=True, frozen=True)
class Entry:
    """A planned action of a customer or agent. A `mark` that no longer agrees when due shows a stale entry."""

    deed: Deed
    who: str
    """Chat id for `abandon`, `end-talk` and `release`; agent id for the actions of agents."""
    mark: int = 0
    chat_id: str = ""
    """Chat whose offer is answered, for `answer`."""


@dataclass(slots=True)
class Diary:
    """Planned actions in order of (due time, order of writing), and the events to send."""

    heap: list[tuple[int, int, Entry]] = field(default_factory=list)
    written: int = 0
    outbox: list[Outgoing] = field(default_factory=list)

    def write(self, due: int, entry: Entry) -> None:
        """Plan an action for the time `due`, ms since 1970."""
        heappush(self.heap, (due, self.written, entry))
        self.written += 1

    def next_due(self) -> int | None:
        """Return the due time of the next action, ms since 1970; None without actions."""
        return self.heap[0][0] if self.heap else None

    def take(self, now: int) -> tuple[int, Entry] | None:
        """Remove and return the first due action as (due, entry); None if no action is due."""
        if not self.heap or self.heap[0][0] > now:
            return None
        due, _, entry = heappop(self.heap)
        return due, entry

    def send(self, at: int, event_type: str, body: dict[str, Any]) -> None:
        """Put an event into the outbox, keyed by agent on `agent-presence` and `request-chat`, else by chat."""
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
    """True for a chat of a simulated customer; the agents answer other chats as well."""
    stage: Stage = "waiting"
    agent_id: str | None = None
    """Id of the agent who was offered the chat or holds the chat."""
    waits: int = 0
    """Number of times that the chat entered a queue: the mark of the customer's patience."""
    stint: int = 0
    """Number of agents who accepted the chat: the mark of the ends of talk and wrap-up."""
    transfers: int = 0
    refused: bool = False
    """True if the last transfer was rejected: no further transfer is tried."""


@dataclass(slots=True)
class Agent:
    """One agent."""

    post: Post
    dice: Random
    mode: Mode
    presence: Presence = "out"
    stretch: int = 0
    """Number of changes of presence: the mark of stepping away and coming back."""
    away: Away = "log-out"
    """The way of the last absence."""
    leaving: bool = False
    """True if the agent logs out when the last chat is done."""
    offers: dict[str, str] = field(default_factory=dict)
    """Chat id -> offer id of offers that the agent has not answered."""
    chats: set[str] = field(default_factory=set)
    """Ids of accepted chats that are not closed."""
    max_sessions: int | None = None
    """Limit of sessions; None until the first offer shows the limit."""
    asking: bool = False
    """True while a request of the agent is outstanding."""
    reaching: bool = False
    """True while a click on Request Chat is planned."""
    clicks: int = 0


@dataclass(slots=True)
class Scene:
    """All state of one simulation."""

    people: People
    dice: Dice
    cast: Cast
    label: str
    """Prefix of the ids of simulated chats."""
    diary: Diary = field(default_factory=Diary)
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """By agent id, in the order of the cast."""
    arrived: int = 0
    started: int = 0
    """Start of the simulation, ms since 1970."""
