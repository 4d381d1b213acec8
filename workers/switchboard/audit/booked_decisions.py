"""Apply decisions to the auditor's state of a pool: one function for each type of decision that changes the state."""

from collections.abc import Callable, Mapping
from heapq import heappush
from typing import Any, Final

from switchboard.audit.audited_pool import CLOSED_REMEMBERED, EXPIRY, Chat, Pool, parse_time
from switchboard.audit.audited_timers import arm_delay, arm_queue, arm_wrap_up


def book(pool: Pool, decision: Mapping[str, Any]) -> None:
    """Apply a decision to the pool's state. A decision about an unknown chat or agent changes nothing."""
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
    """Let the chat enter a queue: the limits of the queue start anew (R17)."""
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
"""Decision type -> the change of state. Rejections have no entry: a rejection changes nothing."""
