"""The story of a chat, as an observer records it: the events and timers, and the decisions that follow from each."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from switchboard.domain.decisions import (
    AssignmentConfirmed,
    AssignmentEnded,
    ChatClosed,
    ChatQueued,
    ChatRequeued,
    Decision,
)
from switchboard.domain.events import Event
from switchboard.domain.pool import Pool
from switchboard.domain.rows import chat_value
from switchboard.domain.state import Agent, Chat, Request
from switchboard.domain.step import Step
from switchboard.tools.choices import Choice, Unserved, explain_choice, explain_wait

Timer: TypeAlias = Literal[
    "offer-expiry", "wait-over", "queue-overflow", "queue-timeout", "wrap-up-limit", "agent-absent", "agent-lost"
]
"""The timers of R1. `wait-over`: a delay between chats or a re-offer cool-down has ended (R5)."""


@dataclass(slots=True)
class Cause:
    """The event or timer that led to decisions.

    The JSON output of `explain` has the field names of this file's classes.
    """

    kind: Literal["event", "timer"]
    type: str
    """The event's type, or the timer."""
    agent_id: str | None
    """The agent named by the event, or by the first decision of the timer."""
    chat_id: str | None
    """The chat named by the event, or by the first decision of the timer."""
    data: dict[str, Any] = field(default_factory=dict)
    """The event's fields."""
    id: str | None = None
    """The event's CloudEvents id."""
    source: tuple[str, int, int] | None = None
    """(topic, partition, offset) of the event's record."""
    ignored: str | None = None
    """Why the event changed nothing (R21)."""


def event_cause(event: Event, ignored: str | None) -> Cause:
    """An event as a cause. `ignored` is the reason if the event changed nothing (R21)."""
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


def timer_cause(decisions: list[Decision]) -> Cause:
    """The timer that led to these decisions. The type of the first decision identifies the timer (R1, R3)."""
    first = decisions[0] if decisions else None
    timer: Timer = "wait-over"
    agent_id = chat_id = None
    match first:
        case AssignmentEnded():
            timer = "offer-expiry" if first.reason == "missed" else _silence_timer(first.reason)
        case AssignmentConfirmed():
            timer = "offer-expiry"
        case ChatRequeued():
            timer = "queue-overflow" if first.reason == "overflow" else _silence_timer(first.reason)
        case ChatClosed():
            timer = "queue-timeout" if first.reason == "queue-timed-out" else "wrap-up-limit"
        case _:  # an offer: a delay or a re-offer cool-down has ended
            pass
    if first is not None and timer != "wait-over":
        agent_id, chat_id = getattr(first, "agent_id", None), getattr(first, "chat_id", None)
    return Cause("timer", timer, agent_id, chat_id)


def _silence_timer(reason: str) -> Timer:
    return "agent-lost" if reason == "agent-lost" else "agent-absent"


class DecisionCursor:
    """Divides the decisions of a frame by event and timer. One cursor for all pools, which share the frame's list."""

    def __init__(self) -> None:
        self._list: list[Decision] = []
        self._seen = 0

    def new(self, step: Step) -> list[Decision]:
        """The decisions made since the last call: those of the latest event or timer."""
        decisions = step.decisions
        # Each frame has a list of its own.
        if decisions is not self._list:
            self._list, self._seen = decisions, 0
        new = decisions[self._seen :]
        self._seen = len(decisions)
        return new


@dataclass(slots=True)
class Moment:
    """An event or timer that concerned the chat."""

    at: str
    shard: int
    frame: int
    cause: Cause
    decisions: list[Decision]
    """The decisions of this moment that name the chat."""
    also: list[Decision]
    """Further decisions about the agents of `decisions`, such as a request made for an agent."""
    choice: Choice | None
    """Set if the chat was offered."""
    unserved: Unserved | None
    """Set if the chat started to wait and no agent got it."""
    chat: dict[str, Any] | None
    """Public fields of the chat's row afterwards; None if the chat is not open."""


@dataclass(slots=True)
class Life:
    """One chat, from the first event that names it to its closing.

    A source may use the id again for another chat once the pool has forgotten the id (R13).
    """

    moments: list[Moment] = field(default_factory=list)
    has_arrived: bool = False
    is_closed: bool = False


@dataclass(slots=True)
class ChatStory:
    """All chats with an id in one pool."""

    chat_id: str
    pool: str
    lives: list[Life] = field(default_factory=list)
    ends_at: str = ""
    """The clock at the end of the log."""


class ChatObserver:
    """Records the story of a chat id, in one pool or in all.

    Attributes:
        stories: pool id → story.
        elsewhere: pools that know the id and were excluded.
    """

    def __init__(self, chat_id: str, pool: str | None) -> None:
        self._chat_id = chat_id
        self._pool = pool
        self.stories: dict[str, ChatStory] = {}
        self.elsewhere: set[str] = set()
        self._cursor = DecisionCursor()
        self._choice: Choice | None = None
        self._turned_down: dict[str, dict[str, Literal["declined", "missed"]]] = {}
        """Pool id → agent id → how the agent last turned the chat down."""

    def offering(self, pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Keep the state before an offer of this chat."""
        if chat.id == self._chat_id and self._includes(pool):
            self._choice = explain_choice(pool, step, agent, chat, request, self._turned_down.get(pool.id, {}))

    def happened(self, pool: Pool, step: Step, event: Event, ignored: str | None) -> None:
        """Record an event that names the chat, or led to a decision about the chat."""
        decisions = self._cursor.new(step)
        if event.data.get("chat_id") == self._chat_id or self._concerns(decisions):
            self._record(pool, step, event_cause(event, ignored), decisions)

    def time_passed(self, pool: Pool, step: Step) -> None:
        """Record a timer that led to a decision about the chat."""
        decisions = self._cursor.new(step)
        if self._concerns(decisions):
            self._record(pool, step, timer_cause(decisions), decisions)

    def _concerns(self, decisions: list[Decision]) -> bool:
        return any(getattr(decision, "chat_id", None) == self._chat_id for decision in decisions)

    def _includes(self, pool: Pool) -> bool:
        return self._pool is None or pool.id == self._pool

    def _record(self, pool: Pool, step: Step, cause: Cause, decisions: list[Decision]) -> None:
        if not self._includes(pool):
            self.elsewhere.add(pool.id)
            return
        story = self.stories.setdefault(pool.id, ChatStory(self._chat_id, pool.id))
        own = [decision for decision in decisions if getattr(decision, "chat_id", None) == self._chat_id]
        agent_ids = {agent_id for decision in own if (agent_id := getattr(decision, "agent_id", None)) is not None}
        also = [
            decision
            for decision in decisions
            if decision not in own and getattr(decision, "agent_id", None) in agent_ids
        ]
        life = _current_life(story, pool, own)
        turned_down = self._turned_down.setdefault(pool.id, {})
        for decision in own:
            if isinstance(decision, AssignmentEnded) and decision.reason in ("declined", "missed"):
                turned_down[decision.agent_id] = decision.reason
        chat = pool.chats.get(self._chat_id)
        wait = None
        if chat is not None and chat.stage == "waiting" and _starts_wait(own):
            wait = explain_wait(pool, chat, turned_down, step.service)
        life.moments.append(
            Moment(
                step.at,
                pool.shard,
                step.frame,
                cause,
                own,
                also,
                self._choice,
                wait,
                None if chat is None else _row(pool, chat),
            )
        )
        self._choice = None


def _current_life(story: ChatStory, pool: Pool, own: list[Decision]) -> Life:
    """The life that decisions belong to, added to the story if a new one starts."""
    arrives = any(isinstance(decision, ChatQueued) for decision in own)
    remembered = pool.remembered.get(story.chat_id)
    ends_early = remembered is not None and not remembered.arrived
    last = story.lives[-1] if story.lives else None
    # A second arrival starts a new life. Before the first arrival, events may name the chat: they belong to its life.
    # An ending remembered for a chat that has not arrived (R13) starts a new life once the chat before is closed.
    if last is None or (arrives and last.has_arrived) or (ends_early and last.is_closed):
        story.lives.append(Life())
    life = story.lives[-1]
    life.has_arrived = life.has_arrived or arrives
    life.is_closed = life.is_closed or any(isinstance(decision, ChatClosed) for decision in own)
    return life


def _starts_wait(own: list[Decision]) -> bool:
    return any(decision.type in ("chat-queued", "chat-requeued") for decision in own)


def _row(pool: Pool, chat: Chat) -> dict[str, Any]:
    """Fields of the chat's row, as on `open-chats`."""
    row = chat_value(pool, chat)
    return {name: row[name] for name in ("stage", "queue", "agent_id", "offer_id", "arrived_at", "attempt")}
