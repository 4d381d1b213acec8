"""What becomes due when, in service time (R1)."""

from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappush
from typing import Any, Final

from switchboard.audit.audited_pool import (
    ABSENT,
    CLOSED_REMEMBERED,
    EXPIRY,
    LOST,
    OVERFLOW,
    TIMEOUT,
    WRAP_UP,
    Agent,
    Chat,
    Pool,
    parse_time,
)

_SLACK: Final = 1000
"""Stale entries that are always borne with."""


def queue_limits(pool: Pool, chat: Chat) -> Iterator[tuple[int, int, str]]:
    """R17: the limits of a chat's entry into a queue, as (due, kind, chat)."""
    limits = pool.config.queues.get(chat.entered_queue)
    if limits is None:
        return
    if limits.overflow_after and limits.overflow_to and not chat.overflowed:
        yield chat.entered_at + limits.overflow_after, OVERFLOW, chat.id
    if limits.max_wait:
        yield chat.entered_at + limits.max_wait, TIMEOUT, chat.id


def arm_queue(pool: Pool, chat: Chat) -> None:
    """Look at a chat again when it may have waited too long."""
    for timer in queue_limits(pool, chat):
        heappush(pool.timers, timer)


def wrap_up_due(chat: Chat) -> int | None:
    """R15: when a wrapping chat is released by itself."""
    limit = chat.agent.profile.wrap_up_limit if chat.agent is not None else 0
    return chat.wrapping_since + limit if limit else None


def arm_wrap_up(pool: Pool, chat: Chat) -> None:
    """Look at a wrapping chat again when its limit is over."""
    due = wrap_up_due(chat)
    if due is not None:
        heappush(pool.timers, (due, WRAP_UP, chat.id))


def arm_delay(pool: Pool, agent: Agent) -> None:
    """R5: look at an agent again when the delay since its last offer has passed."""
    if agent.profile.delay and agent.last_offer is not None:
        pool.wake_at(agent.last_offer + agent.profile.delay, agent.id)


def arm_agent(pool: Pool, agent: Agent) -> None:
    """Everything of an agent that depends on its profile: after a login, and a configuration (R20)."""
    arm_delay(pool, agent)
    for chat_id in pool.passes.get(agent.id, ()):
        pool.wake_at(pool.chats[chat_id].passed[agent.id] + agent.profile.reoffer_after, agent.id)
    for chat in agent.held("wrapping"):
        arm_wrap_up(pool, chat)


def silent_since(pool: Pool, agent: Agent) -> int:
    """R20: silence counts from the latest configuration, at the earliest."""
    return max(agent.last_sign, pool.configured_at)


def arm_silence(pool: Pool, agent: Agent) -> None:
    """R18: look at an agent again when it may have been silent for too long."""
    config = pool.config
    if config.absent_after and not agent.absent and agent.absent_hint < 0:
        agent.absent_hint = silent_since(pool, agent) + config.absent_after
        heappush(pool.timers, (agent.absent_hint, ABSENT, agent.id))
    if config.lost_after and agent.lost_hint < 0:
        agent.lost_hint = silent_since(pool, agent) + config.lost_after
        heappush(pool.timers, (agent.lost_hint, LOST, agent.id))


def rearm(pool: Pool) -> None:
    """Make both heaps anew from the books: after a configuration, and when stale entries have become too many."""
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


def tidy(pool: Pool) -> None:
    """Bound the heaps."""
    if len(pool.timers) + len(pool.wakes) > _SLACK + 8 * (len(pool.chats) + len(pool.agents) + len(pool.passes)):
        rearm(pool)


def next_due(pool: Pool) -> int | None:
    """When this pool is to be looked at again; None: nothing is pending."""
    heads = [heap[0][0] for heap in (pool.timers, pool.wakes) if heap]
    return min(heads, default=None)


def book(pool: Pool, decision: Mapping[str, Any]) -> None:
    """Let the books say what a decision says."""
    handler = _BOOKED.get(decision["type"])
    if handler is not None:
        handler(pool, decision)


def _queued(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat_id, queue, arrived_at = decision["chat_id"], decision["queue"], parse_time(decision["arrived_at"])
    if chat_id in pool.chats:
        return
    chat = Chat(chat_id, queue, arrived_at, (arrived_at, *pool.position, chat_id), queue, pool.service)
    pool.chats[chat_id] = chat
    pool.add_waiting(chat)
    arm_queue(pool, chat)


def _assigned(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat, agent = pool.chats.get(decision["chat_id"]), pool.agents.get(decision["agent_id"])
    if chat is None or agent is None:
        return
    if decision["origin"] == "transfer":
        pool.forget_passes(chat)
        enter(pool, chat, chat.queue)
    else:
        pool.withdraw_request(agent)
    pool.detach(chat)
    chat.stage, chat.turn = "offered", pool.next_turn()
    chat.agent, chat.offer_id = agent, decision["offer_id"]
    chat.attempt += 1
    chat.offered_at = pool.clock
    chat.expires = pool.service + agent.profile.offer_timeout
    heappush(pool.timers, (chat.expires, EXPIRY, chat.id))
    agent.sessions[chat.id] = chat
    agent.last_offer = pool.service
    pool.touched[agent.id] = agent
    arm_delay(pool, agent)


def _confirmed(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None or chat.agent is None:
        return
    chat.stage, chat.turn = "active", pool.next_turn()
    if not decision["automatic"]:
        chat.agent.missed = 0
    pool.touched[chat.agent.id] = chat.agent


def _ended(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return
    agent = chat.agent
    pool.detach(chat)
    chat.stage, chat.offer_id = "ended", None
    pool.ended.append(chat)
    if agent is None or decision["reason"] not in ("declined", "missed"):
        return
    if decision["reason"] == "missed":
        agent.missed += 1
    chat.passed[agent.id] = pool.service
    pool.passes.setdefault(agent.id, set()).add(chat.id)
    pool.wake_at(pool.service + agent.profile.reoffer_after, agent.id)


def _requeued(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return
    reason, was = decision["reason"], chat.stage
    pool.detach(chat)
    if reason == "transferred":
        pool.forget_passes(chat)
    if reason == "overflow":
        chat.overflowed = True
    if reason == "transferred" or was in ("active", "wrapping"):
        enter(pool, chat, decision["queue"])
    chat.queue, chat.offer_id = decision["queue"], None
    pool.add_waiting(chat)


def _wrapping(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None or chat.agent is None:
        return
    chat.stage, chat.turn = "wrapping", pool.next_turn()
    chat.wrapping_since = pool.service
    arm_wrap_up(pool, chat)


def _closed(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return
    pool.detach(chat)
    pool.forget_passes(chat)
    chat.stage = "closed"
    del pool.chats[chat.id]
    pool.remember(pool.closed, chat.id, CLOSED_REMEMBERED)


def _requested(pool: Pool, decision: Mapping[str, Any]) -> None:
    agent = pool.agents.get(decision["agent_id"])
    if agent is not None:
        pool.add_request(agent, "push")


def _made_unavailable(pool: Pool, decision: Mapping[str, Any]) -> None:
    agent = pool.agents.get(decision["agent_id"])
    if agent is not None:
        agent.status, agent.returns, agent.missed = "unavailable", True, 0
        pool.withdraw_request(agent)
        pool.touched[agent.id] = agent


def enter(pool: Pool, chat: Chat, queue: str) -> None:
    """R17: the chat enters a queue, whose limits start anew."""
    chat.entered_queue, chat.entered_at, chat.overflowed = queue, pool.service, False
    arm_queue(pool, chat)


_BOOKED: Final[Mapping[str, Callable[[Pool, Mapping[str, Any]], None]]] = {
    "chat-queued": _queued,
    "chat-assigned": _assigned,
    "assignment-confirmed": _confirmed,
    "assignment-ended": _ended,
    "chat-requeued": _requeued,
    "chat-wrapping": _wrapping,
    "chat-closed": _closed,
    "chat-requested": _requested,
    "agent-made-unavailable": _made_unavailable,
}
"""What refuses something changes nothing."""
