"""Who stands where in a pool: who asks, in what order, and why each agent can or can't be given a chat (R5, R6, R7)."""

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


def hindered(agent: Agent, chat: Chat, turned_down: Mapping[str, str], now: int) -> Hindered | None:
    """Why an agent can't be given a chat now; None if it can.

    Args:
        agent: an agent of the chat's pool.
        chat: a chat that waits, or is about to be offered.
        turned_down: agent id -> `declined` or `missed`, for the agents who turned the chat down.
        now: service time, ms.
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
    elif passed is not None and passed + config.reoffer_after > now:
        told.why = "declined" if turned_down.get(agent.id) == "declined" else "missed"
        told.seconds_ago = (now - passed) / 1000
        told.seconds_more = (passed + config.reoffer_after - now) / 1000
    elif agent.request is None:
        told.why = "deciding" if agent.mode == "push" and agent.undecided else "not-asking"
    else:
        over = delay_over(agent)
        if over is None or over <= now:
            return None
        told.why = "delay"
        told.seconds_more = (over - now) / 1000
    return told


def in_agent_order(pool: Pool, now: int) -> list[tuple[Agent, Request]]:
    """The agents with an eligible request, in the order in which they are served (R7)."""
    asking = [(agent, agent.request) for agent in pool.agents.values() if agent.request and eligible(agent, now)]
    return sorted(asking, key=lambda each: place(each[0]))


def asking_for(pool: Pool, chat: Chat, turned_down: Mapping[str, str], now: int) -> list[Asking]:
    """Who is asking, in agent order, and whether each may take this chat."""
    return [
        Asking(
            agent.id,
            "oldest-request" if agent.had_offer else "lot",
            None if agent.had_offer else number,  # who stands by lot comes before all others
            request.at_text,
            request.origin,
            hindered(agent, chat, turned_down, now),
        )
        for number, (agent, request) in enumerate(in_agent_order(pool, now), start=1)
    ]


_LAST: Final = 1 << 62
"""ms: after every arrival."""
NAMED: Final = 5
"""Of the chats that stood before one, so many are named."""


@dataclass(slots=True)
class Line:
    """One of the queues that an agent serves."""

    queue: str
    waiting: int


@dataclass(slots=True)
class Earlier:
    """A chat that stood before the one offered, and was not the agent's next."""

    chat_id: str
    queue: str
    arrived_at: str
    why: Literal["passed-over", "ranked-below"]
    """The agent declined or missed it a short while ago (R5); its queue is ranked below (R8)."""


@dataclass(slots=True)
class Choice:
    """What stood behind an offer, just before it was made (R6 to R8)."""

    agent_id: str
    profile: str
    policy: PullPolicy
    agent_order: AgentOrder
    origin: Origin
    asking: list[Asking]
    """Everyone with an eligible request, in agent order, the one served among them."""
    not_asking: list[Hindered]
    """Everyone else who serves the chat's queue."""
    elsewhere: int
    """How many neither asked nor serve the chat's queue."""
    queues: list[Line]
    """The agent's, best first."""
    earlier: list[Earlier]
    """The first few that stood before this chat, and were not taken."""
    earlier_count: int
    starved: bool
    """It had waited for `starvation_limit`, and came before better-ranked queues (R8)."""
    starvation_limit_seconds: float
    freed_by: Literal["delay", "reoffer"] | None
    """What ended at this very moment and let the agent take it: its delay between chats, or the time for which it was
    not offered this chat again (R5)."""


@dataclass(slots=True)
class Unserved:
    """Why a chat waits on: of those who are logged in, what hinders each (R5, R6)."""

    queue: str
    agents: int
    """Logged in in the pool."""
    serving: int
    """Of them, those whose profile serves the queue."""
    counts: dict[Hindrance, int]
    hindered: list[Hindered]
    """Those who serve the queue."""
    ahead: int
    """Chats before it in its queue."""


def choose(
    pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None, turned_down: Mapping[str, str]
) -> Choice:
    """What stands behind an offer that is about to be made."""
    config = agent.profile.config
    asking = asking_for(pool, chat, turned_down, step.service)
    asked = {each.agent_id for each in asking}
    others = [
        told
        for other in pool.agents.values()
        if other.id not in asked and other is not agent and (told := hindered(other, chat, turned_down, step.service))
    ]
    starving = config.starvation_limit
    starved = bool(
        request is not None
        and config.pull_policy == "strict-priority"
        and starving
        and step.clock - chat.arrived_at >= starving
    )
    earlier, count = ([], 0) if request is None else _earlier(pool, agent, chat, step.service, starved=starved)
    return Choice(
        agent.id,
        config.name,
        config.pull_policy,
        "transfer" if request is None else "oldest-request" if agent.had_offer else "lot",
        "transfer" if request is None else request.origin,
        asking,
        [told for told in others if told.why != "other-queues"],
        sum(told.why == "other-queues" for told in others),
        [Line(queue, len(pool.index.waiting[queue].chats)) for queue in config.queues],
        earlier,
        count,
        starved,
        starving / 1000,
        _freed_by(pool, agent, chat, step.service),
    )


def _freed_by(pool: Pool, agent: Agent, chat: Chat, now: int) -> Literal["delay", "reoffer"] | None:
    if delay_over(agent) == now:
        return "delay"
    passed = pool.index.passings.get(agent.id, {}).get(chat.id)
    if passed is not None and passed + agent.profile.config.reoffer_after == now:
        return "reoffer"
    return None


def _earlier(pool: Pool, agent: Agent, chat: Chat, now: int, *, starved: bool) -> tuple[list[Earlier], int]:
    """The chats that stand before this one by age, or by rank where rank decides."""
    config = agent.profile.config
    strict = config.pull_policy == "strict-priority" and not starved
    passed = pool.index.passings.get(agent.id, {})
    own = (chat.arrived_at, *chat.position)
    first: list[Earlier] = []
    count = 0
    rank = config.queues.index(chat.queue)
    for number, queue in enumerate(config.queues):
        # In a better-ranked queue all come before it.
        end = (_LAST,) if strict and number < rank else own
        for other in _before(pool.index.waiting[queue], end):
            count += 1
            if len(first) < NAMED:
                until = passed.get(other.id, -config.reoffer_after) + config.reoffer_after
                first.append(
                    Earlier(other.id, queue, other.arrived_text, "passed-over" if until > now else "ranked-below")
                )
    return first, count


def _before(line: WaitingLine, end: tuple[int, ...]) -> Iterator[Chat]:
    """The chats that stand before a place in waiting order (R4)."""
    for entry in line.chats:
        if entry[:3] >= end:
            return
        yield entry[3]


def unserved(pool: Pool, chat: Chat, turned_down: Mapping[str, str], now: int) -> Unserved:
    """Why nobody is given a chat that waits now, all being settled."""
    told = [each for agent in pool.agents.values() if (each := hindered(agent, chat, turned_down, now))]
    serving = [each for each in told if each.why != "other-queues"]
    own = (chat.arrived_at, *chat.position)
    ahead = sum(1 for _ in _before(pool.index.waiting[chat.queue], own))
    counts = Counter(each.why for each in serving)
    return Unserved(chat.queue, len(pool.agents), len(serving), dict(counts), serving, ahead)
