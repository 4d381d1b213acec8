"""Events about chats: changes of state and expected decisions (R4, R10, R13 to R16).

Each function for an event is a generator of expected decisions. The generator yields an expected decision when the
rules call for the decision, and goes on after the caller has booked the decision: behind a `yield` the pool's state
holds the change.

The functions from `queued` on build the decisions from the pool's state, as the contract defines them, without ids.
"""

from collections.abc import Iterator
from typing import Any

from switchboard.audit.audited_pool import ENDING_REMEMBERED, Agent, Chat, Expected, Pool, parse_time, time_text


def arrival(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-arrival`: queue the chat, unless the chat is open or was closed in the last 10 minutes (R4, R13)."""
    chat_id = data["chat_id"]
    if chat_id in pool.chats or pool.remembers(pool.closed, chat_id):
        return
    arrived_at = min(parse_time(data["arrived_at"]), pool.clock) if "arrived_at" in data else pool.clock
    yield ("I4", "R13"), queued(pool, chat_id, pool.config.queue(data.get("queue")), arrived_at)
    # The customer left before the arrival was read: the chat is closed at once.
    chat = pool.chats.get(chat_id)
    if chat is not None and pool.remembers(pool.ended_early, chat_id):
        del pool.ended_early[chat_id]
        yield ("I4", "R13"), closed(pool, chat, "abandoned")


def accepted(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-accepted`: confirm the offer, or reject the accept with a reason (R10)."""
    chat, offer_id = pool.chats.get(data["chat_id"]), data.get("offer_id")
    if chat is None:
        why = "unknown-chat"
    else:
        its_agent = chat.agent is not None and chat.agent.id == data["agent_id"]
        its_offer = offer_id is None or offer_id == chat.offer_id
        # A repeated accept is ignored.
        if chat.stage in ("active", "wrapping") and its_agent and its_offer:
            return
        if chat.stage == "offered" and its_agent and its_offer:
            yield ("I3", "R10"), confirmed(pool, chat, automatic=False)
            return
        why = "not-offered" if chat.stage != "offered" else "stale-offer" if its_agent else "wrong-agent"
    yield ("R10",), refused(pool, "accept-rejected", data, why)


def declined(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-declined`: end the offer, or reject the decline if the profile forbids declines (R10)."""
    chat = pool.chats.get(data["chat_id"])
    if chat is None or chat.stage != "offered" or chat.agent is None or chat.agent.id != data["agent_id"]:
        return
    if data.get("offer_id", chat.offer_id) != chat.offer_id:
        return
    if not chat.agent.profile.allow_decline:
        yield ("R10",), refused(pool, "decline-rejected", data, "not-allowed")
        return
    yield from end_offer(pool, chat, "declined")


def end_offer(pool: Pool, chat: Chat, reason: str) -> Iterator[Expected]:
    """End an offer, and let the chat wait again (R10)."""
    yield ("I3", "R10"), ended(pool, chat, reason)
    yield ("I4", "R10"), requeued(pool, chat, chat.queue, reason)


def expired(pool: Pool, chat: Chat, agent: Agent) -> Iterator[Expected]:
    """Handle an expired offer: accept automatically, or count a missed offer (R10)."""
    if not agent.profile.auto_decline:
        yield ("I3", "R10"), confirmed(pool, chat, automatic=True)
        return
    yield from end_offer(pool, chat, "missed")
    # The booked `assignment-ended` has counted the miss already.
    if agent.profile.max_missed and agent.missed >= agent.profile.max_missed:
        yield ("R10",), made_unavailable(pool, agent)
        yield from rescind(pool, agent, "agent-unavailable")


def rescind(pool: Pool, agent: Agent, reason: str) -> Iterator[Expected]:
    """Withdraw the agent's offers, oldest first: each ends, and each chat waits again (R10)."""
    for chat in agent.held("offered"):
        yield from end_offer(pool, chat, reason)


def abandoned(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-abandoned`: the customer gives up (R14)."""
    chat = pool.chats.get(data["chat_id"])
    if chat is None:
        _remember_ending(pool, data["chat_id"])
    elif chat.stage == "active":
        yield from _conclude(pool, chat)
    elif chat.stage != "wrapping":
        yield from _abandon(pool, chat)


def concluded(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-concluded`: the conversation is over (R15)."""
    chat = pool.chats.get(data["chat_id"])
    if chat is None:
        _remember_ending(pool, data["chat_id"])
    elif _names_other_agent(chat, data):
        return
    elif chat.stage == "active":
        yield from _conclude(pool, chat)
    elif chat.stage != "wrapping" and data.get("by") != "agent":
        yield from _abandon(pool, chat)


def released(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-released`: the agent has finished the wrap-up or the chat (R15)."""
    chat = pool.chats.get(data["chat_id"])
    if chat is not None and chat.stage in ("active", "wrapping") and not _names_other_agent(chat, data):
        yield ("I4", "R15"), closed(pool, chat, "concluded")


def transferred(pool: Pool, data: dict[str, Any]) -> Iterator[Expected]:
    """`chat-transferred`: move the chat to a queue or offer the chat to an agent, or reject the transfer (R16)."""
    chat, to_agent = pool.chats.get(data["chat_id"]), data.get("to_agent")
    target = pool.agents.get(to_agent) if to_agent is not None else None
    why = _why_no_transfer(chat, target, to_agent=to_agent is not None)
    if why is not None or chat is None:
        yield ("R16",), transfer_rejected(pool, data, why or "")
        return
    if chat.stage == "offered":
        yield ("I3", "R16"), ended(pool, chat, "chat-transferred")
    if target is None:
        yield ("I4", "R16"), requeued(pool, chat, pool.config.queue(data["to_queue"]), "transferred")
    else:
        yield ("R16",), assigned(pool, chat, target, "transfer")


def _why_no_transfer(chat: Chat | None, target: Agent | None, *, to_agent: bool) -> str | None:
    if chat is None:
        return "unknown-chat"
    if not to_agent:
        return None
    if target is None:
        return "unknown-agent"
    if not target.available:
        return "not-available"
    return None if target.has_room else "at-capacity"


def _conclude(pool: Pool, chat: Chat) -> Iterator[Expected]:
    if chat.agent is not None and chat.agent.profile.wrap_up:
        yield ("I4", "R15"), wrapping(pool, chat)
    else:
        yield ("I4", "R15"), closed(pool, chat, "concluded")


def _abandon(pool: Pool, chat: Chat) -> Iterator[Expected]:
    if chat.stage == "offered":
        yield ("I3", "R14"), ended(pool, chat, "chat-abandoned")
    yield ("I4", "R14"), closed(pool, chat, "abandoned")


def _remember_ending(pool: Pool, chat_id: str) -> None:
    """Remember the end of an unknown chat; a repeated event does not prolong the memory (R13)."""
    if not pool.remembers(pool.closed, chat_id) and not pool.remembers(pool.ended_early, chat_id):
        pool.remember(pool.ended_early, chat_id, ENDING_REMEMBERED)


def _names_other_agent(chat: Chat, data: dict[str, Any]) -> bool:
    holder = chat.agent.id if chat.agent is not None else None
    return data.get("agent_id", holder) != holder


def queued(pool: Pool, chat_id: str, queue: str, arrived_at: int) -> dict[str, Any]:
    """Return `chat-queued`: the chat has arrived (R13)."""
    return _decision(pool, "chat-queued", chat_id=chat_id, queue=queue, arrived_at=time_text(arrived_at))


def assigned(pool: Pool, chat: Chat, agent: Agent, origin: str) -> dict[str, Any]:
    """Return `chat-assigned`: the chat is offered to the agent (R9). The log gives the id and `offer_id`."""
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
        arrived_at=time_text(chat.arrived_at),
        requested_at=time_text(request.at) if request is not None and origin != "transfer" else None,
        expires_at=time_text(pool.clock + profile.offer_timeout),
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
    """Return `assignment-confirmed`: the offer was accepted (R10)."""
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
    """Return `assignment-ended`: the offer was declined, missed or withdrawn (R10)."""
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
    """Return `chat-requeued`: the chat waits again, or in another queue."""
    return _decision(pool, "chat-requeued", chat_id=chat.id, queue=queue, reason=reason)


def wrapping(pool: Pool, chat: Chat) -> dict[str, Any]:
    """Return `chat-wrapping`: the conversation is over, and the wrap-up begins (R15)."""
    return _decision(pool, "chat-wrapping", chat_id=chat.id, agent_id=_holder(chat), queue=chat.queue)


def closed(pool: Pool, chat: Chat, reason: str) -> dict[str, Any]:
    """Return `chat-closed`: the chat is over (R15). `agent_id` is null for a chat that no agent holds."""
    return _decision(pool, "chat-closed", chat_id=chat.id, queue=chat.queue, agent_id=_holder(chat), reason=reason)


def requested(pool: Pool, agent: Agent) -> dict[str, Any]:
    """Return `chat-requested`: a request made for the agent (R11). The log gives the id and `request_id`."""
    return _decision(
        pool, "chat-requested", agent_id=agent.id, request_id=None, requested_at=time_text(pool.clock), origin="push"
    )


def made_unavailable(pool: Pool, agent: Agent) -> dict[str, Any]:
    """Return `agent-made-unavailable`: the agent missed too many offers (R10)."""
    return _decision(pool, "agent-made-unavailable", agent_id=agent.id, reason="missed-offers")


def request_rejected(pool: Pool, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return `request-rejected`, with the reason (R12)."""
    return _decision(
        pool, "request-rejected", agent_id=data["agent_id"], request_id=data.get("request_id"), reason=reason
    )


def refused(pool: Pool, kind: str, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return `accept-rejected` or `decline-rejected`, as `kind` says, with the reason (R10)."""
    return _decision(
        pool,
        kind,
        chat_id=data["chat_id"],
        agent_id=data["agent_id"],
        offer_id=data.get("offer_id"),
        reason=reason,
    )


def transfer_rejected(pool: Pool, data: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return `transfer-rejected`, with the reason (R16)."""
    return _decision(
        pool,
        "transfer-rejected",
        chat_id=data["chat_id"],
        to_queue=data.get("to_queue"),
        to_agent=data.get("to_agent"),
        reason=reason,
    )


def _decision(pool: Pool, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "pool": pool.id, "at": time_text(pool.clock), **fields}


def _holder(chat: Chat) -> str | None:
    return chat.agent.id if chat.agent is not None else None
