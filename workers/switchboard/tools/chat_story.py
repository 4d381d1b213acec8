"""What made a decision happen: the event, or the timer."""

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
from switchboard.tools.choices import Choice, Unserved, choose, unserved

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


class StepsSeen:
    """Remembers how far a frame's decisions were seen; one for all pools, for they share the frame's list."""

    def __init__(self) -> None:
        self._list: list[Decision] = []
        self._seen = 0

    def made(self, step: Step) -> list[Decision]:
        """The decisions made since this was last asked: those of the step that has just been settled."""
        decisions = step.decisions
        if decisions is not self._list:
            self._list, self._seen = decisions, 0
        made = decisions[self._seen :]
        self._seen = len(decisions)
        return made


@dataclass(slots=True)
class Moment:
    """One event or timer that had to do with the chat."""

    at: str
    shard: int
    frame: int
    cause: Cause
    decisions: list[Decision]
    """About the chat."""
    also: list[Decision]
    """What else followed about the agents of those decisions, such as a request made for one."""
    choice: Choice | None
    """Behind the offer among the decisions."""
    unserved: Unserved | None
    """Where the chat has begun to wait, or to wait again, and nobody took it."""
    chat: dict[str, Any] | None
    """Its public row afterwards; None: it is not open."""


@dataclass(slots=True)
class Life:
    """A chat from its arrival on, or from what came before it; an id may be used again once it was forgotten (R13)."""

    moments: list[Moment] = field(default_factory=list)
    has_arrived: bool = False
    is_closed: bool = False


@dataclass(slots=True)
class ChatStory:
    """What happened to a chat id in one pool."""

    chat_id: str
    pool: str
    lives: list[Life] = field(default_factory=list)
    ends_at: str = ""
    """The clock at the end of the log."""


class ChatObserver:
    """Writes down the story of a chat id, in one pool or in all."""

    def __init__(self, chat_id: str, pool: str | None) -> None:
        self._chat_id = chat_id
        self._pool = pool
        self.stories: dict[str, ChatStory] = {}
        """By pool."""
        self.elsewhere: set[str] = set()
        """Pools that know the id and were not asked for."""
        self._steps = StepsSeen()
        self._choice: Choice | None = None
        self._turned_down: dict[str, dict[str, Literal["declined", "missed"]]] = {}
        """pool -> agent -> how it last turned the chat down."""

    def offering(self, pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Look at who stands where, if it is this chat."""
        if chat.id == self._chat_id and self._wants(pool):
            self._choice = choose(pool, step, agent, chat, request, self._turned_down.get(pool.id, {}))

    def happened(self, pool: Pool, step: Step, event: Event, ignored: str | None) -> None:
        """Write down an event, if it is about the chat or led to a decision about it."""
        made = self._steps.made(step)
        if event.data.get("chat_id") == self._chat_id or self._concerns(made):
            self._write(pool, step, of_event(event, ignored), made)

    def time_passed(self, pool: Pool, step: Step) -> None:
        """Write down a timer, if it led to a decision about the chat."""
        made = self._steps.made(step)
        if self._concerns(made):
            self._write(pool, step, of_timer(made), made)

    def _concerns(self, made: list[Decision]) -> bool:
        return any(getattr(decision, "chat_id", None) == self._chat_id for decision in made)

    def _wants(self, pool: Pool) -> bool:
        return self._pool is None or pool.id == self._pool

    def _write(self, pool: Pool, step: Step, cause: Cause, made: list[Decision]) -> None:
        if not self._wants(pool):
            self.elsewhere.add(pool.id)
            return
        story = self.stories.setdefault(pool.id, ChatStory(self._chat_id, pool.id))
        own = [decision for decision in made if getattr(decision, "chat_id", None) == self._chat_id]
        agents = {agent for decision in own if (agent := getattr(decision, "agent_id", None)) is not None}
        also = [each for each in made if each not in own and getattr(each, "agent_id", None) in agents]
        life = _life(story, pool, own)
        turned_down = self._turned_down.setdefault(pool.id, {})
        for decision in own:
            if isinstance(decision, AssignmentEnded) and decision.reason in ("declined", "missed"):
                turned_down[decision.agent_id] = decision.reason
        chat = pool.chats.get(self._chat_id)
        waits = chat is not None and chat.stage == "waiting" and bool(own)
        life.moments.append(
            Moment(
                step.at,
                pool.shard,
                step.frame,
                cause,
                own,
                also,
                self._choice,
                unserved(pool, chat, turned_down, step.service)
                if waits and chat is not None and _begins(own)
                else None,
                None if chat is None else _row(pool, chat),
            )
        )
        self._choice = None


def _life(story: ChatStory, pool: Pool, own: list[Decision]) -> Life:
    """The life that a moment belongs to: an arrival begins one, but for what was told of the chat before it came.

    So does an ending that is remembered for a chat to come (R13), once the chat before it was closed.
    """
    arrives = any(isinstance(decision, ChatQueued) for decision in own)
    remembered = pool.remembered.get(story.chat_id)
    ends_early = remembered is not None and not remembered.arrived
    last = story.lives[-1] if story.lives else None
    if last is None or (arrives and last.has_arrived) or (ends_early and last.is_closed):
        story.lives.append(Life())
    life = story.lives[-1]
    life.has_arrived = life.has_arrived or arrives
    life.is_closed = life.is_closed or any(isinstance(decision, ChatClosed) for decision in own)
    return life


def _begins(own: list[Decision]) -> bool:
    return any(decision.type in ("chat-queued", "chat-requeued") for decision in own)


def _row(pool: Pool, chat: Chat) -> dict[str, Any]:
    row = chat_value(pool, chat)
    return {name: row[name] for name in ("stage", "queue", "agent_id", "offer_id", "arrived_at", "attempt")}
