"""State of a simulation: customers' chats, agents, the schedule of future actions and the outbox of events."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, Literal, TypeAlias

from switchboard.simulation.cast import Cast, Mode, Post
from switchboard.simulation.people import Absence, People, SeededRandom

ActionKind: TypeAlias = Literal[
    "arrive",
    "abandon",
    "end-conversation",
    "release",
    "answer",
    "log-in",
    "start-absence",
    "end-absence",
    "click",
    "heartbeat",
    "planned-event",
    "log-out",
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
class PlannedAction:
    """A planned action of a customer or agent.

    An action is stale, and does nothing, if the chat or agent has another version when the action is due.
    """

    kind: ActionKind
    subject_id: str
    """Chat id for `abandon`, `end-conversation` and `release`; empty for `arrive`; agent id for all others."""
    version: int = 0
    """Expected version of the chat or agent. For `answer`, the number of the offer; for `planned-event`, an index."""
    chat_id: str = ""
    """Chat whose offer is answered, for `answer`."""


@dataclass(slots=True)
class Schedule:
    """Planned actions in order of (due time, order of planning), and the events to send."""

    heap: list[tuple[int, int, PlannedAction]] = field(default_factory=list)
    """(due time in ms since 1970, number, action)."""
    planned: int = 0
    """Number of actions planned so far."""
    outbox: list[Outgoing] = field(default_factory=list)

    def plan(self, due: int, action: PlannedAction) -> None:
        """Plan an action for the time `due`, ms since 1970."""
        heappush(self.heap, (due, self.planned, action))
        self.planned += 1

    def next_due(self) -> int | None:
        """Return the due time of the next action, ms since 1970; None without actions."""
        return self.heap[0][0] if self.heap else None

    def pop_due(self, now: int) -> tuple[int, PlannedAction] | None:
        """Remove and return the first due action as (due time, action); None if no action is due."""
        if not self.heap or self.heap[0][0] > now:
            return None
        due, _, action = heappop(self.heap)
        return due, action

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
Presence: TypeAlias = Literal["logged-out", "working", "made-unavailable", "break", "absent"]
"""`logged-out` includes lost agents. `made-unavailable`: by missed offers."""


@dataclass(slots=True)
class Chat:
    """One open chat."""

    chat_id: str
    pool: str
    is_simulated: bool
    """True for a chat of a simulated customer; the agents answer other chats as well."""
    stage: Stage = "waiting"
    agent_id: str | None = None
    """Id of the agent who was offered the chat or holds the chat."""
    waits: int = 0
    """Number of times that the chat entered a queue. The version for `abandon`."""
    handling: int = 0
    """Number of agents who accepted the chat. The version for `end-conversation` and `release`."""
    transfers: int = 0
    transfer_refused: bool = False
    """True if the last transfer was rejected: no further transfer is tried."""


@dataclass(slots=True)
class Agent:
    """One agent."""

    post: Post
    rng: Random
    mode: Mode
    presence: Presence = "logged-out"
    presence_changes: int = 0
    """Number of changes of presence. The version for `start-absence`, `end-absence` and `log-out`."""
    absence: Absence = "log-out"
    """Kind of the last absence."""
    logs_out_when_free: bool = False
    """True if the agent logs out when the last chat is done."""
    offers: dict[str, str] = field(default_factory=dict)
    """Chat id → offer id of unanswered offers."""
    chats: set[str] = field(default_factory=set)
    """Ids of accepted chats that are not closed."""
    max_sessions: int | None = None
    """Limit of sessions; None until the first offer shows the limit."""
    has_request: bool = False
    """True while a request of the agent is outstanding."""
    click_planned: bool = False
    """True while a click on Request Chat is planned."""
    clicks: int = 0
    """Number of planned clicks so far. The version for `click`."""


@dataclass(slots=True)
class Scene:
    """All state of one simulation."""

    people: People
    random: SeededRandom
    cast: Cast
    label: str
    """Prefix of the ids of simulated chats."""
    schedule: Schedule = field(default_factory=Schedule)
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """By agent id, in the order of the cast."""
    arrived: int = 0
    """Number of arrivals so far."""
    started: int = 0
    """Start of the simulation, ms since 1970."""
