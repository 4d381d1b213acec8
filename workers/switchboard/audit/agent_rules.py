"""What each event about an agent changes and calls for (R7, R12, R18, R19)."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from switchboard.audit import audited_timers, chat_rules
from switchboard.audit.audited_pool import Agent, Expected, Pool
from switchboard.audit.configured import Profile, configured

_NO_SIGN: Final = frozenset({"agent-absent", "agent-lost"})


def note_sign(pool: Pool, kind: str, data: dict[str, Any]) -> None:
    """R18: any event that names the agent, but for a few, shows that it is there, whatever comes of it."""
    agent = pool.agents.get(data.get("agent_id", ""))
    if agent is None or kind in _NO_SIGN or data.get("by", "agent") != "agent":
        return
    agent.last_sign = pool.service
    if agent.absent == "silent":
        _end_absence(pool, agent)


def logged_in(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: while logged in it sets profile, status and overrides as a first login would."""
    agent = pool.agents.get(data["agent_id"]) or _appear(pool, data["agent_id"])
    agent.own_mode, agent.own_max_sessions = data.get("mode"), data.get("max_sessions")
    set_profile(pool, agent, pool.config.profile(data.get("profile")))
    yield from _set_status(pool, agent, data.get("status", "available"))


def logged_out(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: `agent-logged-out`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from leave(pool, agent, "agent-logged-out")


def lost(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: `agent-lost`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from leave(pool, agent, "agent-lost")


def leave(pool: Pool, agent: Agent, reason: str) -> Iterator[Expected]:
    """R18: offers end, active chats wait again, wrapping chats are closed, and the agent is gone."""
    pool.withdraw_request(agent)
    yield from chat_rules.rescind(pool, agent, reason)
    for chat in agent.held("active"):
        yield ("I4", "R18"), chat_rules.requeued(pool, chat, chat.queue, reason)
    for chat in agent.held("wrapping"):
        yield ("I4", "R18"), chat_rules.closed(pool, chat, "concluded")
    pool.leave_request_line(agent)
    for chat in list(agent.sessions.values()):  # only where the log says otherwise
        pool.detach(chat)
    del pool.agents[agent.id]
    pool.touched.pop(agent.id, None)


def status_changed(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: `agent-status-changed`."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from _set_status(pool, agent, data["status"])


def absent(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: `agent-absent`; of one absent already it is ignored."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and not agent.absent:
        yield from become_absent(pool, agent, "reported")


def become_absent(pool: Pool, agent: Agent, how: str) -> Iterator[Expected]:
    """R18: an absent agent is treated as unavailable."""
    agent.absent = how
    pool.withdraw_request(agent)
    pool.touched[agent.id] = agent
    yield from chat_rules.rescind(pool, agent, "agent-absent")


def present(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R18: `agent-present` restores the status before."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        _end_absence(pool, agent)
    yield from ()


def heartbeat(_pool: Pool, _data: dict[str, Any]) -> Iterator[Expected]:
    """R18: a sign, and nothing besides."""
    yield from ()


def capacity_changed(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R19: what is given holds for this login."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        agent.own_mode = data.get("mode", agent.own_mode)
        agent.own_max_sessions = data.get("max_sessions", agent.own_max_sessions)
        _turned_to_pull(pool, agent)
        pool.touched[agent.id] = agent
    yield from ()


def request_chat(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R12, step by step."""
    agent = pool.agents.get(data["agent_id"])
    if agent is None:
        if not pool.config.implicit_login:
            yield ("R12",), chat_rules.request_rejected(pool, data, "not-logged-in")
            return
        agent = _appear(pool, data["agent_id"])
        set_profile(pool, agent, pool.config.profile(data.get("profile")))
    request_id = data.get("request_id")
    if request_id is not None:
        if request_id in agent.request_ids:
            return
        agent.request_ids.append(request_id)
    if agent.returns:
        agent.status, agent.returns = "available", False
        pool.touched[agent.id] = agent
    if agent.request is not None:
        return
    if not agent.available:
        yield ("R12",), chat_rules.request_rejected(pool, data, "not-available")
    elif not agent.has_room:
        yield ("R12",), chat_rules.request_rejected(pool, data, "at-capacity")
    else:
        pool.add_request(agent, "manual")


def request_cancelled(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R12: only a manual request is withdrawn so."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and agent.request is not None and agent.request.origin == "manual":
        pool.withdraw_request(agent)
    yield from ()


def set_profile(pool: Pool, agent: Agent, profile: Profile) -> None:
    """Give an agent a profile, or the same one as it is configured now (R20)."""
    pool.leave_request_line(agent)
    agent.profile = profile
    _turned_to_pull(pool, agent)
    audited_timers.arm_agent(pool, agent)
    pool.touched[agent.id] = agent


def _appear(pool: Pool, agent_id: str) -> Agent:
    """R7: the lot is drawn at login."""
    frame, index = pool.position
    drawn = blake2b(f"{agent_id}@{frame}.{index}".encode(), key=pool.config.seed, digest_size=8).digest()
    agent = Agent(agent_id, pool.config.profile(None), int.from_bytes(drawn, "big"), pool.service)
    pool.agents[agent_id] = agent
    pool.logins += 1
    pool.doubtful_agents.pop(agent_id, None)
    audited_timers.arm_silence(pool, agent)
    return agent


def _set_status(pool: Pool, agent: Agent, status: str) -> Iterator[Expected]:
    """R18: it ends an absence and R12's return; becoming unavailable ends request and offers."""
    _end_absence(pool, agent)
    agent.status, agent.returns = status, False
    pool.touched[agent.id] = agent
    if status == "unavailable":
        pool.withdraw_request(agent)
        yield from chat_rules.rescind(pool, agent, "agent-unavailable")


def _end_absence(pool: Pool, agent: Agent) -> None:
    if agent.absent:
        agent.absent = ""
        pool.touched[agent.id] = agent
        audited_timers.arm_silence(pool, agent)


def _turned_to_pull(pool: Pool, agent: Agent) -> None:
    """R12: a request of push origin is withdrawn when its agent turns to pull."""
    if agent.request is not None and agent.request.origin == "push" and agent.mode == "pull":
        pool.withdraw_request(agent)


def configure(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """R20: the configuration reaches everyone at once; chats of a queue that is gone belong to the default one."""
    config = pool.config = configured(data["config"])
    pool.configured_at = pool.service
    for agent in pool.agents.values():
        set_profile(pool, agent, config.profile(agent.profile.name))
    homeless = []
    for chat in pool.chats.values():
        chat.entered_queue = config.queue(chat.entered_queue)
        if chat.queue in config.queues:
            continue
        if chat.stage == "waiting":
            homeless.append(chat)
        else:
            chat.queue = config.default_queue
    audited_timers.rearm(pool)
    for chat in sorted(homeless, key=lambda chat: chat.place):
        yield ("I4", "R20"), chat_rules.requeued(pool, chat, config.default_queue, "queue-removed")
