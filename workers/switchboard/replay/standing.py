"""Who stands where in a pool: who asks, in what order, and why each agent can or can't be given a chat (R5, R6, R7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from switchboard.domain.decisions import Origin
from switchboard.domain.offers import place
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat, Request

Hindrance: TypeAlias = Literal[
    "other-queues",
    "absent",
    "unavailable",
    "full",
    "declined",
    "missed",
    "deciding",
    "not-asking",
    "delay",
]
"""Why an agent is not given a chat, the first that holds in this order:

- `other-queues`: its profile does not serve the chat's queue (R5)
- `absent`, `unavailable`: it is not to get chats (R18)
- `full`: it has as many sessions as it may have (I1)
- `declined`, `missed`: it turned this chat down a short while ago (R5)
- `deciding`: a push agent with an offer before it; the next request is made when that is decided (R11)
- `not-asking`: it has not asked for a chat (R12)
- `delay`: its delay between chats is not over (R5)
"""


@dataclass(slots=True)
class Hindered:
    """An agent who can't be given a chat."""

    agent_id: str
    why: Hindrance
    sessions: int
    max_sessions: int
    seconds_ago: float | None = None
    """Since it declined or missed the chat."""
    seconds_more: float | None = None
    """Service time until it is hindered no more by this."""


@dataclass(slots=True)
class Asking:
    """An agent with an eligible request, at its place in the agent order (R7)."""

    agent_id: str
    order: Literal["lot", "oldest-request"]
    lot: int | None
    """Its place among those who stand by lot, from 1."""
    requested_at: str
    origin: Origin
    hindered: Hindered | None
    """Why it may not take the chat; None: it may."""


def hindered(pool: Pool, agent: Agent, chat: Chat, turned_down: Mapping[str, str]) -> Hindered | None:
    """Why an agent can't be given a chat now; None: it can.

    Args:
        pool: theirs.
        agent: whoever.
        chat: one that waits, or is about to be offered.
        turned_down: agent id -> `declined` or `missed`, for the agents who turned the chat down.
    """
    config = agent.profile.config
    told = Hindered(agent.id, "not-asking", len(agent.sessions), agent.max_sessions)
    passed = None if chat.passed is None else chat.passed.get(agent.id)
    if chat.queue not in config.queues:
        told.why = "other-queues"
    elif agent.absent:
        told.why = "absent"
    elif not agent.available:
        told.why = "unavailable"
    elif len(agent.sessions) >= agent.max_sessions:
        told.why = "full"
    elif passed is not None and passed + config.reoffer_after > pool.service:
        told.why = "declined" if turned_down.get(agent.id) == "declined" else "missed"
        told.seconds_ago = (pool.service - passed) / 1000
        told.seconds_more = (passed + config.reoffer_after - pool.service) / 1000
    elif agent.request is None:
        told.why = "deciding" if agent.mode == "push" and agent.undecided else "not-asking"
    else:
        over = delay_over(agent)
        if over is None or over <= pool.service:
            return None
        told.why = "delay"
        told.seconds_more = (over - pool.service) / 1000
    return told


def delay_over(agent: Agent) -> int | None:
    """The service time at which the agent's delay between chats is over; None: it has none."""
    delay = agent.profile.config.delay_between_chats
    return None if not delay or agent.last_offer is None else agent.last_offer + delay


def eligible(pool: Pool, agent: Agent) -> bool:
    """R5, as `asking.eligible` tells it, but that nothing is changed by asking."""
    if agent.request is None or not agent.ready or len(agent.sessions) >= agent.max_sessions:
        return False
    over = delay_over(agent)
    return over is None or over <= pool.service


def in_agent_order(pool: Pool) -> list[tuple[Agent, Request]]:
    """The agents with an eligible request, in the order in which they are served (R7)."""
    asking = [(agent, agent.request) for agent in pool.agents.values() if agent.request and eligible(pool, agent)]
    return sorted(asking, key=lambda each: place(each[0]))


def asking_for(pool: Pool, chat: Chat, turned_down: Mapping[str, str]) -> list[Asking]:
    """Who is asking, in agent order, and whether each may take this chat."""
    return [
        Asking(
            agent.id,
            "oldest-request" if agent.had_offer else "lot",
            None if agent.had_offer else number,  # who stands by lot comes before all others
            request.at_text,
            request.origin,
            hindered(pool, agent, chat, turned_down),
        )
        for number, (agent, request) in enumerate(in_agent_order(pool), start=1)
    ]
