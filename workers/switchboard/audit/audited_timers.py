"""Timers of a pool as the auditor keeps them: which event of time becomes due when, in service time (R1)."""

from collections.abc import Iterator
from heapq import heapify, heappush
from typing import Final

from switchboard.audit.audited_pool import ABSENT, EXPIRY, LOST, OVERFLOW, TIMEOUT, WRAP_UP, Agent, Chat, Pool

_SLACK: Final = 1000
"""Number of heap entries above which stale entries are counted against the size of the pool."""


def queue_limits(pool: Pool, chat: Chat) -> Iterator[tuple[int, int, str]]:
    """Yield (due, kind, chat id) for each limit of the queue that the chat entered (R17)."""
    limits = pool.config.queues.get(chat.entered_queue)
    if limits is None:
        return
    if limits.overflow_after and limits.overflow_to and not chat.overflowed:
        yield chat.entered_at + limits.overflow_after, OVERFLOW, chat.id
    if limits.max_wait:
        yield chat.entered_at + limits.max_wait, TIMEOUT, chat.id


def arm_queue(pool: Pool, chat: Chat) -> None:
    """Start the timers of the limits of the queue that the chat entered (R17)."""
    for timer in queue_limits(pool, chat):
        heappush(pool.timers, timer)


def wrap_up_due(chat: Chat) -> int | None:
    """Return the service time at which `wrap_up_limit` releases a wrapping chat (R15); None: no limit."""
    limit = chat.agent.profile.wrap_up_limit if chat.agent is not None else 0
    return chat.wrapping_since + limit if limit else None


def arm_wrap_up(pool: Pool, chat: Chat) -> None:
    """Start the timer of `wrap_up_limit` for a wrapping chat, if the profile has this limit (R15)."""
    due = wrap_up_due(chat)
    if due is not None:
        heappush(pool.timers, (due, WRAP_UP, chat.id))


def arm_delay(pool: Pool, agent: Agent) -> None:
    """Start the timer of the delay between chats, counted from the agent's last offer (R5)."""
    if agent.profile.delay and agent.last_offer is not None:
        pool.wake_at(agent.last_offer + agent.profile.delay, agent.id)


def arm_agent(pool: Pool, agent: Agent) -> None:
    """Start all timers of an agent that depend on the profile: after a login and after a configuration (R20)."""
    arm_delay(pool, agent)
    for chat_id in pool.passes.get(agent.id, ()):
        pool.wake_at(pool.chats[chat_id].passed[agent.id] + agent.profile.reoffer_after, agent.id)
    for chat in agent.held("wrapping"):
        arm_wrap_up(pool, chat)


def silent_since(pool: Pool, agent: Agent) -> int:
    """Return the service time from which the silence of the agent counts.

    Silence counts from the latest configuration, if the last sign of the agent is older (R20).
    """
    return max(agent.last_sign, pool.configured_at)


def arm_silence(pool: Pool, agent: Agent) -> None:
    """Start the timers of absence and loss for an agent, unless these timers are pending (R18)."""
    config = pool.config
    if config.absent_after and not agent.absent and agent.absent_hint < 0:
        agent.absent_hint = silent_since(pool, agent) + config.absent_after
        heappush(pool.timers, (agent.absent_hint, ABSENT, agent.id))
    if config.lost_after and agent.lost_hint < 0:
        agent.lost_hint = silent_since(pool, agent) + config.lost_after
        heappush(pool.timers, (agent.lost_hint, LOST, agent.id))


def rearm(pool: Pool) -> None:
    """Build both heaps anew from the pool's state: after a configuration, and when too many entries are stale."""
    pool.timers, pool.wakes = [], []
    for chat in pool.chats.values():
        arm_queue(pool, chat)
        if chat.stage == "offered":
            pool.timers.append((chat.expires, EXPIRY, chat.id))
    heapify(pool.timers)
    for agent in pool.agents.values():
        agent.absent_hint = agent.lost_hint = -1
        arm_agent(pool, agent)
        arm_silence(pool, agent)


def drop_stale(pool: Pool) -> None:
    """Bound the heaps: build both anew when stale entries outnumber the pool's state by far."""
    if len(pool.timers) + len(pool.wakes) > _SLACK + 8 * (len(pool.chats) + len(pool.agents) + len(pool.passes)):
        rearm(pool)


def next_due(pool: Pool) -> int | None:
    """Return the service time of the earliest timer of the pool; None: no timer is pending."""
    heads = [heap[0][0] for heap in (pool.timers, pool.wakes) if heap]
    return min(heads, default=None)
