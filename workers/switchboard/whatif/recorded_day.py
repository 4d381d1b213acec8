"""A recorded day as input of a simulation: arrivals, conversations, and the working times and delays of agents.

Durations are in ms. `after` is in ms since the log's first frame.
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
from switchboard.simulation.cast import PlannedEvent

AgentKey: TypeAlias = tuple[str, str]
"""(pool, agent id)."""


@dataclass(slots=True)
class Handling:
    """The handling of a chat by one agent, from the acceptance to the end of the conversation."""

    duration: int
    end: Literal["end", "to_queue", "to_agent", "cut"]
    """`to_queue`, `to_agent`: a transfer. `cut`: the agent was lost or the log ends, so `duration` is a lower bound."""
    target: str = ""
    """The queue or agent of the transfer."""


@dataclass(slots=True)
class RecordedChat:
    """One chat of the log."""

    chat_id: str
    pool: str
    queue: str
    """The queue of the arrival."""
    after: int
    waits: list[tuple[int, bool]] = field(default_factory=list)
    """(duration, True if the customer gave up at the end). Without giving up, the patience was longer."""
    handlings: list[Handling] = field(default_factory=list)
    wrap_up: int | None = None
    """None without a complete wrap-up in the log."""


@dataclass(slots=True)
class RecordedAgent:
    """One agent of the log."""

    key: AgentKey
    plan: list[PlannedEvent] = field(default_factory=list)
    accept_delays: list[int] = field(default_factory=list)
    """From each offer to the acceptance."""
    declined: int = 0
    """Number of declined offers."""
    lapsed: int = 0
    """Number of offers that expired without an answer."""
    click_delays: list[int] = field(default_factory=list)
    """In pull mode, from each time the agent could request a chat to the request."""


@dataclass(slots=True)
class RecordedDay:
    """The contents of a log, which may be longer or shorter than a day."""

    start: int
    """Clock of the first frame, ms since 1970."""
    end: int
    """Clock of the last frame, ms since 1970."""
    chats: list[RecordedChat]
    """In order of arrival."""
    agents: dict[AgentKey, RecordedAgent]
    return_delays: list[int]
    """Times until agents made unavailable by missed offers were available again."""
    configs: dict[str, Mapping[str, Any]]
    """Pool id → the pool's last configuration."""
    configured_again: tuple[str, ...]
    """Pools whose configuration changed after the first arrival. The simulation uses the last one throughout."""


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
    """Collects the working times and delays of agents. Call `step` with each frame, after the engine applied it."""

    start: int = 0
    agents: dict[AgentKey, RecordedAgent] = field(default_factory=dict)
    return_delays: list[int] = field(default_factory=list)
    seen: set[AgentKey] = field(default_factory=set)
    """Agents with an event in the last frame, or with a chat that started or ended there."""
    _logged_in: set[AgentKey] = field(default_factory=set)
    """Agents logged in according to their plans so far."""
    _logged_in_by_event: set[AgentKey] = field(default_factory=set)
    """Agents that ever logged in by an event rather than by a request (R12)."""
    _may_request_since: dict[AgentKey, int] = field(default_factory=dict)
    """Since when an agent in pull mode could request a chat and has not, ms since 1970."""
    _unavailable_since: dict[AgentKey, int] = field(default_factory=dict)
    """Since when an agent is unavailable by missed offers, ms since 1970."""
    _last_seen: dict[AgentKey, int] = field(default_factory=dict)
    """Clock of the last frame in which the agent was in `seen`, ms since 1970."""
    _accepted: dict[AgentKey, int] = field(default_factory=dict)
    """Number of the agent's sessions without offers."""

    def step(self, engine: Engine, frame: Frame, decisions: list[Decision]) -> None:
        """Read one frame."""
        self.seen.clear()
        # Decisions first: a frame's timers run before its events (R1), so offers are missed before the events happen.
        for decision in decisions:
            self._decided(decision)
        for event in frame.events:
            self._happened(engine, event, frame.at)
        for pool_id, agent_id, agent in engine.changed_agents():
            self._changed((pool_id, agent_id), agent, frame.at)
        for key in self.seen:
            self._last_seen[key] = frame.at

    def departed(self) -> list[AgentKey]:
        """Agents without a login or logout event and without a chat: they are taken to leave when last seen."""
        return [key for key in self._logged_in if key not in self._logged_in_by_event and not self._accepted.get(key)]

    def finished(self) -> dict[AgentKey, RecordedAgent]:
        """All agents. Adds a logout to the plans of `departed` agents; call once."""
        for key in self.departed():
            self.agents[key].plan.append(PlannedEvent(self._last_seen[key] - self.start, "agent-logged-out", {}))
        return self.agents

    def _happened(self, engine: Engine, event: Event, at: int) -> None:
        """Add an event of an agent to the agent's plan or delays."""
        agent_id = event.data.get("agent_id")
        if agent_id is None:
            return
        key = (event.pool, agent_id)
        self.seen.add(key)
        if event.type == "request-chat" and key in self._may_request_since:
            self.agents[key].click_delays.append(at - self._may_request_since.pop(key))
        if event.type == "agent-logged-in":
            self._logged_in.add(key)
            self._logged_in_by_event.add(key)
        # The plan has events of presence between login and logout only.
        if event.type not in PRESENCE or key not in self._logged_in:
            return
        # Heartbeats matter only to a pool with limits on silence (R18).
        if event.type == "agent-heartbeat" and not engine.pools[event.pool].config.watches_silence:
            return
        # The return after missed offers is drawn, because a simulated agent misses other offers.
        returns = event.type == "agent-status-changed" and event.data.get("status") == "available"
        if returns and key in self._unavailable_since:
            return
        data = {name: value for name, value in event.data.items() if name not in ("agent_id", "reason")}
        self._agent(*key).plan.append(PlannedEvent(at - self.start, event.type, data))

    def _decided(self, decision: Decision) -> None:
        """Count the answer to an offer."""
        match decision.type:
            case "assignment-confirmed":
                agent = self._agent(decision.pool, decision.agent_id)
                # Accepted by expiry (R10): the agent did not answer.
                if decision.automatic:
                    agent.lapsed += 1
                else:
                    agent.accept_delays.append(round(1000 * decision.seconds_to_accept))
            case "assignment-ended" if decision.reason == "declined":
                self._agent(decision.pool, decision.agent_id).declined += 1
            case "assignment-ended" if decision.reason == "missed":
                self._agent(decision.pool, decision.agent_id).lapsed += 1
            case "agent-made-unavailable":
                self._unavailable_since[decision.pool, decision.agent_id] = parse_ms(decision.at)
            case _:
                pass

    def _changed(self, key: AgentKey, agent: Agent | None, at: int) -> None:
        """Compare the agent's state with the previous one. `agent` is None after a logout or loss."""
        accepted = 0 if agent is None else len(agent.sessions) - agent.undecided
        if accepted != self._accepted.get(key, 0):
            self._accepted[key] = accepted
            self.seen.add(key)
        if agent is None:
            self._logged_in.discard(key)
            self._may_request_since.pop(key, None)
            self._unavailable_since.pop(key, None)
            return
        recorded = self._agent(*key)
        # No login event: the agent logged in by a request (R12).
        if key not in self._logged_in:
            self._logged_in.add(key)
            data = {"profile": agent.profile.config.name}
            recorded.plan.append(PlannedEvent(at - self.start, "agent-logged-in", data))
        if key in self._unavailable_since and agent.available:
            self.return_delays.append(at - self._unavailable_since.pop(key))
        free = agent.ready and agent.request is None and len(agent.sessions) < agent.max_sessions
        if agent.mode == "pull" and free:
            self._may_request_since.setdefault(key, at)
        else:
            self._may_request_since.pop(key, None)

    def _agent(self, pool: str, agent_id: str) -> RecordedAgent:
        return self.agents.setdefault((pool, agent_id), RecordedAgent((pool, agent_id)))


@dataclass(slots=True)
class _OpenChat:
    chat: RecordedChat
    stage: str
    since: int
    """Start of the stage, ms since 1970; for `offered`, start of the wait."""


@dataclass(slots=True)
class DayReader:
    """Reads a day. Call `step` with each frame of the log and its decisions, after the shard's engine applied it."""

    start: int | None = None
    end: int = 0
    chats: list[RecordedChat] = field(default_factory=list)
    configs: dict[str, Any] = field(default_factory=dict)
    configured_again: set[str] = field(default_factory=set)
    agents: AgentReader = field(default_factory=AgentReader)
    _open: dict[tuple[str, str], _OpenChat] = field(default_factory=dict)
    """(pool, chat id) → open chat."""
    _uses: dict[str, int] = field(default_factory=dict)
    """Chat id → number of chats with this id so far."""

    def step(self, engine: Engine, frame: Frame, decisions: list[Decision]) -> None:
        """Read one frame."""
        if self.start is None:
            self.start = self.agents.start = frame.at
        self.end = max(self.end, frame.at)
        for event in frame.events:
            if event.type == "pool-configured":
                self._configured(event.pool, event.data["config"])
        for decision in decisions:
            self._decided(decision)
        self.agents.step(engine, frame, decisions)

    def finish(self) -> RecordedDay:
        """The day. Ends the waits and conversations of chats that are still open; call once.

        Raises:
            NothingToCompareError: no chat arrived.
        """
        if self.start is None or not self.chats:
            raise NothingToCompareError("no chat arrives in this log: there is nothing to simulate again")
        for open_chat in self._open.values():
            duration = self.end - open_chat.since
            if open_chat.stage in ("waiting", "offered"):
                open_chat.chat.waits.append((duration, False))
            elif open_chat.stage == "active":
                open_chat.chat.handlings.append(Handling(duration, "cut"))
        pools = {chat.pool for chat in self.chats} | {pool for pool, _ in self.agents.agents}
        return RecordedDay(
            start=self.start,
            end=self.end,
            chats=sorted(self.chats, key=lambda chat: chat.after),
            agents=self.agents.finished(),
            return_delays=self.agents.return_delays,
            configs={pool: self.configs.get(pool, UNCONFIGURED) for pool in sorted(pools)},
            configured_again=tuple(sorted(self.configured_again)),
        )

    def _configured(self, pool: str, config: Any) -> None:
        if any(chat.pool == pool for chat in self.chats) and self.configs.get(pool, UNCONFIGURED) != config:
            self.configured_again.add(pool)
        self.configs[pool] = config

    def _decided(self, decision: Decision) -> None:
        """Move a chat to its next stage, and note the duration of the one that ended."""
        if decision.type == "chat-queued":
            self._arrived(decision.pool, decision.chat_id, decision.queue, parse_ms(decision.arrived_at))
            return
        open_chat = self._open.get((decision.pool, getattr(decision, "chat_id", "")))
        if open_chat is None:
            return
        at = parse_ms(decision.at)
        match decision.type:
            case "chat-assigned":
                # An offer during a conversation or wrap-up is a transfer to an agent (R16).
                if open_chat.stage in ("active", "wrapping"):
                    self._end_handling(open_chat, at, "to_agent", decision.agent_id)
                open_chat.stage = "offered"
            case "assignment-ended" if open_chat.stage == "offered":
                open_chat.stage = "waiting"
            case "assignment-confirmed":
                open_chat.chat.waits.append((at - open_chat.since, False))
                open_chat.stage, open_chat.since = "active", at
            case "chat-wrapping":
                open_chat.chat.handlings.append(Handling(at - open_chat.since, "end"))
                open_chat.stage, open_chat.since = "wrapping", at
            case "chat-requeued" if open_chat.stage in ("active", "wrapping"):
                is_transfer = decision.reason == "transferred"
                self._end_handling(open_chat, at, "to_queue" if is_transfer else "cut", decision.queue)
            case "chat-closed":
                self._closed(open_chat, at, gave_up=decision.reason == "abandoned")
                del self._open[decision.pool, decision.chat_id]
            case _:
                pass

    def _arrived(self, pool: str, chat_id: str, queue: str, arrived_at: int) -> None:
        # A source may use an id again once the pool has forgotten it (R13). The simulation needs distinct ids.
        use = self._uses[chat_id] = self._uses.get(chat_id, 0) + 1
        start = self.start or 0
        distinct_id = chat_id if use == 1 else f"{chat_id}#{use}"
        chat = RecordedChat(distinct_id, pool, queue, max(0, arrived_at - start))
        self.chats.append(chat)
        self._open[pool, chat_id] = _OpenChat(chat, "waiting", start + chat.after)

    def _end_handling(
        self, open_chat: _OpenChat, at: int, end: Literal["to_queue", "to_agent", "cut"], target: str
    ) -> None:
        """Note the end of a handling after which the chat waits again."""
        duration = at - open_chat.since
        # A transfer during the wrap-up: the conversation did not end there, so both durations are one handling.
        if open_chat.stage == "wrapping":
            duration += open_chat.chat.handlings.pop().duration
        open_chat.chat.handlings.append(Handling(duration, end, target))
        open_chat.stage, open_chat.since = "waiting", at

    def _closed(self, open_chat: _OpenChat, at: int, *, gave_up: bool) -> None:
        duration = at - open_chat.since
        match open_chat.stage:
            case "active":
                open_chat.chat.handlings.append(Handling(duration, "end"))
            case "wrapping":
                open_chat.chat.wrap_up = duration
            case _:
                open_chat.chat.waits.append((duration, gave_up))
