"""What happened and what was decided on it, told together where they are one thing to a human."""

from collections.abc import Sequence

from switchboard.cli.explain_causes import cause_words
from switchboard.cli.explain_words import decision_words, named, requeued
from switchboard.domain.decisions import (
    AssignmentConfirmed,
    AssignmentEnded,
    ChatClosed,
    ChatQueued,
    ChatRequeued,
    ChatWrapping,
    Decision,
)
from switchboard.tools.chat_story import Cause


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


def _tail(cause: Cause, left: list[Decision], own: str | None) -> tuple[str, str]:  # noqa: PLR0911 - a tail each
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
