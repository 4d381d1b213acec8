"""Events about agents, and the configuration: changes of state and expected decisions (R7, R12, R18, R19, R20).

Each function is a generator of expected decisions. The generator yields an expected decision when the rules call for
the decision, and goes on after the caller has booked the decision: behind a `yield` the pool's state holds the change.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from switchboard.audit import audited_timers, chat_rules
from switchboard.audit.audited_pool import Agent, Expected, Pool
from switchboard.audit.configured import Profile, configured

_NO_SIGN: Final = frozenset({"agent-absent", "agent-lost"})
"""Events that name an agent without showing that the agent is present (R18)."""


def note_sign(pool: Pool, kind: str, data: dict[str, Any]) -> None:
    """Record a sign of life: almost every event that names an agent shows that the agent is present (R18).

    The sign counts even if the event is then rejected. An absence by silence ends with the sign.
    """
    agent = pool.agents.get(data.get("agent_id", ""))
    if agent is None or kind in _NO_SIGN or data.get("by", "agent") != "agent":
        return
    agent.last_sign = pool.service
    if agent.absent == "silent":
        _end_absence(pool, agent)


def logged_in(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-logged-in`: a repeated login sets profile, status and overrides as a first login does (R18)."""
    agent = pool.agents.get(data["agent_id"]) or _log_in(pool, data["agent_id"])
    agent.own_mode, agent.own_max_sessions = data.get("mode"), data.get("max_sessions")
    set_profile(pool, agent, pool.config.profile(data.get("profile")))
    yield from _set_status(pool, agent, data.get("status", "available"))


def logged_out(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-logged-out`: the agent leaves (R18)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from leave(pool, agent, "agent-logged-out")


def lost(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-lost`: the agent leaves (R18)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from leave(pool, agent, "agent-lost")


def leave(pool: Pool, agent: Agent, reason: str) -> Iterator[Expected]:
    """Log an agent out: offers end, active chats wait again, and wrapping chats are closed (R18)."""
    pool.withdraw_request(agent)
    yield from chat_rules.rescind(pool, agent, reason)
    for chat in agent.held("active"):
        yield ("I4", "R18"), chat_rules.requeued(pool, chat, chat.queue, reason)
    for chat in agent.held("wrapping"):
        yield ("I4", "R18"), chat_rules.closed(pool, chat, "concluded")
    pool.leave_request_line(agent)
    for chat in list(agent.sessions.values()):  # left over only if the log differs from the rules
        pool.detach(chat)
    del pool.agents[agent.id]
    pool.touched.pop(agent.id, None)


def status_changed(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-status-changed`: set the status, which ends an absence (R18)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        yield from _set_status(pool, agent, data["status"])


def absent(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-absent`: the agent becomes absent; ignored for an absent agent (R18)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and not agent.absent:
        yield from become_absent(pool, agent, "reported")


def become_absent(pool: Pool, agent: Agent, how: str) -> Iterator[Expected]:
    """Mark an agent absent, which counts as unavailable: request and offers end (R18).

    Args:
        pool: Pool of the agent.
        agent: Agent who becomes absent.
        how: `reported` by an event, or `silent` for too long.
    """
    agent.absent = how
    pool.withdraw_request(agent)
    pool.touched[agent.id] = agent
    yield from chat_rules.rescind(pool, agent, "agent-absent")


def present(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-present`: end the absence, and the former status counts again (R18)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        _end_absence(pool, agent)
    yield from ()


def heartbeat(_pool: Pool, _data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-heartbeat`: nothing beyond the sign of life that `note_sign` records (R18)."""
    yield from ()


def capacity_changed(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`agent-capacity-changed`: set mode and session limit, if given, for the current login (R19)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None:
        agent.own_mode = data.get("mode", agent.own_mode)
        agent.own_max_sessions = data.get("max_sessions", agent.own_max_sessions)
        _drop_push_request(pool, agent)
        pool.touched[agent.id] = agent
    yield from ()


def request_chat(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`request-chat`: give the agent a manual request, or reject the event (R12)."""
    # 1. An unknown agent is logged in implicitly, if the pool allows implicit logins.
    agent = pool.agents.get(data["agent_id"])
    if agent is None:
        if not pool.config.implicit_login:
            yield ("R12",), chat_rules.request_rejected(pool, data, "not-logged-in")
            return
        agent = _log_in(pool, data["agent_id"])
        set_profile(pool, agent, pool.config.profile(data.get("profile")))
    # 2. A repeated request id is ignored.
    request_id = data.get("request_id")
    if request_id is not None:
        if request_id in agent.request_ids:
            return
        agent.request_ids.append(request_id)
    # 3. Asking ends an unavailability that missed offers caused.
    if agent.returns:
        agent.status, agent.returns = "available", False
        pool.touched[agent.id] = agent
    # 4. An agent has one request at most.
    if agent.request is not None:
        return
    # 5. The request needs an available agent with a free session.
    if not agent.available:
        yield ("R12",), chat_rules.request_rejected(pool, data, "not-available")
    elif not agent.has_room:
        yield ("R12",), chat_rules.request_rejected(pool, data, "at-capacity")
    else:
        pool.add_request(agent, "manual")


def request_cancelled(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`request-cancelled`: withdraw the agent's request, if manual (R12)."""
    agent = pool.agents.get(data["agent_id"])
    if agent is not None and agent.request is not None and agent.request.origin == "manual":
        pool.withdraw_request(agent)
    yield from ()


def set_profile(pool: Pool, agent: Agent, profile: Profile) -> None:
    """Give an agent a profile, or the current configuration of the same profile (R20)."""
    pool.leave_request_line(agent)
    agent.profile = profile
    _drop_push_request(pool, agent)
    audited_timers.arm_agent(pool, agent)
    pool.touched[agent.id] = agent


def configure(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`pool-configured`: apply a configuration to all agents and chats at once (R20).

    Chats of a queue that no longer exists move to the default queue, waiting chats by a decision.
    """
    config = pool.config = configured(data["config"])
    pool.configured_at = pool.service
    for agent in pool.agents.values():
        set_profile(pool, agent, config.profile(agent.profile.name))
    displaced = []
    for chat in pool.chats.values():
        chat.entered_queue = config.queue(chat.entered_queue)
        if chat.queue in config.queues:
            continue
        if chat.stage == "waiting":
            displaced.append(chat)
        else:
            chat.queue = config.default_queue
    audited_timers.rearm(pool)
    for chat in sorted(displaced, key=lambda chat: chat.place):
        yield ("I4", "R20"), chat_rules.requeued(pool, chat, config.default_queue, "queue-removed")


def _log_in(pool: Pool, agent_id: str) -> Agent:
    """Create the agent, and draw the tie-break from seed, agent id and position of the login (R7)."""
    frame, index = pool.position
    drawn = blake2b(f"{agent_id}@{frame}.{index}".encode(), key=pool.config.seed, digest_size=8).digest()
    agent = Agent(agent_id, pool.config.profile(None), int.from_bytes(drawn, "big"), pool.service)
    pool.agents[agent_id] = agent
    pool.logins += 1
    pool.doubtful_agents.pop(agent_id, None)
    audited_timers.arm_silence(pool, agent)
    return agent


def _set_status(pool: Pool, agent: Agent, status: str) -> Iterator[Expected]:
    """Set the status, which ends an absence and the unavailability of R12.

    An agent who becomes unavailable loses request and offers (R18).
    """
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


def _drop_push_request(pool: Pool, agent: Agent) -> None:
    """Withdraw a request of origin `push` if the agent is in pull mode (R12)."""
    if agent.request is not None and agent.request.origin == "push" and agent.mode == "pull":
        pool.withdraw_request(agent)
