"""Decisions are booked as the log tells them, whatever was expected: what they say of a chat is where it is."""

from collections.abc import Callable, Mapping
from heapq import heappush
from typing import Any, Final

from switchboard.audit import clockwork
from switchboard.audit.books import CLOSED_REMEMBERED, EXPIRY, Chat, Pool
from switchboard.audit.times import read


def book(pool: Pool, decision: Mapping[str, Any]) -> None:
    """Let the books say what a decision says."""
    handler = _BOOKED.get(decision["type"])
    if handler is not None:
        handler(pool, decision)


def _queued(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat_id, queue, arrived_at = decision["chat_id"], decision["queue"], read(decision["arrived_at"])
    if chat_id in pool.chats:
        return
    chat = Chat(chat_id, queue, arrived_at, (arrived_at, *pool.position, chat_id), queue, pool.service)
    pool.chats[chat_id] = chat
    pool.line_up(chat)
    clockwork.arm_queue(pool, chat)


def _assigned(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat, agent = pool.chats.get(decision["chat_id"]), pool.agents.get(decision["agent_id"])
    if chat is None or agent is None:
        return
    if decision["origin"] == "transfer":
        pool.forget_passings(chat)
        enter(pool, chat, chat.queue)
    else:
        pool.withdraw(agent)
    pool.take_away(chat)
    chat.stage, chat.turn = "offered", pool.next_turn()
    chat.agent, chat.offer_id = agent, decision["offer_id"]
    chat.attempt += 1
    chat.offered_at = pool.clock
    chat.expires = pool.service + agent.profile.offer_timeout
    heappush(pool.timers, (chat.expires, EXPIRY, chat.id))
    agent.sessions[chat.id] = chat
    agent.last_offer = pool.service
    pool.touched[agent.id] = agent
    clockwork.arm_delay(pool, agent)


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
    pool.take_away(chat)
    chat.stage, chat.offer_id = "ended", None
    pool.ended.append(chat)
    if agent is None or decision["reason"] not in ("declined", "missed"):
        return
    if decision["reason"] == "missed":
        agent.missed += 1
    chat.passed[agent.id] = pool.service
    pool.passings.setdefault(agent.id, set()).add(chat.id)
    pool.wake_at(pool.service + agent.profile.reoffer_after, agent.id)


def _requeued(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return
    reason, was = decision["reason"], chat.stage
    pool.take_away(chat)
    if reason == "transferred":
        pool.forget_passings(chat)
    if reason == "overflow":
        chat.overflowed = True
    if reason == "transferred" or was in ("active", "wrapping"):
        enter(pool, chat, decision["queue"])
    chat.queue, chat.offer_id = decision["queue"], None
    pool.line_up(chat)


def _wrapping(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None or chat.agent is None:
        return
    chat.stage, chat.turn = "wrapping", pool.next_turn()
    chat.wrapping_since = pool.service
    clockwork.arm_wrap_up(pool, chat)


def _closed(pool: Pool, decision: Mapping[str, Any]) -> None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return
    pool.take_away(chat)
    pool.forget_passings(chat)
    chat.stage = "closed"
    del pool.chats[chat.id]
    pool.remember(pool.closed, chat.id, CLOSED_REMEMBERED)


def _requested(pool: Pool, decision: Mapping[str, Any]) -> None:
    agent = pool.agents.get(decision["agent_id"])
    if agent is not None:
        pool.ask(agent, "push")


def _made_unavailable(pool: Pool, decision: Mapping[str, Any]) -> None:
    agent = pool.agents.get(decision["agent_id"])
    if agent is not None:
        agent.status, agent.returns, agent.missed = "unavailable", True, 0
        pool.withdraw(agent)
        pool.touched[agent.id] = agent


def enter(pool: Pool, chat: Chat, queue: str) -> None:
    """R17: the chat enters a queue, whose limits start anew."""
    chat.entered_queue, chat.entered_at, chat.overflowed = queue, pool.service, False
    clockwork.arm_queue(pool, chat)


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
