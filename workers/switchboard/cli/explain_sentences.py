"""Decisions in plain words, each with the rule that it follows in brackets at its end."""

from collections.abc import Sequence
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
from switchboard.tools.chat_story import Cause

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


def decision_words(decision: Decision, own: str | None) -> str:  # noqa: C901, PLR0911, PLR0912 - a sentence each
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
            return _closed_words(decision, own)
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


def _closed_words(decision: ChatClosed, own: str | None) -> str:
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


def _presence(cause: Cause, agent: str) -> str:  # noqa: C901, PLR0911 - a sentence each
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


def sentences(cause: Cause, decisions: Sequence[Decision], own: str | None) -> list[str]:
    """A moment's sentences: the first says what happened, and what is left of the decisions follows.

    `own` is the chat that is spoken of anyway; None: name every chat.
    """
    left = list(decisions)
    tail, rule = _tail(cause, left, own)
    head = cause_words(cause, own)
    if tail:
        head = f"{head}{tail}"
    if head.endswith("]"):
        head, _, rule = head.removesuffix("]").rpartition(" [")
    first = f"{head}." if not rule else f"{head}. [{rule}]"
    return [first, *[decision_words(decision, own) for decision in left]]


def _tail(  # noqa: C901, PLR0911 - a tail each
    cause: Cause, left: list[Decision], own: str | None
) -> tuple[str, str]:
    """How the first sentence goes on, and its rule; the decisions that it tells are taken from what is left."""
    first = left[0] if left else None
    if first is None or getattr(first, "chat_id", None) != cause.chat_id or cause.chat_id is None:
        return "", ""
    match cause.type, first:
        case "chat-arrival", ChatQueued():
            left.pop(0)
            if left and isinstance(left[0], ChatClosed):
                left.pop(0)
                return " when its end had been told already, and was closed at once as abandoned", "R13"
            return _arrival(cause, first), "R13"
        case "chat-accepted", AssignmentConfirmed():
            left.pop(0)
            return f", {first.seconds_to_accept:.1f} s after the offer", "R10"
        case "offer-expiry", AssignmentConfirmed():
            left.pop(0)
            return "; the profile then accepts by itself", "R10"
        case (("offer-expiry" | "chat-declined"), AssignmentEnded()):
            left.pop(0)
            return _waits_again(left, own), "R10"
        case (("chat-concluded" | "chat-abandoned"), ChatWrapping()):
            left.pop(0)
            return f"; {first.agent_id} wraps up, and is not free for another chat in its place yet", "R15"
        case "chat-transferred", ChatRequeued():
            left.pop(0)
            return f"; {requeued(first, own)}", "R16"
        case "queue-overflow", ChatRequeued():
            left.pop(0)
            return f", and moved to queue {first.queue}, at its place by arrival", "R17"
        case _, ChatClosed():
            left.pop(0)
            return f"; {_closed(first, own)}", _closing_rule(first)
        case _:
            return "", ""


def _arrival(cause: Cause, queued: ChatQueued) -> str:
    asked = cause.data.get("queue")
    if asked is not None and asked != queued.queue:
        return f" for queue {asked}, which there is not, and waits in the default queue {queued.queue}"
    return f" and waits in queue {queued.queue}"


def _waits_again(left: list[Decision], own: str | None) -> str:
    if left and isinstance(left[0], ChatRequeued):
        return f"; {requeued(left.pop(0), own)}"
    return ""


def _closed(closed: ChatClosed, own: str | None) -> str:
    match closed.reason:
        case "abandoned":
            return f"{named(closed.chat_id, own)} was closed as abandoned"
        case "queue-timed-out":
            return f"{named(closed.chat_id, own)} was closed"
        case "concluded":
            free = "" if closed.agent_id is None else f", and {closed.agent_id} is free for another in its place"
            return f"{named(closed.chat_id, own)} was closed{free}"


def _closing_rule(closed: ChatClosed) -> str:
    return {"abandoned": "R14", "queue-timed-out": "R17", "concluded": "R15"}[closed.reason]
