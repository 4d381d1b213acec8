"""What a log tells of its agents: when they were there, how quick they were, what they did with offers."""

from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rfc3339 import parse_ms
from switchboard.domain.state import Agent
from switchboard.replay.whatif.past import AgentKey, AgentPast
from switchboard.simulation.cast import Planned

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
        for pool in engine.pools.values():
            for agent_id in pool.changed_agents:
                self._changed((pool.id, agent_id), pool.agents.get(agent_id), frame.at)
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
        if event.type == "agent-heartbeat" and not engine.pools[event.pool].watches_silence():
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
