"""Events and timers in plain words."""

from typing import Final

from switchboard.cli.explain_words import chat_words, of_chat, which_chat
from switchboard.tools.chat_story import Cause

IGNORED: Final = {
    "already-open": "the chat is open already",
    "already-closed": "the chat was closed a short while ago",
    "already-over": "the conversation is over already",
    "repeated": "it was told before",
    "unknown-chat": "there is no such open chat",
    "not-offered": "the chat is not offered to anybody",
    "not-active": "there is no conversation to end",
    "wrong-agent": "the chat is not with that agent",
    "stale-offer": "that offer is over",
    "not-logged-in": "that agent is not logged in",
    "already-absent": "that agent is away already",
    "not-absent": "that agent is not away",
    "already-requested": "that agent is asking already",
    "no-request": "that agent is not asking",
    "not-manual": "the request was made for the agent, not by it",
}


def cause_words(cause: Cause, own: str | None) -> str:
    """A sentence without its full stop. `own` is the chat that is spoken of anyway."""
    words = _timer(cause, own) if cause.kind == "timer" else _event(cause, own)
    if cause.ignored is not None:
        words += f"; ignored, for {IGNORED.get(cause.ignored, cause.ignored)} [R21]"
    return words


def _timer(cause: Cause, own: str | None) -> str:  # noqa: PLR0911 - a sentence each
    agent = cause.agent_id
    match cause.type:
        case "offer-expiry":
            which = "in time" if cause.chat_id == own else f"the offer of chat {cause.chat_id} in time"
            return f"{agent} did not answer {which}"
        case "queue-overflow":
            return f"{chat_words(cause.chat_id, own, first=True)} had waited until the queue's overflow"
        case "queue-timeout":
            return f"{chat_words(cause.chat_id, own, first=True)} had waited as long as the queue allows"
        case "wrap-up-limit":
            return f"The time for wrapping up{of_chat(cause.chat_id, own)} was over"
        case "agent-absent":
            return f"{agent or 'The agent'} gave no sign for too long, and counts as away [R18]"
        case "agent-lost":
            return f"{agent or 'The agent'} gave no sign for too long, and counts as lost [R18]"
        case _:
            return "A pause was over"


def _event(cause: Cause, own: str | None) -> str:  # noqa: PLR0911 - a sentence each
    data, agent = cause.data, cause.agent_id or "an agent"
    chat = chat_words(cause.chat_id, own, first=True)
    it = chat_words(cause.chat_id, own, first=False)
    match cause.type:
        case "chat-arrival":
            return f"{chat} arrived"
        case "chat-accepted":
            return f"{agent} accepted{which_chat(cause.chat_id, own)}"
        case "chat-declined":
            return f"{agent} declined{which_chat(cause.chat_id, own)}"
        case "chat-abandoned":
            return f"The customer{of_chat(cause.chat_id, own)} left"
        case "chat-concluded":
            by = {"agent": cause.agent_id or "the agent", "customer": "the customer", "system": "the system"}
            return f"The conversation{of_chat(cause.chat_id, own)} was ended" + (
                f" by {by[data['by']]}" if "by" in data else ""
            )
        case "chat-released":
            return f"{cause.agent_id} was done with {it}" if cause.agent_id else f"{chat} was released"
        case "chat-transferred":
            to = f"agent {data['to_agent']}" if "to_agent" in data else f"queue {data['to_queue']}"
            return f"{chat} was to be transferred to {to}"
        case _:
            return _presence(cause, agent)


def _presence(cause: Cause, agent: str) -> str:  # noqa: PLR0911 - a sentence each
    data = cause.data
    match cause.type:
        case "request-chat":
            return f"{agent} clicked Request Chat"
        case "request-cancelled":
            return f"{agent} took its request back"
        case "agent-logged-in":
            told = [f"{name} {data[name]}" for name in ("profile", "status", "mode", "max_sessions") if name in data]
            return f"{agent} logged in" + (f" ({', '.join(told).replace('_', ' ')})" if told else "")
        case "agent-logged-out":
            return f"{agent} logged out"
        case "agent-status-changed":
            why = f" ({data['reason']})" if "reason" in data else ""
            return f"{agent} became {data['status']}{why}"
        case "agent-absent":
            return f"{agent} went away"
        case "agent-present":
            return f"{agent} was back"
        case "agent-lost":
            return f"{agent}'s console was lost"
        case "agent-heartbeat":
            return f"{agent} gave a sign"
        case "agent-capacity-changed":
            told = [f"{name} {data[name]}" for name in ("mode", "max_sessions") if name in data]
            return f"{agent}'s limits became {', '.join(told).replace('_', ' ')}"
        case "pool-configured":
            return "The pool was configured anew [R20]"
        case _:
            return f"{cause.type} came"
