"""Events of agents: requests (R12), presence (R18), capacity (R19).

Each function applies one event to a pool, and returns the reason if the event changes nothing (R21), or None.
"""

from hashlib import blake2b
from typing import Literal, TypeAlias

from switchboard.domain import offers, timers
from switchboard.domain.decisions import Mode, RequestRefusal, RequestRejected
from switchboard.domain.events import (
    AgentAbsent,
    AgentCapacityChanged,
    AgentHeartbeat,
    AgentLoggedIn,
    AgentLoggedOut,
    AgentLost,
    AgentPresent,
    AgentStatusChanged,
    RequestCancelled,
    RequestChat,
)
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Profile
from switchboard.domain.step import Step

NotLoggedIn: TypeAlias = Literal["not-logged-in"]


def log_in(pool: Pool, step: Step, event: AgentLoggedIn) -> None:
    """R18: log an agent in. An agent that is already logged in keeps its sessions and lot, and gets the new settings.

    Its request stays too, unless the new mode or status withdraws the request.
    """
    agent = pool.agents.get(event.agent_id)
    profile = pool.index.profiles[pool.config.profile_or_default(event.profile).name]
    if agent is None:
        agent = _add(pool, step, event.agent_id, profile)
    set_up(pool, step, agent, profile, event.mode, event.max_sessions)
    _end_absence(pool, step, agent)
    _set_status(pool, step, agent, available=event.status != "unavailable")


def log_out(pool: Pool, step: Step, event: AgentLoggedOut) -> NotLoggedIn | None:
    """R18: an agent logs out."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    _remove(pool, step, agent, "agent-logged-out")
    return None


def lost(pool: Pool, step: Step, event: AgentLost) -> NotLoggedIn | None:
    """R18: give up an agent whose console has lost its connection (Oracle's answer 8282)."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    lose(pool, step, agent)
    return None


def lose(pool: Pool, step: Step, agent: Agent) -> None:
    """R18: give up an agent as lost, because of an event or of silence."""
    _remove(pool, step, agent, "agent-lost")


def change_status(pool: Pool, step: Step, event: AgentStatusChanged) -> NotLoggedIn | None:
    """R18: set an agent's status. Either status ends an absence."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    _end_absence(pool, step, agent)
    _set_status(pool, step, agent, available=event.status == "available")
    return None


def absent(pool: Pool, step: Step, event: AgentAbsent) -> Literal["not-logged-in", "already-absent"] | None:
    """R18: an event makes an agent absent. `agent-present`, a status or a login ends the absence."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    if agent.absent:
        return "already-absent"
    make_absent(pool, step, agent, silent=False)
    return None


def make_absent(pool: Pool, step: Step, agent: Agent, *, silent: bool) -> None:
    """R18: make an agent absent. With `silent` the reason is silence, and the agent's next sign ends the absence."""
    agent.absent = True
    if silent:
        agent.silent = True
        pool.index.silent += 1
    offers.stand_down(pool, step, agent, "agent-absent")


def present(pool: Pool, step: Step, event: AgentPresent) -> Literal["not-logged-in", "not-absent"] | None:
    """R18: an absence ends, and the agent has its earlier status."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    if not agent.absent:
        return "not-absent"
    _end_absence(pool, step, agent)
    return None


def heartbeat(pool: Pool, _step: Step, event: AgentHeartbeat) -> NotLoggedIn | None:
    """R18: a heartbeat has no effect beyond `sign`, which the engine calls before."""
    return None if event.agent_id in pool.agents else "not-logged-in"


def sign(pool: Pool, step: Step, agent: Agent, *, ends_absence: bool) -> None:
    """R18: note the time of an agent's event, and end an absence by silence.

    With `ends_absence` the handler of the event ends the absence, and would refuse an event that finds none.
    """
    if pool.config.watches_silence:
        agent.last_sign = step.service
        step.changed_agents[agent.id] = None
    if agent.silent and not ends_absence:
        _end_absence(pool, step, agent)


def change_capacity(pool: Pool, step: Step, event: AgentCapacityChanged) -> NotLoggedIn | None:
    """R19: an agent gets other limits for this login. A lower limit ends no session."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    own_mode = agent.own_mode if event.mode is None else event.mode
    own_max_sessions = agent.own_max_sessions if event.max_sessions is None else event.max_sessions
    set_up(pool, step, agent, agent.profile, own_mode, own_max_sessions)
    return None


def request_chat(pool: Pool, step: Step, event: RequestChat) -> Literal["repeated", "already-requested"] | None:
    """R12: an agent clicks Request Chat."""
    request_id = event.request_id
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        if not pool.config.implicit_login:
            _reject(step, event.agent_id, request_id, "not-logged-in")
            return None
        profile = pool.index.profiles[pool.config.profile_or_default(event.profile).name]
        agent = _add(pool, step, event.agent_id, profile)
        set_up(pool, step, agent, profile, None, None)
    if request_id is not None:
        if request_id in agent.recent:
            return "repeated"
        agent.recent.append(request_id)
        step.changed_agents[agent.id] = None
    if agent.returns:
        agent.returns = False
        agent.available = True
        step.touch(agent)
    if agent.request is not None:
        return "already-requested"
    if not agent.ready:
        _reject(step, agent.id, request_id, "not-available")
    elif len(agent.sessions) >= agent.max_sessions:
        _reject(step, agent.id, request_id, "at-capacity")
    else:
        offers.make_request(pool, step, agent)
    return None


def cancel_request(
    pool: Pool, step: Step, event: RequestCancelled
) -> Literal["not-logged-in", "no-request", "not-manual"] | None:
    """R12: an agent takes back a request of origin `manual`. A request of origin `push` stays."""
    agent = pool.agents.get(event.agent_id)
    if agent is None:
        return "not-logged-in"
    if agent.request is None:
        return "no-request"
    if agent.request.origin != "manual":
        return "not-manual"
    offers.withdraw(pool, step, agent)
    return None


def set_up(
    pool: Pool, step: Step, agent: Agent, profile: Profile, own_mode: Mode | None, own_max_sessions: int | None
) -> None:
    """Give an agent its profile and overrides. A change to pull mode withdraws a request of origin `push` (R12)."""
    if profile is not agent.profile:
        offers.leave_line(agent)
        agent.profile = profile
        for chat in agent.sessions.values():
            if chat.stage == "wrapping":
                timers.arm_wrap_up(pool, chat)
        timers.arm_passings(pool, agent, step.service)
        timers.arm_delay(pool, agent, step.service)
    agent.own_mode, agent.own_max_sessions = own_mode, own_max_sessions
    agent.mode = own_mode or profile.config.mode
    agent.max_sessions = own_max_sessions or profile.config.max_sessions
    if agent.mode == "pull" and agent.request is not None and agent.request.origin == "push":
        offers.withdraw(pool, step, agent)
    step.touch(agent)


def _add(pool: Pool, step: Step, agent_id: str, profile: Profile) -> Agent:
    agent = Agent(agent_id, profile, _draw_lot(pool, step, agent_id), step.service)
    pool.agents[agent_id] = agent
    timers.arm_silence(pool, agent)
    timers.arm_passings(pool, agent, step.service)
    return agent


def _remove(pool: Pool, step: Step, agent: Agent, reason: Literal["agent-lost", "agent-logged-out"]) -> None:
    """R18, in this order: offers end, active chats wait again in the order of acceptance, wrapping chats are closed."""
    agent.available = False
    _end_absence(pool, step, agent)
    offers.stand_down(pool, step, agent, reason)
    held = sorted(agent.sessions.values(), key=lambda chat: chat.stage_mark)
    for chat in held:
        if chat.stage == "active":
            pool.free_session(step, chat)
            offers.enter_queue(step, chat, chat.queue)
            offers.requeue(pool, step, chat, reason)
    for chat in held:
        if chat.stage == "wrapping":
            pool.close(step, chat, "concluded")
    offers.leave_line(agent)
    del pool.agents[agent.id]
    step.touched.pop(agent.id, None)
    step.trying.pop(agent.id, None)


def _end_absence(pool: Pool, step: Step, agent: Agent) -> None:
    if not agent.absent:
        return
    agent.absent = False
    if agent.silent:
        agent.silent = False
        pool.index.silent -= 1
    timers.arm_silence(pool, agent)
    step.touch(agent)


def _set_status(pool: Pool, step: Step, agent: Agent, *, available: bool) -> None:
    agent.returns = False
    agent.available = available
    if available:
        step.touch(agent)
    else:
        offers.stand_down(pool, step, agent, "agent-unavailable")


def _reject(step: Step, agent_id: str, request_id: str | None, reason: RequestRefusal) -> None:
    step.decide(RequestRejected, agent_id, request_id, reason)


def _draw_lot(pool: Pool, step: Step, agent_id: str) -> int:
    """R7: the lot of an agent that logs in now, for the order among agents without an offer."""
    text = f"{agent_id}@{step.position[0]}.{step.position[1]}"
    return int.from_bytes(blake2b(text.encode(), key=pool.config.seed, digest_size=8).digest(), "big")
