"""Decisions in plain words, each with the rule that it follows in brackets at its end."""

from typing import Final

from switchboard.domain.decisions import (
    AcceptRejected,
    AgentMadeUnavailable,
    AssignmentConfirmed,
    AssignmentEnded,
    ChatAssigned,
    ChatClosed,
    ChatQueued,
    ChatRequested,
    ChatRequeued,
    ChatWrapping,
    Decision,
    DeclineRejected,
    RequestRejected,
    TransferRejected,
)

OFFER_ENDS: Final = {
    "declined": "was declined",
    "missed": "ran out",
    "agent-unavailable": "was taken back, for the agent is not available",
    "agent-absent": "was taken back, for the agent is away",
    "agent-lost": "was taken back, for the agent's console is gone",
    "agent-logged-out": "was taken back, for the agent logged out",
    "chat-abandoned": "ended, for the customer left",
    "chat-transferred": "was taken back, for the chat was transferred",
}
REFUSALS: Final = {
    "unknown-chat": "no such chat is open",
    "not-offered": "the chat is not offered to anybody just now",
    "wrong-agent": "the chat is offered to somebody else",
    "stale-offer": "that offer is over, and another one stands",
    "not-allowed": "the agent's profile does not allow it",
    "unknown-agent": "that agent is not logged in",
    "not-available": "that agent is not available",
    "at-capacity": "that agent has as many chats as it may have",
    "not-logged-in": "the agent is not logged in",
}
REQUEUE_RULES: Final = {
    "agent-lost": "R18",
    "agent-logged-out": "R18",
    "agent-unavailable": "R18",
    "agent-absent": "R18",
    "transferred": "R16",
}
"""By which rule a chat waits again; R10 where its offer just ended."""


def clock(at: str) -> str:
    """The time of day of an RFC 3339 time in UTC."""
    return at[11:].rstrip("Z")


def decision_words(decision: Decision, own: str | None) -> str:  # noqa: PLR0911, PLR0912 - a sentence each
    """A sentence, with the rule that the decision follows."""
    match decision:
        case ChatQueued():
            return f"{chat_words(decision.chat_id, own, first=True)} waits in queue {decision.queue}. [R13]"
        case ChatAssigned():
            offered = f"{chat_words(decision.chat_id, own, first=True)} was offered to {decision.agent_id}"
            return f"{offered} {_times(decision)}, to be answered by {clock(decision.expires_at)}. [R9]"
        case AssignmentConfirmed():
            by_itself = "; nobody answered, and the profile then accepts by itself" if decision.automatic else ""
            return (
                f"{chat_words(decision.chat_id, own, first=True)} is with {decision.agent_id}, "
                f"{decision.seconds_to_accept:.1f} s after the offer{by_itself}. [R10]"
            )
        case AssignmentEnded():
            offer = f"The offer{of_chat(decision.chat_id, own)} to {decision.agent_id}"
            return f"{offer} {OFFER_ENDS[decision.reason]}. [R10]"
        case ChatRequeued():
            return _requeued(decision, own)
        case ChatWrapping():
            over = f"The conversation{of_chat(decision.chat_id, own)} is over; {decision.agent_id} wraps up"
            return f"{over}, and is not free for another chat in its place yet. [R15]"
        case ChatClosed():
            return _closed(decision, own)
        case ChatRequested():
            return f"A request was made for {decision.agent_id}, who has room for a chat. [R11]"
        case RequestRejected():
            return f"The request was refused: {REFUSALS[decision.reason]}. [R12]"
        case AcceptRejected():
            return f"That was refused: {REFUSALS[decision.reason]}. [R10]"
        case DeclineRejected():
            return f"That was refused: {REFUSALS[decision.reason]}; the offer stands. [R10]"
        case TransferRejected():
            return f"That was refused: {REFUSALS[decision.reason]}; nothing changed. [R16]"
        case AgentMadeUnavailable():
            return f"{decision.agent_id} missed too many offers in a row, and was made unavailable. [R10]"


def _times(decision: ChatAssigned) -> str:
    """Which offer of the chat it is, and when it came."""
    ordinal = {1: "first offer", 2: "second offer", 3: "third offer"}.get(decision.attempt, f"offer {decision.attempt}")
    return f"{after(decision.waited_seconds)} ({ordinal})"


def after(seconds: float) -> str:
    """How long after a chat's arrival."""
    return "at once" if seconds < 0.05 else f"{span(seconds)} after it arrived"


def requeued(decision: Decision, own: str | None) -> str:
    """Where a chat waits again, as half a sentence."""
    if not isinstance(decision, ChatRequeued):
        raise TypeError(decision.type)
    again = "waits" if decision.reason == "transferred" else "waits again"
    return f"{named(decision.chat_id, own)} {again} in queue {decision.queue}, at its place by arrival"


def _requeued(decision: ChatRequeued, own: str | None) -> str:
    chat = chat_words(decision.chat_id, own, first=True)
    match decision.reason:
        case "overflow":
            return f"{chat} moved to queue {decision.queue}, at its place by arrival. [R17]"
        case "queue-removed":
            return f"{chat}'s queue is gone: it waits in the default queue {decision.queue}. [R20]"
    words = requeued(decision, own)
    return f"{words[0].upper()}{words[1:]}. [{REQUEUE_RULES.get(decision.reason, 'R10')}]"


def _closed(decision: ChatClosed, own: str | None) -> str:
    chat = chat_words(decision.chat_id, own, first=True)
    match decision.reason:
        case "abandoned":
            return f"{chat} was closed as abandoned. [R14]"
        case "queue-timed-out":
            return f"{chat} was closed: nobody took it within the queue's limit. [R17]"
        case "concluded":
            free = "" if decision.agent_id is None else f"; {decision.agent_id} is free for another in its place"
            return f"{chat} was closed as concluded{free}. [R15]"


def span(seconds: float) -> str:
    """A time in seconds, or in minutes and hours where that reads better."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def named(chat_id: str | None, own: str | None) -> str:
    """A chat as it is spoken of within a sentence."""
    return chat_words(chat_id, own, first=False)


def chat_words(chat_id: str | None, own: str | None, *, first: bool) -> str:
    """A chat as it is spoken of; `first` in a sentence."""
    if chat_id == own:
        return "The chat" if first else "the chat"
    return f"{'Chat' if first else 'chat'} {chat_id}"


def which_chat(chat_id: str | None, own: str | None) -> str:
    """` chat ID`, but for the one that is spoken of anyway."""
    return "" if chat_id == own else f" chat {chat_id}"


def of_chat(chat_id: str | None, own: str | None) -> str:
    """` of chat ID`, but for the one that is spoken of anyway."""
    return "" if chat_id == own else f" of{which_chat(chat_id, own)}"
