"""What can happen to an agent (R7, R12, R18, R19)."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from tests.reference.moves import close, enter, wait_again
from tests.reference.offers import stop_offers
from tests.reference.state import Agent, Pool, Request


def sign(pool: Pool, kind: str, data: Mapping[str, Any]) -> None:
    """R18: an event that names the agent as its `agent_id` shows that it is there, whatever comes of it."""
    agent = pool.agents.get(data.get("agent_id", ""))
    if agent is None or kind in ("agent-absent", "agent-lost"):
        return
    if kind in ("chat-concluded", "chat-released") and data.get("by", "agent") != "agent":
        return
    agent.last_sign = pool.service
    if agent.absent_by_silence:
        _end_absence(agent)


def logged_in(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: a login, the first or a repeated one."""
    agent = pool.agents.get(data["agent_id"]) or _new(pool, data["agent_id"])
    agent.profile = pool.config.profile_or_default(data.get("profile"))
    agent.mode_override = data.get("mode")
    agent.max_sessions_override = data.get("max_sessions")
    turned_to_pull(pool, agent)
    set_status(pool, agent, data.get("status", "available"))


def _new(pool: Pool, agent_id: str) -> Agent:
    """R7: the lot is drawn at login."""
    frame, index = pool.position
    digest = blake2b(f"{agent_id}@{frame}.{index}".encode(), key=pool.config.seed.encode(), digest_size=8).digest()
    agent = Agent(agent_id, pool.config.default_profile, int.from_bytes(digest, "big"), pool.service)
    pool.agents[agent_id] = agent
    return agent


def logged_out(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: `agent-logged-out`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        leave(pool, agent, "agent-logged-out")


def lost(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: `agent-lost`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        leave(pool, agent, "agent-lost")


def leave(pool: Pool, agent: Agent, reason: str) -> None:
    """R18: offers end, active chats wait again, wrapping chats are closed, and the agent is gone."""
    stop_offers(pool, agent, reason)
    for chat in pool.held(agent, "active"):
        enter(pool, chat, chat.queue)
        wait_again(pool, chat, reason)
    for chat in pool.held(agent, "wrapping"):
        close(pool, chat, "concluded")
    del pool.agents[agent.id]


def status_changed(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: `agent-status-changed`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        set_status(pool, agent, data["status"])


def set_status(pool: Pool, agent: Agent, status: str) -> None:
    """R18: a status set by an event or a login ends an absence, and R12's return."""
    _end_absence(agent)
    agent.unavailable_by_misses = False
    agent.status = status
    if status == "unavailable":
        stop_offers(pool, agent, "agent-unavailable")


def absent(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: `agent-absent`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and not agent.absent:
        become_absent(pool, agent, by_silence=False)


def become_absent(pool: Pool, agent: Agent, *, by_silence: bool) -> None:
    """R18: an absent agent is treated as unavailable."""
    agent.absent = True
    agent.absent_by_silence = by_silence
    stop_offers(pool, agent, "agent-absent")


def present(pool: Pool, data: Mapping[str, Any]) -> None:
    """R18: `agent-present` restores the status before."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        _end_absence(agent)


def _end_absence(agent: Agent) -> None:
    agent.absent = False
    agent.absent_by_silence = False


def capacity_changed(pool: Pool, data: Mapping[str, Any]) -> None:
    """R19: overrides for this login."""
    agent = pool.agents.get(data["agent_id"])
    if agent is None:
        return
    agent.max_sessions_override = data.get("max_sessions", agent.max_sessions_override)
    agent.mode_override = data.get("mode", agent.mode_override)
    turned_to_pull(pool, agent)


def turned_to_pull(pool: Pool, agent: Agent) -> None:
    """R12: a request of push origin is withdrawn when the agent turns to pull."""
    if agent.request is not None and agent.request.origin == "push" and pool.mode(agent) == "pull":
        agent.request = None


def request_chat(pool: Pool, data: Mapping[str, Any]) -> None:
    """R12: `request-chat`, step by step."""
    agent = pool.agents.get(data["agent_id"])
    if agent is None:
        if not pool.config.implicit_login:
            _reject(pool, data, "not-logged-in")
            return
        agent = _new(pool, data["agent_id"])
        agent.profile = pool.config.profile_or_default(data.get("profile"))
    if "request_id" in data:
        if data["request_id"] in agent.request_ids:
            return
        agent.request_ids = [*agent.request_ids, data["request_id"]][-8:]
    if agent.unavailable_by_misses:
        agent.unavailable_by_misses = False
        agent.status = "available"
    if agent.request is not None:
        return
    if not agent.available:
        _reject(pool, data, "not-available")
    elif len(pool.held(agent)) >= pool.max_sessions(agent):
        _reject(pool, data, "at-capacity")
    else:
        agent.request = Request("manual", pool.clock, pool.position)


def _reject(pool: Pool, data: Mapping[str, Any], reason: str) -> None:
    pool.decide("request-rejected", agent_id=data["agent_id"], request_id=data.get("request_id"), reason=reason)


def request_cancelled(pool: Pool, data: Mapping[str, Any]) -> None:
    """R12: a manual request is withdrawn."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and agent.request is not None and agent.request.origin == "manual":
        agent.request = None
