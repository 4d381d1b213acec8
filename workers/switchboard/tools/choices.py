"""Why an offer went to this agent and this chat, and why no agent gets a waiting chat (R4 to R8, R11, R12)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from switchboard.domain.decisions import AgentOrder, Origin, PullPolicy
from switchboard.domain.offers import eligible, place
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat, Request, WaitingLine
from switchboard.domain.step import Step
from switchboard.domain.timers import delay_over

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
"""Why an agent can't get a chat: the first of these that applies, in this order.

- `other-queues`: the agent's profile does not serve the chat's queue (R5)
- `absent`, `unavailable`: the agent's status (R18)
- `full`: the agent has as many sessions as allowed (I1)
- `declined`, `missed`: the agent's re-offer cool-down for this chat (R5)
- `deciding`: an agent in push mode has another offer; the next request follows its decision (R11)
- `not-asking`: the agent has no request (R12)
- `delay`: the agent's delay between chats (R5)
"""


@dataclass(slots=True)
class HinderedAgent:
    """An agent who can't get a chat. The JSON output of `explain` has the field names of this file's classes."""

    agent_id: str
    why: Hindrance
    sessions: int
    max_sessions: int
    seconds_ago: float | None = None
    """Seconds of service time since the agent declined or missed the chat."""
    seconds_more: float | None = None
    """Seconds of service time until this hindrance ends."""


@dataclass(slots=True)
class EligibleAgent:
    """An agent with an eligible request, at its place in the agent order (R7)."""

    agent_id: str
    order: Literal["lot", "oldest-request"]
    lot: int | None
    """Place among the agents ordered by lot, from 1; None for `oldest-request`."""
    requested_at: str
    origin: Origin
    hindered: HinderedAgent | None
    """None if the agent may take the chat."""


def find_hindrance(agent: Agent, chat: Chat, turned_down: Mapping[str, str], now: int) -> HinderedAgent | None:
    """Why an agent can't get a chat now; None if the agent can.

    Args:
        agent: an agent of the chat's pool.
        chat: a chat that waits, or is about to be offered.
        turned_down: agent id → `declined` or `missed`, the latest of this chat.
        now: service time, ms.
    """
    config = agent.profile.config
    hindered = HinderedAgent(agent.id, "not-asking", len(agent.sessions), agent.max_sessions)
    passed = None if chat.passed is None else chat.passed.get(agent.id)
    if chat.queue not in config.queues:
        hindered.why = "other-queues"
    elif agent.absent:
        hindered.why = "absent"
    elif not agent.available:
        hindered.why = "unavailable"
    elif len(agent.sessions) >= agent.max_sessions:
        hindered.why = "full"
    elif passed is not None and passed + config.reoffer_after > now:
        hindered.why = "declined" if turned_down.get(agent.id) == "declined" else "missed"
        hindered.seconds_ago = (now - passed) / 1000
        hindered.seconds_more = (passed + config.reoffer_after - now) / 1000
    elif agent.request is None:
        hindered.why = "deciding" if agent.mode == "push" and agent.undecided else "not-asking"
    else:
        over = delay_over(agent)
        if over is None or over <= now:
            return None
        hindered.why = "delay"
        hindered.seconds_more = (over - now) / 1000
    return hindered


def in_agent_order(pool: Pool, now: int) -> list[tuple[Agent, Request]]:
    """The agents with an eligible request, in the order in which they are served (R7)."""
    asking = [(agent, agent.request) for agent in pool.agents.values() if agent.request and eligible(agent, now)]
    return sorted(asking, key=lambda agent_and_request: place(agent_and_request[0]))


def eligible_agents(pool: Pool, chat: Chat, turned_down: Mapping[str, str], now: int) -> list[EligibleAgent]:
    """The agents with an eligible request, in agent order, each with the hindrance for this chat."""
    return [
        EligibleAgent(
            agent.id,
            "oldest-request" if agent.had_offer else "lot",
            None if agent.had_offer else number,  # agents ordered by lot come first (R7)
            request.at_text,
            request.origin,
            find_hindrance(agent, chat, turned_down, now),
        )
        for number, (agent, request) in enumerate(in_agent_order(pool, now), start=1)
    ]


_AFTER_ALL_ARRIVALS: Final = 1 << 62
"""ms."""
MAX_EARLIER: Final = 5
"""Chats in `Choice.earlier` at most."""


@dataclass(slots=True)
class QueueLength:
    """The number of chats that wait in a queue."""

    queue: str
    waiting: int


@dataclass(slots=True)
class EarlierChat:
    """A waiting chat before the offered one (R4) that the agent did not get."""

    chat_id: str
    queue: str
    arrived_at: str
    why: Literal["passed-over", "ranked-below"]
    """`passed-over`: the agent's re-offer cool-down (R5). `ranked-below`: the chat's queue is ranked below (R8)."""


@dataclass(slots=True)
class Choice:
    """The state that decided an offer, just before the offer (R6 to R8)."""

    agent_id: str
    profile: str
    policy: PullPolicy
    agent_order: AgentOrder
    origin: Origin
    asking: list[EligibleAgent]
    """All agents with an eligible request, in agent order, with the agent of the offer."""
    not_asking: list[HinderedAgent]
    """All other agents who serve the chat's queue."""
    elsewhere: int
    """Number of agents without an eligible request who do not serve the chat's queue."""
    queues: list[QueueLength]
    """The queues of the agent's profile, best first."""
    earlier: list[EarlierChat]
    """The first `MAX_EARLIER` of the waiting chats before the offered chat."""
    earlier_count: int
    """Number of all waiting chats before the offered chat."""
    starved: bool
    """True if the chat had waited for `starvation_limit`, so that its queue's rank did not count (R8)."""
    starvation_limit_seconds: float
    freed_by: Literal["delay", "reoffer"] | None
    """What ended at the time of the offer: the agent's delay between chats, or its re-offer cool-down for this chat
    (R5)."""


@dataclass(slots=True)
class Unserved:
    """Why a chat still waits: the hindrance of each agent (R5, R6)."""

    queue: str
    agents: int
    """Number of agents logged in to the pool."""
    serving: int
    """Number of agents whose profile serves the queue."""
    counts: dict[Hindrance, int]
    """Agents who serve the queue, by hindrance."""
    hindered: list[HinderedAgent]
    """The agents who serve the queue."""
    ahead: int
    """Number of chats before the chat in its queue, in waiting order (R4)."""


def explain_choice(
    pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None, turned_down: Mapping[str, str]
) -> Choice:
    """The state that decides an offer. Call before the offer changes anything.

    Args:
        pool: the pool.
        step: the pool's current step.
        agent: the agent of the offer.
        chat: the chat of the offer.
        request: the agent's request; None for a transfer to an agent (R16).
        turned_down: as for `find_hindrance`.
    """
    config = agent.profile.config
    asking = eligible_agents(pool, chat, turned_down, step.service)
    asking_ids = {each.agent_id for each in asking}
    others = [
        hindered
        for other in pool.agents.values()
        if other.id not in asking_ids
        and other is not agent
        and (hindered := find_hindrance(other, chat, turned_down, step.service))
    ]
    limit = config.starvation_limit
    starved = bool(
        request is not None
        and config.pull_policy == "strict-priority"
        and limit
        and step.clock - chat.arrived_at >= limit
    )
    earlier, count = ([], 0) if request is None else _earlier(pool, agent, chat, step.service, starved=starved)
    return Choice(
        agent.id,
        config.name,
        config.pull_policy,
        "transfer" if request is None else "oldest-request" if agent.had_offer else "lot",
        "transfer" if request is None else request.origin,
        asking,
        [hindered for hindered in others if hindered.why != "other-queues"],
        sum(hindered.why == "other-queues" for hindered in others),
        [QueueLength(queue, len(pool.index.waiting[queue].chats)) for queue in config.queues],
        earlier,
        count,
        starved,
        limit / 1000,
        _freed_by(pool, agent, chat, step.service),
    )


def _freed_by(pool: Pool, agent: Agent, chat: Chat, now: int) -> Literal["delay", "reoffer"] | None:
    if delay_over(agent) == now:
        return "delay"
    passed = pool.index.passings.get(agent.id, {}).get(chat.id)
    if passed is not None and passed + agent.profile.config.reoffer_after == now:
        return "reoffer"
    return None


def _earlier(pool: Pool, agent: Agent, chat: Chat, now: int, *, starved: bool) -> tuple[list[EarlierChat], int]:
    """The first `MAX_EARLIER` chats before this one in the agent's queues, and the number of all (R4, R8)."""
    config = agent.profile.config
    strict = config.pull_policy == "strict-priority" and not starved
    passed = pool.index.passings.get(agent.id, {})
    own = (chat.arrived_at, *chat.position)
    first: list[EarlierChat] = []
    count = 0
    rank = config.queues.index(chat.queue)
    for number, queue in enumerate(config.queues):
        # With strict priority, all chats of a better-ranked queue come before this one (R8).
        end = (_AFTER_ALL_ARRIVALS,) if strict and number < rank else own
        for other in _before(pool.index.waiting[queue], end):
            count += 1
            if len(first) < MAX_EARLIER:
                until = passed.get(other.id, -config.reoffer_after) + config.reoffer_after
                why: Literal["passed-over", "ranked-below"] = "passed-over" if until > now else "ranked-below"
                first.append(EarlierChat(other.id, queue, other.arrived_text, why))
    return first, count


def _before(line: WaitingLine, end: tuple[int, ...]) -> Iterator[Chat]:
    """The chats of a waiting line before the place `end`, as (arrival, frame, index) or a prefix of it (R4)."""
    for entry in line.chats:
        if entry[:3] >= end:
            return
        yield entry[3]


def explain_wait(pool: Pool, chat: Chat, turned_down: Mapping[str, str], now: int) -> Unserved:
    """Why no agent gets a waiting chat. Call after the settle. The arguments are as for `find_hindrance`."""
    serving = [
        hindered
        for agent in pool.agents.values()
        if (hindered := find_hindrance(agent, chat, turned_down, now)) and hindered.why != "other-queues"
    ]
    own = (chat.arrived_at, *chat.position)
    ahead = sum(1 for _ in _before(pool.index.waiting[chat.queue], own))
    counts = Counter(hindered.why for hindered in serving)
    return Unserved(chat.queue, len(pool.agents), len(serving), dict(counts), serving, ahead)
