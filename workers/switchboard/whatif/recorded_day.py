"""What a log tells of a day: who came when, what each chat and each agent brought along, and under which rules.

Spans are in ms; `after` is since the log's first frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from switchboard.domain.configuration import UNCONFIGURED
from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rfc3339 import parse_ms
from switchboard.domain.state import Agent
from switchboard.errors import NothingToCompareError
from switchboard.simulation.cast import Planned

AgentKey: TypeAlias = tuple[str, str]
"""(pool, agent id)."""


@dataclass(slots=True)
class Stint:
    """A chat with one agent, from acceptance on."""

    lasts: int
    then: Literal["end", "to_queue", "to_agent", "cut"]
    """`cut`: it lasted at least so long, for the agent was lost or the log ends."""
    to: str = ""
    """The queue or the agent to which it was passed on."""


@dataclass(slots=True)
class ChatPast:
    """One chat."""

    chat_id: str
    pool: str
    queue: str
    """Where it arrived."""
    after: int
    waits: list[tuple[int, bool]] = field(default_factory=list)
    """How long each wait was, and whether the customer gave up at its end: else patience was longer than that."""
    stints: list[Stint] = field(default_factory=list)
    wrap_up: int | None = None
    """None: none was seen."""


@dataclass(slots=True)
class AgentPast:
    """One agent."""

    key: AgentKey
    plan: list[Planned] = field(default_factory=list)
    accepts: list[int] = field(default_factory=list)
    """From each offer to its acceptance."""
    declined: int = 0
    lapsed: int = 0
    """Offers that were left to expire."""
    clicks: list[int] = field(default_factory=list)
    """From each moment at which it could have asked, in pull mode, to Request Chat."""


@dataclass(slots=True)
class Past:
    """One day, or however long the log is."""

    start: int
    """The first frame's clock, ms since 1970."""
    end: int
    chats: list[ChatPast]
    """By arrival."""
    agents: dict[AgentKey, AgentPast]
    returns: list[int]
    """How long agents whom missed offers made unavailable took to come back."""
    configs: dict[str, Mapping[str, Any]]
    """The last configuration of each pool."""
    configured_again: tuple[str, ...]
    """Pools whose configuration changed with chats under way: the re-simulation has the last one throughout."""


PRESENCE: Final = frozenset(
    {
        "agent-logged-in",
        "agent-logged-out",
        "agent-status-changed",
        "agent-absent",
        "agent-present",
        "agent-lost",
        "agent-heartbeat",
        "agent-capacity-changed",
    }
)


@dataclass(slots=True)
class AgentReader:
    """Is shown each frame, after the engine has applied it."""

    start: int = 0
    agents: dict[AgentKey, AgentPast] = field(default_factory=dict)
    returns: list[int] = field(default_factory=list)
    _there: set[AgentKey] = field(default_factory=set)
    """Who is logged in, as far as the plans say."""
    _by_event: set[AgentKey] = field(default_factory=set)
    """Who has ever logged in by an event, not by a request."""
    _may_ask: dict[AgentKey, int] = field(default_factory=dict)
    """Since when agents in pull mode could have asked for a chat, and have not."""
    _sidelined: dict[AgentKey, int] = field(default_factory=dict)
    signs: set[AgentKey] = field(default_factory=set)
    """Whose event the last frame held, or a chat that came to or left them."""
    _last_sign: dict[AgentKey, int] = field(default_factory=dict)
    _held: dict[AgentKey, int] = field(default_factory=dict)
    """Chats in hand, offers that are not decided left out."""

    def step(self, engine: Engine, frame: Frame, decisions: list[Decision]) -> None:
        """Take note of one frame."""
        self.signs.clear()
        # What timers decided comes first, as it did: offers are missed before the frame's events happen (R1).
        for decision in decisions:
            self._decided(decision)
        for event in frame.events:
            self._happened(engine, event, frame.at)
        for pool_id, agent_id, agent in engine.changed_agents():
            self._changed((pool_id, agent_id), agent, frame.at)
        for key in self.signs:
            self._last_sign[key] = frame.at

    def left(self) -> list[AgentKey]:
        """Who never logged in or out by an event, and has no chat in hand: they left at their last sign."""
        return [key for key in self._there if key not in self._by_event and not self._held.get(key)]

    def finished(self) -> dict[AgentKey, AgentPast]:
        """The agents. Who never logged in or out by an event is there from the first sign to the last."""
        for key in self.left():
            self.agents[key].plan.append(Planned(self._last_sign[key] - self.start, "agent-logged-out", {}))
        return self.agents

    def _happened(self, engine: Engine, event: Event, at: int) -> None:
        agent_id = event.data.get("agent_id")
        if agent_id is None:
            return
        key = (event.pool, agent_id)
        self.signs.add(key)
        if event.type == "request-chat" and key in self._may_ask:
            self.agents[key].clicks.append(at - self._may_ask.pop(key))
        if event.type == "agent-logged-in":
            self._there.add(key)
            self._by_event.add(key)
        if event.type not in PRESENCE or key not in self._there:
            return
        if event.type == "agent-heartbeat" and not engine.pools[event.pool].config.watches_silence:
            return
        if key in self._sidelined and event.data.get("status") == "available" and event.type == "agent-status-changed":
            return  # how it came back from missed offers is drawn: in another run it misses others
        past = self.agents.setdefault(key, AgentPast(key))
        data = {name: value for name, value in event.data.items() if name not in ("agent_id", "reason")}
        past.plan.append(Planned(at - self.start, event.type, data))

    def _decided(self, decision: Decision) -> None:
        match decision.type:
            case "assignment-confirmed":
                agent = self._known(decision.pool, decision.agent_id)
                if decision.automatic:
                    agent.lapsed += 1
                else:
                    agent.accepts.append(round(1000 * decision.seconds_to_accept))
            case "assignment-ended" if decision.reason == "declined":
                self._known(decision.pool, decision.agent_id).declined += 1
            case "assignment-ended" if decision.reason == "missed":
                self._known(decision.pool, decision.agent_id).lapsed += 1
            case "agent-made-unavailable":
                self._sidelined[decision.pool, decision.agent_id] = parse_ms(decision.at)
            case _:
                pass

    def _changed(self, key: AgentKey, agent: Agent | None, at: int) -> None:
        held = 0 if agent is None else len(agent.sessions) - agent.undecided
        if held != self._held.get(key, 0):
            self._held[key] = held
            self.signs.add(key)
        if agent is None:
            self._there.discard(key)
            self._may_ask.pop(key, None)
            self._sidelined.pop(key, None)
            return
        past = self._known(*key)
        if key not in self._there:  # R12: by a request
            self._there.add(key)
            past.plan.append(Planned(at - self.start, "agent-logged-in", {"profile": agent.profile.config.name}))
        if key in self._sidelined and agent.available:
            self.returns.append(at - self._sidelined.pop(key))
        free = agent.ready and agent.request is None and len(agent.sessions) < agent.max_sessions
        if agent.mode == "pull" and free:
            self._may_ask.setdefault(key, at)
        else:
            self._may_ask.pop(key, None)

    def _known(self, pool: str, agent_id: str) -> AgentPast:
        return self.agents.setdefault((pool, agent_id), AgentPast((pool, agent_id)))


@dataclass(slots=True)
class _Open:
    chat: ChatPast
    stage: str
    since: int
    """When it entered its stage; for `offered`, when the wait began."""


@dataclass(slots=True)
class Reader:
    """Is shown each frame of a log with its decisions, after its shard's engine has applied it."""

    start: int | None = None
    end: int = 0
    chats: list[ChatPast] = field(default_factory=list)
    configs: dict[str, Any] = field(default_factory=dict)
    configured_again: set[str] = field(default_factory=set)
    agents: AgentReader = field(default_factory=AgentReader)
    _open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    def step(self, engine: Engine, frame: Frame, decisions: list[Decision]) -> None:
        """Take note of one frame."""
        if self.start is None:
            self.start = self.agents.start = frame.at
        self.end = max(self.end, frame.at)
        for event in frame.events:
            if event.type == "pool-configured":
                self._configured(event.pool, event.data["config"])
        for decision in decisions:
            self._decided(decision)
        self.agents.step(engine, frame, decisions)

    def past(self) -> Past:
        """All that was told.

        Raises:
            NothingToCompareError: no chat arrived.
        """
        if self.start is None or not self.chats:
            raise NothingToCompareError("no chat arrives in this log: there is nothing to simulate again")
        for each in self._open.values():
            if each.stage in ("waiting", "offered"):
                each.chat.waits.append((self.end - each.since, False))
            elif each.stage == "active":
                each.chat.stints.append(Stint(self.end - each.since, "cut"))
        pools = {chat.pool for chat in self.chats} | {pool for pool, _ in self.agents.agents}
        return Past(
            start=self.start,
            end=self.end,
            chats=sorted(self.chats, key=lambda chat: chat.after),
            agents=self.agents.finished(),
            returns=self.agents.returns,
            configs={pool: self.configs.get(pool, UNCONFIGURED) for pool in sorted(pools)},
            configured_again=tuple(sorted(self.configured_again)),
        )

    def _configured(self, pool: str, config: Any) -> None:
        if any(chat.pool == pool for chat in self.chats) and self.configs.get(pool, UNCONFIGURED) != config:
            self.configured_again.add(pool)
        self.configs[pool] = config

    def _decided(self, decision: Decision) -> None:
        if decision.type == "chat-queued":
            self._arrived(decision.pool, decision.chat_id, decision.queue, parse_ms(decision.arrived_at))
            return
        each = self._open.get((decision.pool, getattr(decision, "chat_id", "")))
        if each is None:
            return
        at = parse_ms(decision.at)
        match decision.type:
            case "chat-assigned":
                if each.stage in ("active", "wrapping"):  # R16: a transfer to an agent
                    self._end_stint(each, at, "to_agent", decision.agent_id)
                each.stage = "offered"
            case "assignment-ended" if each.stage == "offered":
                each.stage = "waiting"
            case "assignment-confirmed":
                each.chat.waits.append((at - each.since, False))
                each.stage, each.since = "active", at
            case "chat-wrapping":
                each.chat.stints.append(Stint(at - each.since, "end"))
                each.stage, each.since = "wrapping", at
            case "chat-requeued" if each.stage in ("active", "wrapping"):
                passed_on = decision.reason == "transferred"
                self._end_stint(each, at, "to_queue" if passed_on else "cut", decision.queue)
            case "chat-closed":
                self._closed(each, at, gave_up=decision.reason == "abandoned")
                del self._open[decision.pool, decision.chat_id]
            case _:
                pass

    def _arrived(self, pool: str, chat_id: str, queue: str, arrived_at: int) -> None:
        # An id may come again once it is forgotten (R13): that is another chat.
        turn = self._ids[chat_id] = self._ids.get(chat_id, 0) + 1
        start = self.start or 0
        name = chat_id if turn == 1 else f"{chat_id}#{turn}"
        chat = ChatPast(name, pool, queue, max(0, arrived_at - start))
        self.chats.append(chat)
        self._open[pool, chat_id] = _Open(chat, "waiting", start + chat.after)

    def _end_stint(self, each: _Open, at: int, then: Literal["to_queue", "to_agent", "cut"], to: str) -> None:
        lasts = at - each.since
        if each.stage == "wrapping":
            # Passed on while the notes were written: the agent had it until then, and it did not end there.
            lasts += each.chat.stints.pop().lasts
        each.chat.stints.append(Stint(lasts, then, to))
        each.stage, each.since = "waiting", at

    def _closed(self, each: _Open, at: int, *, gave_up: bool) -> None:
        match each.stage:
            case "active":
                each.chat.stints.append(Stint(at - each.since, "end"))
            case "wrapping":
                each.chat.wrap_up = at - each.since
            case _:
                each.chat.waits.append((at - each.since, gave_up))
