"""How an offer is made and how it ends (R9, R10)."""

from collections.abc import Mapping
from typing import Any

from switchboard.domain.rfc3339 import MAX_MS, format_ms
from tests.reference.moves import wait_again
from tests.reference.state import Agent, Chat, Pool, Request


def offer(pool: Pool, chat: Chat, agent: Agent, request: Request | None) -> None:
    """R9: the chat is offered to the agent, for its request or, without one, by a transfer."""
    profile = pool.profile(agent)
    waiting = sum(other.queue in profile.queues for other in pool.waiting())
    requests = sum(other.request is not None for other in pool.agents.values())
    first = agent.last_offer is None
    chat.stage = "offered"
    chat.agent_id = agent.id
    chat.offer_id = pool.next_id()
    chat.offered_clock = pool.clock
    chat.expires = pool.service + profile.offer_timeout * 1000
    chat.attempt += 1
    chat.turn = pool.next_turn()
    agent.last_offer = pool.service
    if request is not None:
        agent.request = None
    lot_or_oldest = "lot" if first else "oldest-request"
    pool.decide(
        "chat-assigned",
        offer_id=chat.offer_id,
        chat_id=chat.id,
        agent_id=agent.id,
        queue=chat.queue,
        profile=profile.name,
        mode=pool.mode(agent),
        origin="transfer" if request is None else request.origin,
        arrived_at=format_ms(chat.arrived_at),
        requested_at=None if request is None else format_ms(request.clock),
        expires_at=format_ms(min(pool.clock + profile.offer_timeout * 1000, MAX_MS)),
        waited_seconds=(pool.clock - chat.arrived_at) / 1000,
        attempt=chat.attempt,
        sessions=len(pool.held(agent)),
        max_sessions=pool.max_sessions(agent),
        why={
            "policy": profile.pull_policy,
            "agent_order": "transfer" if request is None else lot_or_oldest,
            "waiting": waiting,
            "requests": requests,
        },
    )


def accepted(pool: Pool, data: Mapping[str, Any]) -> None:
    """R10: an agent accepts a chat."""
    chat = pool.chats.get(data["chat_id"])
    agent_id, offer_id = data["agent_id"], data.get("offer_id")
    this_offer = chat is not None and offer_id in (None, chat.offer_id)
    if chat is None:
        reason = "unknown-chat"
    elif chat.stage in ("active", "wrapping") and chat.agent_id == agent_id and this_offer:
        return  # a repeat
    elif chat.stage != "offered":
        reason = "not-offered"
    elif chat.agent_id != agent_id:
        reason = "wrong-agent"
    elif not this_offer:
        reason = "stale-offer"
    else:
        pool.agents[agent_id].missed = 0
        _confirm(pool, chat, automatic=False)
        return
    pool.decide("accept-rejected", chat_id=data["chat_id"], agent_id=agent_id, offer_id=offer_id, reason=reason)


def _confirm(pool: Pool, chat: Chat, *, automatic: bool) -> None:
    chat.stage = "active"
    chat.turn = pool.next_turn()
    pool.decide(
        "assignment-confirmed",
        offer_id=chat.offer_id,
        chat_id=chat.id,
        agent_id=chat.agent_id,
        queue=chat.queue,
        automatic=automatic,
        seconds_to_accept=(pool.clock - chat.offered_clock) / 1000,
    )


def declined(pool: Pool, data: Mapping[str, Any]) -> None:
    """R10: an agent declines a standing offer."""
    chat = pool.chats.get(data["chat_id"])
    agent_id, offer_id = data["agent_id"], data.get("offer_id")
    if chat is None or chat.stage != "offered" or chat.agent_id != agent_id or offer_id not in (None, chat.offer_id):
        return
    if not pool.profile(pool.agents[agent_id]).allow_decline:
        pool.decide(
            "decline-rejected",
            chat_id=chat.id,
            agent_id=agent_id,
            offer_id=offer_id,
            reason="not-allowed",
        )
        return
    chat.passed[agent_id] = pool.service
    end_offer(pool, chat, "declined")
    wait_again(pool, chat, "declined")


def expire(pool: Pool, chat: Chat) -> None:
    """R10: an offer's time is up: it is missed, or accepted where the profile has no auto_decline."""
    assert chat.agent_id is not None
    agent = pool.agents[chat.agent_id]
    profile = pool.profile(agent)
    if not profile.auto_decline:
        _confirm(pool, chat, automatic=True)
        return
    chat.passed[agent.id] = pool.service
    agent.missed += 1
    end_offer(pool, chat, "missed")
    wait_again(pool, chat, "missed")
    if profile.max_missed_offers and agent.missed >= profile.max_missed_offers:
        agent.missed = 0
        pool.decide("agent-made-unavailable", agent_id=agent.id, reason="missed-offers")
        agent.status = "unavailable"
        agent.unavailable_by_misses = True
        stop_offers(pool, agent, "agent-unavailable")


def end_offer(pool: Pool, chat: Chat, reason: str) -> None:
    """R10: the standing offer ends, not accepted; the session is free."""
    pool.decide(
        "assignment-ended",
        offer_id=chat.offer_id,
        chat_id=chat.id,
        agent_id=chat.agent_id,
        queue=chat.queue,
        reason=reason,
    )
    chat.stage = "ended"  # what comes next is the caller's: the chat waits, is closed or is offered anew
    chat.agent_id = None
    chat.offer_id = None
    pool.offer_ended.append(chat.id)


def stop_offers(pool: Pool, agent: Agent, reason: str) -> None:
    """The request is withdrawn; undecided offers end pair by pair, in the order in which they were made (R10)."""
    agent.request = None
    for chat in pool.held(agent, "offered"):
        end_offer(pool, chat, reason)
        wait_again(pool, chat, reason)
