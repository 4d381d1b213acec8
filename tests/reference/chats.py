"""What can happen to a chat, its offers apart (R13 to R17)."""

from collections.abc import Mapping
from typing import Any

from switchboard.domain.rfc3339 import format_ms, parse_ms
from tests.reference.moves import close, enter, wait_again
from tests.reference.offers import end_offer, offer
from tests.reference.state import Agent, Chat, Pool


def arrival(pool: Pool, data: Mapping[str, Any]) -> None:
    """R13, R4: a chat arrives, unless it is open or was closed lately."""
    chat_id = data["chat_id"]
    if chat_id in pool.chats or chat_id in pool.closed:
        return
    arrived_at = min(parse_ms(data["arrived_at"]), pool.clock) if "arrived_at" in data else pool.clock
    queue = pool.config.queue_or_default(data.get("queue"))
    chat = Chat(chat_id, arrived_at, pool.position, queue, queue, pool.service)
    pool.chats[chat_id] = chat
    pool.decide("chat-queued", chat_id=chat_id, queue=queue, arrived_at=format_ms(arrived_at))
    if pool.ended_early.pop(chat_id, None) is not None:
        close(pool, chat, "abandoned")


def abandoned(pool: Pool, data: Mapping[str, Any]) -> None:
    """R14: the customer gives up."""
    chat = pool.chats.get(data["chat_id"])
    if chat is None:
        _remember_ending(pool, data["chat_id"])
    elif chat.stage == "active":
        _conclude(pool, chat)
    elif chat.stage in ("waiting", "offered"):
        _abandon(pool, chat)


def concluded(pool: Pool, data: Mapping[str, Any]) -> None:
    """R15: the conversation is over."""
    chat = pool.chats.get(data["chat_id"])
    if chat is None:
        _remember_ending(pool, data["chat_id"])
    elif _named_another(chat, data):
        return
    elif chat.stage == "active":
        _conclude(pool, chat)
    elif chat.stage in ("waiting", "offered") and data.get("by") != "agent":
        _abandon(pool, chat)


def released(pool: Pool, data: Mapping[str, Any]) -> None:
    """R15: the agent is done with a chat."""
    chat = pool.chats.get(data["chat_id"])
    if chat is not None and not _named_another(chat, data) and chat.stage in ("active", "wrapping"):
        close(pool, chat, "concluded")


def _named_another(chat: Chat, data: Mapping[str, Any]) -> bool:
    """Whether the event names an agent who does not hold the chat."""
    return "agent_id" in data and data["agent_id"] != chat.agent_id


def _remember_ending(pool: Pool, chat_id: str) -> None:
    if chat_id not in pool.closed:
        pool.ended_early.setdefault(chat_id, pool.service)


def _abandon(pool: Pool, chat: Chat) -> None:
    if chat.stage == "offered":
        end_offer(pool, chat, "chat-abandoned")
    close(pool, chat, "abandoned")


def _conclude(pool: Pool, chat: Chat) -> None:
    assert chat.agent_id is not None
    if not pool.profile(pool.agents[chat.agent_id]).wrap_up:
        close(pool, chat, "concluded")
        return
    chat.stage = "wrapping"
    chat.turn = pool.next_turn()
    chat.wrapping_since = pool.service
    pool.decide("chat-wrapping", chat_id=chat.id, agent_id=chat.agent_id, queue=chat.queue)


def transferred(pool: Pool, data: Mapping[str, Any]) -> None:
    """R16: the chat goes to a queue or to an agent."""
    chat = pool.chats.get(data["chat_id"])
    target = pool.agents.get(data["to_agent"]) if "to_agent" in data else None
    reason = _why_no_transfer(pool, chat, target, to_agent="to_agent" in data)
    if reason is not None:
        pool.decide(
            "transfer-rejected",
            chat_id=data["chat_id"],
            to_queue=data.get("to_queue"),
            to_agent=data.get("to_agent"),
            reason=reason,
        )
        return
    assert chat is not None
    if chat.stage == "offered":
        end_offer(pool, chat, "chat-transferred")
    chat.passed.clear()
    if target is None:
        enter(pool, chat, pool.config.queue_or_default(data["to_queue"]))
        wait_again(pool, chat, "transferred")
    else:
        enter(pool, chat, chat.queue)
        offer(pool, chat, target, None)


def _why_no_transfer(pool: Pool, chat: Chat | None, target: Agent | None, *, to_agent: bool) -> str | None:
    if chat is None:
        return "unknown-chat"
    if not to_agent:
        return None
    if target is None:
        return "unknown-agent"
    if not target.available:
        return "not-available"
    if len(pool.held(target)) >= pool.max_sessions(target):
        return "at-capacity"
    return None
