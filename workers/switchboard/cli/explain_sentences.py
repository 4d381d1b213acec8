"""Sentences of `switchboard explain`: what happened and what was decided, each with its routing rule in brackets.

The words for reasons, stages and timers are those of `projections.decision_texts`. Functions take `own`, the id of the
chat whose story is being written: sentences call that chat `the chat`, and every other by its id. None names all chats.
"""

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
from switchboard.projections.decision_texts import (
    CLOSURES,
    OFFER_ENDS,
    REASONS,
    TIMERS,
    ordinal_offer,
    requeue_clause,
    waited_text,
)
from switchboard.tools.chat_story import Cause

REQUEUE_RULES: Final = {
    "agent-lost": "R18",
    "agent-logged-out": "R18",
    "agent-unavailable": "R18",
    "agent-absent": "R18",
    "transferred": "R16",
    "overflow": "R17",
    "queue-removed": "R20",
}
"""The rule by which a chat waits again, by reason; R10 for an offer that was declined or missed."""


def clock(at: str) -> str:
    """The time of day of an RFC 3339 time in UTC."""
    return at[11:].rstrip("Z")


def sentences(cause: Cause, decisions: Sequence[Decision], own: str | None) -> list[str]:
    """The sentences of one moment: the first states the cause, and each further one a decision.

    A decision that follows from the cause directly is in the first sentence.
    """
    left = list(decisions)
    consequence, rule = _consequence(cause, left, own)
    first = f"{cause_text(cause, own)}{consequence}"
    if first.endswith("]"):
        first, _, rule = first.removesuffix("]").rpartition(" [")
    first = f"{first}. [{rule}]" if rule else f"{first}."
    return [first, *[decision_sentence(decision, own) for decision in left]]


# Decisions


def decision_sentence(decision: Decision, own: str | None) -> str:
    """A decision as a sentence, with its rule."""
    match decision:
        case ChatAssigned() | AssignmentConfirmed() | AssignmentEnded():
            return _offer_sentence(decision, own)
        case ChatQueued() | ChatRequeued() | ChatWrapping() | ChatClosed():
            return _chat_sentence(decision, own)
        case RequestRejected() | AcceptRejected() | DeclineRejected() | TransferRejected():
            return _refusal_sentence(decision)
        case ChatRequested():
            return f"A request was made for {decision.agent_id}, who has room for a chat. [R11]"
        case AgentMadeUnavailable():
            return f"{decision.agent_id} missed too many offers in a row, and was made unavailable. [R10]"


def _offer_sentence(decision: ChatAssigned | AssignmentConfirmed | AssignmentEnded, own: str | None) -> str:
    match decision:
        case ChatAssigned():
            when = f"{waited_text(decision.waited_seconds)} ({ordinal_offer(decision.attempt)})"
            return (
                f"{_chat(decision.chat_id, own)} was offered to {decision.agent_id} {when}, "
                f"to be answered by {clock(decision.expires_at)}. [R9]"
            )
        case AssignmentConfirmed():
            by_itself = "; nobody answered, and the profile then accepts by itself" if decision.automatic else ""
            return (
                f"{_chat(decision.chat_id, own)} is with {decision.agent_id}, "
                f"{decision.seconds_to_accept:.1f} s after the offer{by_itself}. [R10]"
            )
        case AssignmentEnded():
            ended = OFFER_ENDS[decision.reason].offer
            return f"The offer{_of_chat(decision.chat_id, own)} to {decision.agent_id} {ended}. [R10]"


def _chat_sentence(decision: ChatQueued | ChatRequeued | ChatWrapping | ChatClosed, own: str | None) -> str:
    chat = _chat(decision.chat_id, own)
    match decision:
        case ChatQueued():
            return f"{chat} waits in queue {decision.queue}. [R13]"
        case ChatRequeued():
            clause = requeue_clause(decision.reason, decision.queue)
            return f"{chat} {clause}. [{REQUEUE_RULES.get(decision.reason, 'R10')}]"
        case ChatWrapping():
            return f"The conversation{_of_chat(decision.chat_id, own)} is over; {_wraps_up(decision)}. [R15]"
        case ChatClosed():
            closure = CLOSURES[decision.reason]
            is_free = decision.reason == "concluded" and decision.agent_id is not None
            free = f"; {decision.agent_id} is free for another in its place" if is_free else ""
            return f"{chat} {closure.clause}{free}. [{closure.rule}]"


def _refusal_sentence(decision: RequestRejected | AcceptRejected | DeclineRejected | TransferRejected) -> str:
    why = REASONS[decision.reason]
    match decision:
        case RequestRejected():
            return f"The request was refused: {why}. [R12]"
        case AcceptRejected():
            return f"That was refused: {why}. [R10]"
        case DeclineRejected():
            return f"That was refused: {why}; the offer remains. [R10]"
        case TransferRejected():
            return f"That was refused: {why}; nothing changed. [R16]"


def _wraps_up(decision: ChatWrapping) -> str:
    return f"{decision.agent_id} wraps up, and is not free for another chat in its place yet"


# Causes


def cause_text(cause: Cause, own: str | None) -> str:
    """An event or timer as a sentence without its full stop."""
    text = _timer_text(cause, own) if cause.kind == "timer" else _event_text(cause, own)
    if cause.ignored is not None:
        text += f"; ignored, for {REASONS.get(cause.ignored, cause.ignored)} [R21]"
    return text


def _timer_text(cause: Cause, own: str | None) -> str:
    happened = TIMERS.get(cause.type, "")
    match cause.type:
        case "offer-expiry" if cause.chat_id != own:
            return f"{cause.agent_id} did not answer the offer of chat {cause.chat_id} in time"
        case "offer-expiry":
            return f"{cause.agent_id} {happened}"
        case "queue-overflow" | "queue-timeout":
            return f"{_chat(cause.chat_id, own)} {happened}"
        case "wrap-up-limit":
            return f"The time for wrapping up{_of_chat(cause.chat_id, own)} {happened}"
        case "agent-absent" | "agent-lost":
            return f"{cause.agent_id or 'The agent'} {happened} [R18]"
        case _:
            return "A pause was over"


def _event_text(cause: Cause, own: str | None) -> str:
    return _chat_event(cause, own) if cause.type.startswith("chat-") else _agent_event(cause)


def _chat_event(cause: Cause, own: str | None) -> str:  # noqa: PLR0911 - a sentence each
    data, agent = cause.data, cause.agent_id or "an agent"
    chat = _chat(cause.chat_id, own)
    match cause.type:
        case "chat-arrival":
            return f"{chat} arrived"
        case "chat-accepted":
            return f"{agent} accepted{_which_chat(cause.chat_id, own)}"
        case "chat-declined":
            return f"{agent} declined{_which_chat(cause.chat_id, own)}"
        case "chat-abandoned":
            return f"The customer{_of_chat(cause.chat_id, own)} left"
        case "chat-concluded":
            by = {"agent": cause.agent_id or "the agent", "customer": "the customer", "system": "the system"}
            by_whom = f" by {by[data['by']]}" if "by" in data else ""
            return f"The conversation{_of_chat(cause.chat_id, own)} was ended{by_whom}"
        case "chat-released":
            return (
                f"{agent} was done with {_the_chat(cause.chat_id, own)}" if cause.agent_id else f"{chat} was released"
            )
        case "chat-transferred":
            to = f"agent {data['to_agent']}" if "to_agent" in data else f"queue {data['to_queue']}"
            return f"{chat} was to be transferred to {to}"
        case _:
            return f"{cause.type} came"


_AGENT_EVENTS: Final = {
    "request-chat": "{agent} clicked Request Chat",
    "request-cancelled": "{agent} took its request back",
    "agent-logged-out": "{agent} logged out",
    "agent-absent": "{agent} became absent",
    "agent-present": "{agent} was back",
    "agent-lost": "{agent} was lost",
    "agent-heartbeat": "{agent} gave a sign",
    "pool-configured": "The pool was configured anew [R20]",
}
"""Events that are neither about a chat nor described by their fields."""


def _agent_event(cause: Cause) -> str:
    data, agent = cause.data, cause.agent_id or "an agent"
    match cause.type:
        case "agent-logged-in":
            fields = _listed(cause, ("profile", "status", "mode", "max_sessions"))
            return f"{agent} logged in ({fields})" if fields else f"{agent} logged in"
        case "agent-status-changed":
            why = f" ({data['reason']})" if "reason" in data else ""
            return f"{agent} became {data['status']}{why}"
        case "agent-capacity-changed":
            return f"{agent}'s limits became {_listed(cause, ('mode', 'max_sessions'))}"
        case kind if kind in _AGENT_EVENTS:
            return _AGENT_EVENTS[kind].format(agent=agent)
        case kind:
            return f"{kind} came"


def _listed(cause: Cause, names: Sequence[str]) -> str:
    """The fields of an event that have one of these names, such as `mode push, max sessions 3`."""
    return ", ".join(f"{name} {cause.data[name]}" for name in names if name in cause.data).replace("_", " ")


# A cause and its consequence


def _consequence(cause: Cause, left: list[Decision], own: str | None) -> tuple[str, str]:
    """How the sentence of a cause goes on, and the rule; decisions that it covers are removed from `left`."""
    first = left[0] if left else None
    if first is None or cause.chat_id is None or getattr(first, "chat_id", None) != cause.chat_id:
        return "", ""
    found = _offer_consequence(cause, first, left[1:], own) or _chat_consequence(cause, first, left[1:], own)
    if found is None:
        return "", ""
    text, rule, covered = found
    del left[:covered]
    return text, rule


def _offer_consequence(
    cause: Cause, first: Decision, others: Sequence[Decision], own: str | None
) -> tuple[str, str, int] | None:
    """What came of an offer: the text, its rule, and the number of decisions that the text covers."""
    match cause.type, first:
        case "chat-accepted", AssignmentConfirmed():
            return f", {first.seconds_to_accept:.1f} s after the offer", "R10", 1
        case "offer-expiry", AssignmentConfirmed():
            return "; the profile then accepts by itself", "R10", 1
        case (("offer-expiry" | "chat-declined"), AssignmentEnded()):
            if others and isinstance(others[0], ChatRequeued):
                return f"; {_waits_again(others[0], own)}", "R10", 2
            return "", "R10", 1
        case _:
            return None


def _chat_consequence(
    cause: Cause, first: Decision, others: Sequence[Decision], own: str | None
) -> tuple[str, str, int] | None:
    """What became of a chat: the text, its rule, and the number of decisions that the text covers."""
    match cause.type, first:
        case "chat-arrival", ChatQueued():
            return _arrival_consequence(cause, first, others)
        case (("chat-concluded" | "chat-abandoned"), ChatWrapping()):
            return f"; {_wraps_up(first)}", "R15", 1
        case "chat-transferred", ChatRequeued():
            return f"; {_waits_again(first, own)}", "R16", 1
        case "queue-overflow", ChatRequeued():
            return f", and {requeue_clause(first.reason, first.queue)}", "R17", 1
        case _, ChatClosed():
            return f"; {_closed(first, own)}", CLOSURES[first.reason].rule, 1
        case _:
            return None


def _arrival_consequence(cause: Cause, queued: ChatQueued, others: Sequence[Decision]) -> tuple[str, str, int]:
    if others and isinstance(others[0], ChatClosed):
        return " when its end had come already, and was closed at once as abandoned", "R13", 2
    asked = cause.data.get("queue")
    if asked is not None and asked != queued.queue:
        return f" for queue {asked}, which there is not, and waits in the default queue {queued.queue}", "R13", 1
    return f" and waits in queue {queued.queue}", "R13", 1


def _waits_again(requeued: ChatRequeued, own: str | None) -> str:
    return f"{_the_chat(requeued.chat_id, own)} {requeue_clause(requeued.reason, requeued.queue)}"


def _closed(closed: ChatClosed, own: str | None) -> str:
    chat = _the_chat(closed.chat_id, own)
    if closed.reason == "abandoned":
        return f"{chat} {CLOSURES['abandoned'].clause}"
    is_free = closed.reason == "concluded" and closed.agent_id is not None
    return (
        f"{chat} was closed, and {closed.agent_id} is free for another in its place"
        if is_free
        else f"{chat} was closed"
    )


# Names of chats


def _chat(chat_id: str | None, own: str | None) -> str:
    """A chat at the beginning of a sentence."""
    return "The chat" if chat_id == own else f"Chat {chat_id}"


def _the_chat(chat_id: str | None, own: str | None) -> str:
    """A chat within a sentence."""
    return "the chat" if chat_id == own else f"chat {chat_id}"


def _which_chat(chat_id: str | None, own: str | None) -> str:
    """` chat ID`, or nothing for the chat of the story."""
    return "" if chat_id == own else f" chat {chat_id}"


def _of_chat(chat_id: str | None, own: str | None) -> str:
    """` of chat ID`, or nothing for the chat of the story."""
    return "" if chat_id == own else f" of chat {chat_id}"
