"""Why a chat was offered to this agent, and why an agent was given this chat; or why nobody took it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from switchboard.domain.decisions import AgentOrder, Origin, PullPolicy
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat, Request, WaitingLine
from switchboard.replay.standing import Asking, Hindered, Hindrance, asking_for, delay_over, hindered

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


def choose(pool: Pool, agent: Agent, chat: Chat, request: Request | None, turned_down: Mapping[str, str]) -> Choice:
    """What stands behind an offer that is about to be made."""
    config = agent.profile.config
    asking = asking_for(pool, chat, turned_down)
    asked = {each.agent_id for each in asking}
    others = [
        told
        for other in pool.agents.values()
        if other.id not in asked and other is not agent and (told := hindered(pool, other, chat, turned_down))
    ]
    starving = config.starvation_limit
    starved = bool(
        request is not None
        and config.pull_policy == "strict-priority"
        and starving
        and pool.clock - chat.arrived_at >= starving
    )
    earlier, count = ([], 0) if request is None else _earlier(pool, agent, chat, starved=starved)
    return Choice(
        agent.id,
        config.name,
        config.pull_policy,
        "transfer" if request is None else "oldest-request" if agent.had_offer else "lot",
        "transfer" if request is None else request.origin,
        asking,
        [told for told in others if told.why != "other-queues"],
        sum(told.why == "other-queues" for told in others),
        [Line(queue, len(pool.waiting[queue].chats)) for queue in config.queues],
        earlier,
        count,
        starved,
        starving / 1000,
        _freed_by(pool, agent, chat),
    )


def _freed_by(pool: Pool, agent: Agent, chat: Chat) -> Literal["delay", "reoffer"] | None:
    if delay_over(agent) == pool.service:
        return "delay"
    passed = pool.passings.get(agent.id, {}).get(chat.id)
    if passed is not None and passed + agent.profile.config.reoffer_after == pool.service:
        return "reoffer"
    return None


def _earlier(pool: Pool, agent: Agent, chat: Chat, *, starved: bool) -> tuple[list[Earlier], int]:
    """The chats that stand before this one by age, or by rank where rank decides."""
    config = agent.profile.config
    strict = config.pull_policy == "strict-priority" and not starved
    passed = pool.passings.get(agent.id, {})
    own = (chat.arrived_at, *chat.position)
    first: list[Earlier] = []
    count = 0
    rank = config.queues.index(chat.queue)
    for place, queue in enumerate(config.queues):
        # In a better-ranked queue all come before it.
        end = (_LAST,) if strict and place < rank else own
        for other in _before(pool.waiting[queue], end):
            count += 1
            if len(first) < NAMED:
                until = passed.get(other.id, -config.reoffer_after) + config.reoffer_after
                first.append(
                    Earlier(
                        other.id, queue, other.arrived_text, "passed-over" if until > pool.service else "ranked-below"
                    )
                )
    return first, count


def _before(line: WaitingLine, end: tuple[int, ...]) -> Iterator[Chat]:
    """The chats that stand before a place in waiting order (R4)."""
    for entry in line.chats:
        if entry[:3] >= end:
            return
        yield entry[3]


def unserved(pool: Pool, chat: Chat, turned_down: Mapping[str, str]) -> Unserved:
    """Why nobody is given a chat that waits now, all being settled."""
    told = [each for agent in pool.agents.values() if (each := hindered(pool, agent, chat, turned_down))]
    serving = [each for each in told if each.why != "other-queues"]
    own = (chat.arrived_at, *chat.position)
    ahead = sum(1 for _ in _before(pool.waiting[chat.queue], own))
    counts = Counter(each.why for each in serving)
    return Unserved(chat.queue, len(pool.agents), len(serving), dict(counts), serving, ahead)
