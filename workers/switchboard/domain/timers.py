"""Timers: when they are due, and the heaps that hold them (R1).

An entry of a heap is a hint. When an entry becomes due, the state decides whether the timer is still wanted. So no
entry has to be removed when a timer becomes pointless, and a heartbeat, which postpones due times, costs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from heapq import heapify, heappush
from itertools import chain, islice, takewhile
from typing import Any, Final

from switchboard.domain.events import Event
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat

_SLACK: Final = 1000
"""Number of stale entries that are tolerated in a pool of any size."""


class Kind(IntEnum):
    """The kinds of timers, in the order in which timers due at the same time fire (R1).

    Only entries of `Index.timers` hold their kind: `DELAY_OVER` and `REOFFER` are due by `Index.wakes`,
    `CHAT_FORGOTTEN` by `Index.forgets` and `Index.early_forgets`.
    """

    OFFER_EXPIRY = 0
    """An offer expires: it is missed, or accepted automatically (R10)."""
    DELAY_OVER = 1
    """The delay between chats is over; only a settle follows (R5)."""
    REOFFER = 2
    """A re-offer cool-down is over; only a settle follows (R5)."""
    QUEUE_OVERFLOW = 3
    QUEUE_TIMEOUT = 4
    WRAP_UP_LIMIT = 5
    AGENT_ABSENT = 6
    AGENT_LOST = 7
    CHAT_FORGOTTEN = 8


def queue_timers(pool: Pool, chat: Chat) -> Iterator[tuple[int, int, str]]:
    """R17: (due, kind, chat id) for each limit of the queue that applies to a waiting chat."""
    limits = pool.config.queues[chat.entered_queue]
    if limits.overflow_after and limits.overflow_to is not None and not chat.overflowed:
        yield chat.entered_at + limits.overflow_after, Kind.QUEUE_OVERFLOW, chat.id
    if limits.max_wait:
        yield chat.entered_at + limits.max_wait, Kind.QUEUE_TIMEOUT, chat.id


def arm_queue_timers(pool: Pool, chat: Chat) -> None:
    """Put the queue timers of a waiting chat in the heap, once for each entry into a queue."""
    if not chat.armed:
        chat.armed = True
        for timer in queue_timers(pool, chat):
            heappush(pool.index.timers, timer)


def wrap_up_due(chat: Chat) -> int | None:
    """R15: service time at which a wrapping chat is released automatically; None: never."""
    limit = chat.agent.profile.config.wrap_up_limit if chat.agent is not None else 0
    return chat.wrapping_since + limit if limit else None


def arm_wrap_up(pool: Pool, chat: Chat) -> None:
    """Put the wrap-up timer of a wrapping chat in the heap, if the profile limits wrap-up."""
    due = wrap_up_due(chat)
    if due is not None:
        heappush(pool.index.timers, (due, Kind.WRAP_UP_LIMIT, chat.id))


def silence_since(pool: Pool, agent: Agent) -> int:
    """Service time from which the agent counts as silent: never before the pool's latest configuration (R20)."""
    return max(agent.last_sign, pool.configured_at or 0)


def arm_silence(pool: Pool, agent: Agent) -> None:
    """Put the timers of an agent's absence and loss in the heap, unless they are there."""
    config = pool.config
    if config.absent_after and not agent.absent and agent.absent_due < 0:
        agent.absent_due = silence_since(pool, agent) + config.absent_after
        heappush(pool.index.timers, (agent.absent_due, Kind.AGENT_ABSENT, agent.id))
    if config.lost_after and agent.lost_due < 0:
        agent.lost_due = silence_since(pool, agent) + config.lost_after
        heappush(pool.index.timers, (agent.lost_due, Kind.AGENT_LOST, agent.id))


def rebuild(pool: Pool, now: int) -> None:
    """Build the heaps from the state: after a configuration, a restore, or when too many entries are stale.

    Args:
        pool: the pool.
        now: service time, ms.
    """
    timers: list[tuple[int, int, str]] = []
    for chat in pool.chats.values():
        chat.armed = chat.stage == "waiting"
        if chat.stage == "waiting":
            timers.extend(queue_timers(pool, chat))
        elif chat.stage == "offered":
            timers.append((chat.expires, Kind.OFFER_EXPIRY, chat.id))
        elif chat.stage == "wrapping":
            due = wrap_up_due(chat)
            if due is not None:
                timers.append((due, Kind.WRAP_UP_LIMIT, chat.id))
    heapify(timers)
    pool.index.timers = timers
    pool.index.wakes = []
    for agent in pool.agents.values():
        agent.absent_due = agent.lost_due = agent.wake = -1
        arm_silence(pool, agent)
        arm_passings(pool, agent, now)
        arm_delay(pool, agent, now)


def arm_passings(pool: Pool, agent: Agent, now: int) -> None:
    """Put the ends of the agent's re-offer cool-downs in the heap. A cool-down outlasts a logout (R5)."""
    reoffer_after = agent.profile.config.reoffer_after
    for at in pool.index.passings.get(agent.id, {}).values():
        if at + reoffer_after > now:
            heappush(pool.index.wakes, (at + reoffer_after, agent.id))


def delay_over(agent: Agent) -> int | None:
    """R5: service time at which the delay since the agent's last offer is over; None if the agent has no delay."""
    delay = agent.profile.config.delay_between_chats
    return agent.last_offer + delay if delay and agent.last_offer is not None else None


def arm_delay(pool: Pool, agent: Agent, now: int) -> None:
    """Set the timer for the end of the agent's delay, once after each offer and each change of the profile (R5).

    Set also for an agent without a request: without a pending timer a quiet shard makes no frame, and no service time
    passes.
    """
    over = delay_over(agent)
    if over is not None and over > now and agent.wake != over:
        agent.wake = over
        heappush(pool.index.wakes, (over, agent.id))


def tidy(pool: Pool, now: int) -> None:
    """Rebuild the heaps if most entries are stale: an accepted offer leaves its expiry in the heap."""
    index = pool.index
    entries = len(index.timers) + len(index.wakes)
    if entries > _SLACK and entries > _SLACK + 4 * max(len(pool.chats) + len(pool.agents), index.passed):
        rebuild(pool, now)


def next_due(pool: Pool) -> int | None:
    """The earliest service time at which a timer of the pool may be due; None: the pool has no timer."""
    index = pool.index
    due: int | None = None
    for heap in (index.timers, index.wakes, index.forgets, index.early_forgets):
        if heap and (due is None or heap[0][0] < due):
            due = heap[0][0]
    return due


LEAVING: Final = frozenset(
    {"agent-logged-out", "agent-lost", "agent-absent", "agent-status-changed", "agent-logged-in"}
)
"""The types of events that may end all sessions or all offers of an agent."""


def due_entries(heap: Sequence[tuple[Any, ...]], by: int) -> Iterator[tuple[Any, ...]]:
    """The entries of a heap with a first field of at most `by`, unordered. Looks at these and their children alone."""
    left = [0]
    while left:
        place = left.pop()
        if place < len(heap) and heap[place][0] <= by:
            yield heap[place]
            left += (2 * place + 1, 2 * place + 2)


def timers_due(pool: Pool, by: int, most: int) -> int:
    """The number of a pool's timers due by a service time (ms), at most `most`; stale ones are counted too."""
    forgets = (takewhile(lambda entry: entry[0] <= by, due) for due in (pool.index.forgets, pool.index.early_forgets))
    found = chain(due_entries(pool.index.timers, by), due_entries(pool.index.wakes, by), *forgets)
    return sum(1 for _ in islice(found, most))


def sessions_at_stake(pools: Mapping[str, Pool], events: Iterable[Event]) -> int:
    """The sessions and offers of the agents with an event of a type in `LEAVING`: the most that such events may end."""
    found = 0
    for event in events:
        if event.type in LEAVING and (pool := pools.get(event.pool)) is not None:
            agent = pool.agents.get(event.data["agent_id"])
            found += 0 if agent is None else len(agent.sessions)
    return found
