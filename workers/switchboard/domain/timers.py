"""Timers: when they are due, and the heap that they wait in (R1).

An entry of the heap is a hint: when it comes up, the state says whether it is still meant. So what ends a timer need
not look for it, and heartbeats, which move a due time with each event, touch no heap at all.
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
"""Stale entries that are always borne with."""


class Kind(IntEnum):
    """What a timer does, in the order in which timers due at one time fire (R1)."""

    OFFER_EXPIRY = 0
    """A standing offer is missed, or accepted by itself (R10)."""
    DELAY_OVER = 1
    """The delay between chats has passed; it only settles (R5)."""
    REOFFER = 2
    """A chat passed over may be offered again; it only settles (R5)."""
    QUEUE_OVERFLOW = 3
    QUEUE_TIMEOUT = 4
    WRAP_UP_LIMIT = 5
    AGENT_ABSENT = 6
    AGENT_LOST = 7
    CHAT_FORGOTTEN = 8


def queue_timers(pool: Pool, chat: Chat) -> Iterator[tuple[int, int, str]]:
    """R17: the limits of a chat's entry into a queue, as (due, kind, id)."""
    limits = pool.config.queues[chat.entered_queue]
    if limits.overflow_after and limits.overflow_to is not None and not chat.overflowed:
        yield chat.entered_at + limits.overflow_after, Kind.QUEUE_OVERFLOW, chat.id
    if limits.max_wait:
        yield chat.entered_at + limits.max_wait, Kind.QUEUE_TIMEOUT, chat.id


def arm_queue_timers(pool: Pool, chat: Chat) -> None:
    """Put the timers of a waiting chat in the heap, once an entry into a queue."""
    if not chat.armed:
        chat.armed = True
        for timer in queue_timers(pool, chat):
            heappush(pool.index.timers, timer)


def wrap_up_due(chat: Chat) -> int | None:
    """R15: when a wrapping chat is released by itself, in service time."""
    limit = chat.agent.profile.config.wrap_up_limit if chat.agent is not None else 0
    return chat.wrapping_since + limit if limit else None


def arm_wrap_up(pool: Pool, chat: Chat) -> None:
    """Put the timer of a wrapping chat in the heap."""
    due = wrap_up_due(chat)
    if due is not None:
        heappush(pool.index.timers, (due, Kind.WRAP_UP_LIMIT, chat.id))


def silence_since(pool: Pool, agent: Agent) -> int:
    """R20: silence counts from the pool's latest configuration, at the earliest."""
    return max(agent.last_sign, pool.configured_at or 0)


def arm_silence(pool: Pool, agent: Agent) -> None:
    """Put the timers for an agent's silence in the heap, where they are not."""
    config = pool.config
    if config.absent_after and not agent.absent and agent.absent_due < 0:
        agent.absent_due = silence_since(pool, agent) + config.absent_after
        heappush(pool.index.timers, (agent.absent_due, Kind.AGENT_ABSENT, agent.id))
    if config.lost_after and agent.lost_due < 0:
        agent.lost_due = silence_since(pool, agent) + config.lost_after
        heappush(pool.index.timers, (agent.lost_due, Kind.AGENT_LOST, agent.id))


def rebuild(pool: Pool, now: int) -> None:
    """Make the heaps anew from the state: after a configuration, a restore, or when stale entries are too many."""
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
    """Put the times at which chats may be offered to the agent again in the heap (after a login, too: R5)."""
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

    The timer is set whether or not the agent has a request: service time moves only while a timer is pending.
    """
    over = delay_over(agent)
    if over is not None and over > now and agent.wake != over:
        agent.wake = over
        heappush(pool.index.wakes, (over, agent.id))


def tidy(pool: Pool, now: int) -> None:
    """Bound the heaps: an offer leaves its expiry behind when it is accepted."""
    entries = len(pool.index.timers) + len(pool.index.wakes)
    if entries > _SLACK + 4 * max(len(pool.chats) + len(pool.agents), pool.index.passed):
        rebuild(pool, now)


def next_due(pool: Pool) -> int | None:
    """The earliest service time at which this pool may have something to do."""
    due: int | None = None
    for heap in (pool.index.timers, pool.index.wakes, pool.index.forgets, pool.index.early_forgets):
        if heap and (due is None or heap[0][0] < due):
            due = heap[0][0]
    return due


LEAVING: Final = frozenset(
    {"agent-logged-out", "agent-lost", "agent-absent", "agent-status-changed", "agent-logged-in"}
)
"""The types of events that may end all sessions of an agent, or all offers."""


def due_entries(heap: Sequence[tuple[Any, ...]], by: int) -> Iterator[tuple[Any, ...]]:
    """The entries of a heap whose first field is `by` at most, in no order; the others are not looked at."""
    left = [0]
    while left:
        place = left.pop()
        if place < len(heap) and heap[place][0] <= by:
            yield heap[place]
            left += (2 * place + 1, 2 * place + 2)


def timers_due(pool: Pool, by: int, most: int) -> int:
    """How many timers of a pool are due by a service time (ms), counted up to `most`; some may be stale."""
    forgets = (takewhile(lambda entry: entry[0] <= by, due) for due in (pool.index.forgets, pool.index.early_forgets))
    found = chain(due_entries(pool.index.timers, by), due_entries(pool.index.wakes, by), *forgets)
    return sum(1 for _ in islice(found, most))


def sessions_at_stake(pools: Mapping[str, Pool], events: Iterable[Event]) -> int:
    """How many sessions the agents hold whom events may take them from; of agents who are logged in already."""
    found = 0
    for event in events:
        if event.type in LEAVING and (pool := pools.get(event.pool)) is not None:
            agent = pool.agents.get(event.data["agent_id"])
            found += 0 if agent is None else len(agent.sessions)
    return found
