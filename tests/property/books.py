"""What an auditor knows of a pool: from the events who is logged in, and how; from the decisions where chats are.

Holds for steady histories only: there frames that let time pass take turns with frames of one event.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from switchboard.domain.events import Event
from tests.reference.configuration import Configuration, Profile, configured, unconfigured


@dataclass(slots=True)
class AgentBook:
    """An agent who is logged in. Times are service time, ms."""

    profile: str
    last_sign: int
    mode: str | None = None
    max_sessions: int | None = None
    status: str = "available"
    absent: str | None = None
    """None, `told` or `silent`."""
    by_misses: bool = False
    request: str | None = None
    """The outstanding request's origin."""
    request_ids: list[str] = field(default_factory=list)
    last_offer: int | None = None

    def set_status(self, status: str) -> None:
        """A login or a status event (R18)."""
        self.status, self.absent, self.by_misses = status, None, False
        if status == "unavailable":
            self.request = None

    @property
    def available(self) -> bool:
        """Neither unavailable nor absent."""
        return self.status == "available" and self.absent is None


@dataclass(slots=True)
class ChatBook:
    """An open chat."""

    queue: str
    place: tuple[str, int]
    """(arrived_at, count of arrivals before): R4."""
    stage: str = "waiting"
    agent_id: str | None = None
    offer_id: str | None = None
    passed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class PoolBook:
    """A pool."""

    config: Configuration = field(default_factory=unconfigured)
    configured_since: int = 0
    agents: dict[str, AgentBook] = field(default_factory=dict)
    chats: dict[str, ChatBook] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    offers: set[str] = field(default_factory=set)
    """The standing ones' ids."""
    offers_made: set[str] = field(default_factory=set)
    arrivals: int = 0

    def profile(self, agent: AgentBook) -> Profile:
        """The agent's profile as it is configured now."""
        return self.config.profiles[agent.profile]

    def mode(self, agent: AgentBook) -> str:
        """`push` or `pull`."""
        return agent.mode or self.profile(agent).mode

    def limit(self, agent: AgentBook) -> int:
        """The agent's `max_sessions`."""
        return agent.max_sessions or self.profile(agent).max_sessions

    def held(self, agent_id: str) -> list[ChatBook]:
        """The agent's sessions."""
        return [chat for chat in self.chats.values() if chat.agent_id == agent_id]

    def may_take(self, agent_id: str, service: int) -> Iterator[ChatBook]:
        """The waiting chats that the agent may take at that service time (R5)."""
        profile = self.profile(self.agents[agent_id])
        for chat in self.chats.values():
            again = chat.passed.get(agent_id, -profile.reoffer_after * 1000) + profile.reoffer_after * 1000
            if chat.stage == "waiting" and chat.queue in profile.queues and again <= service:
                yield chat


def fall_silent(pool: PoolBook, service: int) -> None:
    """R18: at that service time, who gave no sign for long is absent or gone."""
    for agent_id, agent in list(pool.agents.items()):
        silence = service - max(agent.last_sign, pool.configured_since)
        if pool.config.lost_after and silence >= pool.config.lost_after * 1000:
            del pool.agents[agent_id]
        elif pool.config.absent_after and silence >= pool.config.absent_after * 1000 and agent.absent is None:
            agent.absent, agent.request = "silent", None


def note(pool: PoolBook, event: Event, service: int, *, rejected: bool) -> None:
    """What an event says about agents; `rejected`: it was answered with `request-rejected`."""
    if event.type == "pool-configured":
        _reconfigure(pool, event.data["config"], service)
    agent = pool.agents.get(event.data.get("agent_id", ""))
    if agent is None:
        agent = _log_in(pool, event, service)
    if agent is None:
        return
    if event.type not in ("agent-absent", "agent-lost") and (
        event.type not in ("chat-concluded", "chat-released") or event.data.get("by") in (None, "agent")
    ):
        agent.last_sign = service
        agent.absent = None if agent.absent == "silent" else agent.absent
    _note_agent(pool, agent, event, rejected=rejected)
    if agent.request == "push" and pool.mode(agent) == "pull":
        agent.request = None


def _reconfigure(pool: PoolBook, config: Mapping[str, Any], service: int) -> None:
    pool.config = configured(config)
    pool.configured_since = service
    for agent in pool.agents.values():
        agent.profile = pool.config.profile_or_default(agent.profile)
        if agent.request == "push" and pool.mode(agent) == "pull":
            agent.request = None
    for chat in pool.chats.values():
        if chat.stage != "waiting":  # of those waiting a decision tells
            chat.queue = pool.config.queue_or_default(chat.queue)


def _log_in(pool: PoolBook, event: Event, service: int) -> AgentBook | None:
    if event.type == "agent-logged-in" or (event.type == "request-chat" and pool.config.implicit_login):
        profile = pool.config.profile_or_default(event.data.get("profile"))
        agent = pool.agents[event.data["agent_id"]] = AgentBook(profile, service)
        return agent
    return None


def _note_agent(pool: PoolBook, agent: AgentBook, event: Event, *, rejected: bool) -> None:
    data = event.data
    match event.type:
        case "agent-logged-in":
            agent.profile = pool.config.profile_or_default(data.get("profile"))
            agent.mode, agent.max_sessions = data.get("mode"), data.get("max_sessions")
            agent.set_status(data.get("status", "available"))
        case "agent-status-changed":
            agent.set_status(data["status"])
        case "agent-capacity-changed":
            agent.mode = data.get("mode", agent.mode)
            agent.max_sessions = data.get("max_sessions", agent.max_sessions)
        case "agent-absent":
            agent.absent, agent.request = agent.absent or "told", None
        case "agent-present":
            agent.absent = None
        case "agent-logged-out" | "agent-lost":
            del pool.agents[data["agent_id"]]
        case "request-cancelled":
            agent.request = None if agent.request == "manual" else agent.request
        case "request-chat":
            _note_request(agent, data.get("request_id"), rejected=rejected)


def _note_request(agent: AgentBook, request_id: str | None, *, rejected: bool) -> None:
    if request_id is not None:
        if request_id in agent.request_ids:
            return
        agent.request_ids = [*agent.request_ids, request_id][-8:]
    if agent.by_misses:
        agent.status, agent.by_misses = "available", False
    if agent.request is None and not rejected:
        agent.request = "manual"
