"""A chat's story, as a witness sees it: each event and each decision about it, and what stood behind each."""

from dataclasses import dataclass, field
from typing import Any, Literal

from switchboard.domain.decisions import AssignmentEnded, ChatClosed, ChatQueued, Decision
from switchboard.domain.events import Event
from switchboard.domain.pool import Pool
from switchboard.domain.rows import chat_value
from switchboard.domain.state import Agent, Chat, Request
from switchboard.replay.causes import Cause, of_event, of_timer
from switchboard.replay.choices import Choice, Unserved, choose, unserved
from switchboard.replay.steps_seen import StepsSeen


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


class ChatWitness:
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

    def offering(self, pool: Pool, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Look at who stands where, if it is this chat."""
        if chat.id == self._chat_id and self._wants(pool):
            self._choice = choose(pool, agent, chat, request, self._turned_down.get(pool.id, {}))

    def happened(self, pool: Pool, event: Event, ignored: str | None) -> None:
        """Write down an event, if it is about the chat or led to a decision about it."""
        made = self._steps.made(pool)
        if event.data.get("chat_id") == self._chat_id or self._concerns(made):
            self._write(pool, of_event(event, ignored), made)

    def time_passed(self, pool: Pool) -> None:
        """Write down a timer, if it led to a decision about the chat."""
        made = self._steps.made(pool)
        if self._concerns(made):
            self._write(pool, of_timer(made), made)

    def _concerns(self, made: list[Decision]) -> bool:
        return any(getattr(decision, "chat_id", None) == self._chat_id for decision in made)

    def _wants(self, pool: Pool) -> bool:
        return self._pool is None or pool.id == self._pool

    def _write(self, pool: Pool, cause: Cause, made: list[Decision]) -> None:
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
                pool.at,
                pool.shard,
                pool.frame,
                cause,
                own,
                also,
                self._choice,
                unserved(pool, chat, turned_down) if waits and chat is not None and _begins(own) else None,
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
