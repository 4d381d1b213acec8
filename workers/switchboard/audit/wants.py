"""Decisions as the contract writes them, but for their ids: what the rules call for, made from the books."""

from typing import Any

from switchboard.audit.books import Agent, Chat, Pool
from switchboard.audit.times import told


def _decision(pool: Pool, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "pool": pool.id, "at": told(pool.clock), **fields}


def queued(pool: Pool, chat_id: str, queue: str, arrived_at: int) -> dict[str, Any]:
    """R13: the chat has arrived."""
    return _decision(pool, "chat-queued", chat_id=chat_id, queue=queue, arrived_at=told(arrived_at))


def assigned(pool: Pool, chat: Chat, agent: Agent, origin: str) -> dict[str, Any]:
    """R9: the chat is offered to the agent; `offer_id` is the decision's id, which the log tells."""
    profile, request = agent.profile, agent.request
    order = "lot" if agent.last_offer is None else "oldest-request"
    return _decision(
        pool,
        "chat-assigned",
        offer_id=None,
        chat_id=chat.id,
        agent_id=agent.id,
        queue=chat.queue,
        profile=profile.name,
        mode=agent.mode,
        origin=origin,
        arrived_at=told(chat.arrived_at),
        requested_at=told(request.at) if request is not None and origin != "transfer" else None,
        expires_at=told(pool.clock + profile.offer_timeout),
        waited_seconds=(pool.clock - chat.arrived_at) / 1000,
        attempt=chat.attempt + 1,
        sessions=len(agent.sessions) + (chat.agent is not agent),
        max_sessions=agent.max_sessions,
        why={
            "policy": profile.pull_policy,
            "agent_order": "transfer" if origin == "transfer" else order,
            "waiting": sum(len(pool.waiting.get(queue, ())) for queue in profile.queues),
            "requests": pool.requests,
        },
    )


def confirmed(pool: Pool, chat: Chat, *, automatic: bool) -> dict[str, Any]:
    """R10: the offer was accepted."""
    return _decision(
        pool,
        "assignment-confirmed",
        offer_id=chat.offer_id,
        chat_id=chat.id,
        agent_id=_holder(chat),
        queue=chat.queue,
        automatic=automatic,
        seconds_to_accept=(pool.clock - chat.offered_at) / 1000,
    )


def ended(pool: Pool, chat: Chat, reason: str) -> dict[str, Any]:
    """R10: the offer was declined, missed or rescinded."""
    return _decision(
        pool,
        "assignment-ended",
        offer_id=chat.offer_id,
        chat_id=chat.id,
        agent_id=_holder(chat),
        queue=chat.queue,
        reason=reason,
    )


def requeued(pool: Pool, chat: Chat, queue: str, reason: str) -> dict[str, Any]:
    """The chat waits again, or in another queue."""
    return _decision(pool, "chat-requeued", chat_id=chat.id, queue=queue, reason=reason)


def wrapping(pool: Pool, chat: Chat) -> dict[str, Any]:
    """R15: the conversation is over."""
    return _decision(pool, "chat-wrapping", chat_id=chat.id, agent_id=_holder(chat), queue=chat.queue)


def closed(pool: Pool, chat: Chat, reason: str) -> dict[str, Any]:
    """R15: the chat is over; its `agent_id` is null from waiting and offered."""
    return _decision(pool, "chat-closed", chat_id=chat.id, queue=chat.queue, agent_id=_holder(chat), reason=reason)


def requested(pool: Pool, agent: Agent) -> dict[str, Any]:
    """R11: a request made for the agent; `request_id` is the decision's id, which the log tells."""
    return _decision(
        pool, "chat-requested", agent_id=agent.id, request_id=None, requested_at=told(pool.clock), origin="push"
    )


def made_unavailable(pool: Pool, agent: Agent) -> dict[str, Any]:
    """R10: the agent missed too many offers."""
    return _decision(pool, "agent-made-unavailable", agent_id=agent.id, reason="missed-offers")


def request_rejected(pool: Pool, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """R12: the request could not stand."""
    return _decision(
        pool, "request-rejected", agent_id=data["agent_id"], request_id=data.get("request_id"), reason=reason
    )


def refused(pool: Pool, kind: str, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """R10: an accept or a decline that could not be."""
    return _decision(
        pool,
        kind,
        chat_id=data["chat_id"],
        agent_id=data["agent_id"],
        offer_id=data.get("offer_id"),
        reason=reason,
    )


def transfer_rejected(pool: Pool, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """R16: the transfer could not be."""
    return _decision(
        pool,
        "transfer-rejected",
        chat_id=data["chat_id"],
        to_queue=data.get("to_queue"),
        to_agent=data.get("to_agent"),
        reason=reason,
    )


def _holder(chat: Chat) -> str | None:
    return chat.agent.id if chat.agent is not None else None
