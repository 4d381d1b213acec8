"""Decisions in the words of those who watch the floor."""

from collections.abc import Callable, Mapping
from typing import Any, Final

OFFER_ENDS: Final = {
    "declined": "declined it",
    "missed": "did not answer in time",
    "agent-unavailable": "became unavailable",
    "agent-absent": "is away",
    "agent-lost": "lost the connection",
    "agent-logged-out": "logged out",
    "chat-abandoned": "was still deciding when the customer left",
    "chat-transferred": "was still deciding when the chat was transferred",
}
"""What the agent of an offer did."""

REQUEUED: Final = {
    "transferred": "Transferred: it waits in {queue}",
    "overflow": "It waited too long there and moved to {queue}",
    "queue-removed": "Its queue is gone: it waits in {queue}",
}
AGAIN: Final = "It waits in {queue} again, at its place by arrival"

CLOSED: Final = {
    "concluded": "Concluded",
    "abandoned": "The customer left before anybody answered",
    "queue-timed-out": "Closed: nobody took it within the queue's limit",
}

AGENT_ORDER: Final = {
    "lot": "was drawn by lot among those without a chat since they logged in",
    "oldest-request": "had been asking longest",
    "transfer": "was named by a transfer",
}
POLICY: Final = {
    "first-due": "the one that had waited longest",
    "strict-priority": "first by the queues' ranking",
}


def why_words(assigned: Mapping[str, Any]) -> str:
    """Why this chat and this agent, of a `chat-assigned`; a sentence without its full stop."""
    why, agent_id = assigned["why"], assigned["agent_id"]
    agent = f"{agent_id} {AGENT_ORDER.get(why['agent_order'], why['agent_order'])}"
    if why["agent_order"] == "transfer":
        return agent
    agent = f"{agent_id} was the only agent asking" if why["requests"] == 1 else f"of {why['requests']} asking, {agent}"
    if why["waiting"] == 1:
        return f"{agent}, this the only chat waiting"
    return f"{agent}; of {why['waiting']} chats waiting, this was {POLICY.get(why['policy'], why['policy'])}"


def decision_words(fields: Mapping[str, Any]) -> str:
    """What was decided about a chat, as a sentence; of a type that is not known, the type itself."""
    say = _WORDS.get(fields["type"])
    return fields["type"] if say is None else f"{say(fields)}."


def _assigned(fields: Mapping[str, Any]) -> str:
    offer = "" if fields["attempt"] == 1 else f" (offer {fields['attempt']})"
    return f"Offered to {fields['agent_id']} after {_span(fields['waited_seconds'])}{offer}: {why_words(fields)}"


def _confirmed(fields: Mapping[str, Any]) -> str:
    took = _span(fields["seconds_to_accept"])
    if fields["automatic"]:
        return f"With {fields['agent_id']}: accepted by itself after {took}"
    return f"{fields['agent_id']} accepted after {took}"


def _refused(fields: Mapping[str, Any]) -> str:
    who = fields.get("agent_id")
    what = fields["type"].removesuffix("-rejected")
    return f"{'A' if what[0] not in 'aeiou' else 'An'} {what}{f' by {who}' if who else ''} was refused: " + str(
        fields["reason"]
    ).replace("-", " ")


_WORDS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "chat-queued": lambda fields: f"Arrived, and waits in {fields['queue']}",
    "chat-assigned": _assigned,
    "assignment-confirmed": _confirmed,
    "assignment-ended": lambda fields: f"{fields['agent_id']} {OFFER_ENDS.get(fields['reason'], fields['reason'])}",
    "chat-requeued": lambda fields: REQUEUED.get(fields["reason"], AGAIN).format_map(fields),
    "chat-wrapping": lambda fields: f"The conversation is over; {fields['agent_id']} wraps up",
    "chat-closed": lambda fields: CLOSED.get(fields["reason"], fields["reason"]),
    "accept-rejected": _refused,
    "decline-rejected": _refused,
    "transfer-rejected": _refused,
}


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
