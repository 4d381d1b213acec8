"""Events of chats: accept and decline (R10), arrival (R13), abandonment (R14), conclusion (R15), transfer (R16).

Each function applies one event to a pool, and returns the reason if the event changes nothing (R21), or None.
"""

from typing import Literal

from switchboard.domain import offers
from switchboard.domain.decisions import (
    AcceptRefusal,
    AcceptRejected,
    ChatQueued,
    ChatWrapping,
    DeclineRejected,
    TransferRefusal,
    TransferRejected,
)
from switchboard.domain.events import (
    ChatAbandoned,
    ChatAccepted,
    ChatArrival,
    ChatConcluded,
    ChatDeclined,
    ChatReleased,
    ChatTransferred,
)
from switchboard.domain.pool import Pool
from switchboard.domain.rfc3339 import format_ms, parse_ms
from switchboard.domain.state import Agent, Chat
from switchboard.domain.step import Step
from switchboard.domain.timers import arm_wrap_up


def arrive(pool: Pool, step: Step, event: ChatArrival) -> Literal["already-open", "already-closed"] | None:
    """R13: put a new chat into a queue, or close it if its ending came first. R4: it arrives at the clock or before."""
    chat_id = event.chat_id
    if chat_id in pool.chats:
        return "already-open"
    remembered = pool.remembered.get(chat_id)
    if remembered is not None and remembered.arrived:
        return "already-closed"
    arrived_at, text = step.clock, step.at
    if event.arrived_at is not None:
        said = parse_ms(event.arrived_at)
        if said < arrived_at:
            arrived_at, text = said, format_ms(said)
    queue = pool.config.queue_or_default(event.queue)
    chat = Chat(chat_id, queue, arrived_at, text, step.position, queue, step.service)
    pool.chats[chat_id] = chat
    step.decide(ChatQueued, chat_id, queue, text)
    if remembered is None:
        pool.wait(step, chat)
    else:
        pool.close(step, chat, "abandoned")
    return None


def accept(pool: Pool, step: Step, event: ChatAccepted) -> Literal["repeated"] | None:
    """R10: an agent accepts an offer."""
    chat_id = event.chat_id
    agent_id = event.agent_id
    offer_id = event.offer_id
    chat = pool.chats.get(chat_id)
    reason: AcceptRefusal
    if chat is None:
        reason = "unknown-chat"
    else:
        agent = chat.agent
        holds = agent is not None and agent.id == agent_id
        if chat.stage != "offered" or agent is None:
            if holds and (offer_id is None or offer_id == chat.offer_id):
                return "repeated"
            reason = "not-offered"
        elif not holds:
            reason = "wrong-agent"
        elif offer_id is not None and offer_id != chat.offer_id:
            reason = "stale-offer"
        else:
            offers.confirm(step, chat, agent, automatic=False)
            return None
    step.decide(AcceptRejected, chat_id, agent_id, offer_id, reason)
    return None


def decline(
    pool: Pool, step: Step, event: ChatDeclined
) -> Literal["unknown-chat", "not-offered", "wrong-agent", "stale-offer"] | None:
    """R10: an agent declines an offer."""
    chat = pool.chats.get(event.chat_id)
    offer_id = event.offer_id
    if chat is None:
        return "unknown-chat"
    agent = chat.agent
    if chat.stage != "offered" or agent is None:
        return "not-offered"
    if agent.id != event.agent_id:
        return "wrong-agent"
    if offer_id is not None and offer_id != chat.offer_id:
        return "stale-offer"
    if agent.profile.config.allow_decline:
        offers.decline(pool, step, chat, agent)
    else:
        step.decide(DeclineRejected, chat.id, agent.id, offer_id, "not-allowed")
    return None


def abandon(pool: Pool, step: Step, event: ChatAbandoned) -> Literal["already-over"] | None:
    """R14: the customer leaves."""
    chat = pool.chats.get(event.chat_id)
    if chat is None:
        return _end_unknown(pool, step, event.chat_id)
    match chat.stage:
        case "waiting" | "offered":
            _leave(pool, step, chat)
        case "active":
            _end_conversation(pool, step, chat)
        case _:
            return "already-over"
    return None


def conclude(
    pool: Pool, step: Step, event: ChatConcluded
) -> Literal["wrong-agent", "not-active", "already-over"] | None:
    """R15: the conversation is over."""
    chat = pool.chats.get(event.chat_id)
    if chat is None:
        return _end_unknown(pool, step, event.chat_id)
    if _names_another(chat, event.agent_id):
        return "wrong-agent"
    match chat.stage:
        case "active":
            _end_conversation(pool, step, chat)
        case "waiting" | "offered":
            if event.by == "agent":
                return "not-active"
            _leave(pool, step, chat)
        case _:
            return "already-over"
    return None


def release(pool: Pool, step: Step, event: ChatReleased) -> Literal["unknown-chat", "wrong-agent", "not-active"] | None:
    """R15: the session of a chat ends, with its wrap-up."""
    chat = pool.chats.get(event.chat_id)
    if chat is None:
        return "unknown-chat"
    if _names_another(chat, event.agent_id):
        return "wrong-agent"
    if chat.stage not in ("active", "wrapping"):
        return "not-active"
    pool.close(step, chat, "concluded")
    return None


def transfer(pool: Pool, step: Step, event: ChatTransferred) -> None:
    """R16: a chat is sent to another queue, or offered to a named agent."""
    chat = pool.chats.get(event.chat_id)
    to_queue = event.to_queue
    to_agent = event.to_agent
    reason: TransferRefusal
    if chat is None:
        reason = "unknown-chat"
    elif to_agent is None:
        _detach(pool, step, chat, leave_line=True)
        offers.enter_queue(step, chat, pool.config.queue_or_default(to_queue))
        offers.requeue(pool, step, chat, "transferred")
        return
    else:
        agent = pool.agents.get(to_agent)
        if agent is None:
            reason = "unknown-agent"
        elif not agent.ready:
            reason = "not-available"
        elif len(agent.sessions) >= agent.max_sessions:
            reason = "at-capacity"
        else:
            _detach(pool, step, chat, leave_line=False)
            offers.enter_queue(step, chat, chat.queue)
            offers.offer(pool, step, agent, chat, transfer=True)
            step.touch(agent)
            return
    step.decide(TransferRejected, event.chat_id, to_queue, to_agent, reason)
    return


def begin_wrapping(pool: Pool, step: Step, chat: Chat, agent: Agent) -> None:
    """R15: begin the wrap-up. The agent keeps the session until the chat is released."""
    step.mark(chat, "wrapping")
    chat.wrapping_since = step.service
    step.touch(agent)
    step.decide(ChatWrapping, chat.id, agent.id, chat.queue)
    arm_wrap_up(pool, chat)


def _end_conversation(pool: Pool, step: Step, chat: Chat) -> None:
    agent = chat.agent
    if agent is not None and agent.profile.config.wrap_up:
        begin_wrapping(pool, step, chat, agent)
    else:
        pool.close(step, chat, "concluded")


def _leave(pool: Pool, step: Step, chat: Chat) -> None:
    """R14: close a waiting or offered chat whose customer has left."""
    if chat.stage == "waiting":
        pool.leave_line(chat)
    else:
        offers.end(pool, step, chat, "chat-abandoned")
    pool.close(step, chat, "abandoned")


def _detach(pool: Pool, step: Step, chat: Chat, *, leave_line: bool) -> None:
    """R16: take a chat out of its waiting line or session, and end its re-offer cool-downs.

    Without `leave_line` a waiting chat stays in its line until `offers.offer`, which counts the waiting chats first.
    """
    if chat.stage == "waiting":
        if leave_line:
            pool.leave_line(chat)
    elif chat.stage == "offered":
        offers.end(pool, step, chat, "chat-transferred")
    else:
        pool.free_session(step, chat)
    pool.forget_passings(chat)


def _names_another(chat: Chat, named: str | None) -> bool:
    """R15: True if the event names an agent who does not hold the chat."""
    return named is not None and (chat.agent is None or chat.agent.id != named)


def _end_unknown(pool: Pool, step: Step, chat_id: str) -> Literal["already-over"] | None:
    """R13: remember an ending that comes before its chat, so that the chat is closed on arrival."""
    if chat_id in pool.remembered:
        return "already-over"
    pool.remember_ending(step, chat_id)
    return None
