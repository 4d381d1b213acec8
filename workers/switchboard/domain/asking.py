"""Requests: making, withdrawing, and the agents' places in their asking lines (R5, R7, R11)."""

from switchboard.domain import timers
from switchboard.domain.decisions import ChatRequested
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, AgentKey, Request


def make_request(pool: Pool, agent: Agent, *, push: bool) -> None:
    """Let a request stand from now."""
    agent.request = Request("push" if push else "manual", pool.clock, pool.at, pool.position)
    pool.requests += 1
    pool.touch(agent)


def withdraw(pool: Pool, agent: Agent) -> None:
    """Withdraw the outstanding request, if there is one."""
    if agent.request is not None:
        agent.request = None
        pool.requests -= 1
        pool.touch(agent)


def follow_up(pool: Pool, agent: Agent) -> None:
    """R11: an agent in push mode who could take a chat, and asks for none, asks at once."""
    if (
        agent.mode == "push"
        and agent.request is None
        and not agent.undecided
        and agent.available
        and not agent.absent
        and len(agent.sessions) < agent.max_sessions
    ):
        made = pool.next_id()
        pool.decisions.append(ChatRequested(made, "chat-requested", pool.id, pool.at, agent.id, made, pool.at, "push"))
        agent.request = Request("push", pool.clock, pool.at, pool.position)
        pool.requests += 1
        pool.changed_agents[agent.id] = None


def eligible(pool: Pool, agent: Agent) -> bool:
    """R5: whether the agent's request may be served now."""
    if agent.request is None or not agent.available or agent.absent or len(agent.sessions) >= agent.max_sessions:
        return False
    over = timers.arm_delay(pool, agent)
    return over is None or over <= pool.service


def place(agent: Agent) -> AgentKey:
    """R7: the place of an agent with a request: by lot until the first offer, then by the request's age."""
    request = agent.request
    if request is None:
        raise ValueError(f"agent {agent.id} asks for nothing")
    if agent.had_offer:
        return (1, request.at, *request.position, agent.id, agent)
    return (0, agent.lot, agent.id, agent)


def stand_in_line(agent: Agent) -> None:
    """Put an agent whose request is eligible in its asking line, or at its new place there."""
    key = place(agent)
    if key != agent.key:
        leave_line(agent)
        agent.profile.asking.agents.add(key)
        agent.key = key


def leave_line(agent: Agent) -> None:
    """Take an agent out of its asking line, if it stands there."""
    if agent.key is not None:
        agent.profile.asking.agents.remove(agent.key)
        agent.key = None


def refresh(pool: Pool, agent: Agent) -> None:
    """After a change of an agent: to be tried if its request is eligible, out of the line if not."""
    if eligible(pool, agent):
        pool.trying[agent.id] = agent
    else:
        # A delay that has just passed may have let it in, and the timer at hand has withdrawn its request.
        pool.trying.pop(agent.id, None)
        leave_line(agent)
