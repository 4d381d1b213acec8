"""Decisions in English: one table of words for reasons, stages and timers, and the sentences of a chat's story.

`switchboard explain`, the wallboard and the board of the demo all take their words from here. The words are those of
the glossary in docs/explanation/architecture.md.

The tables are keyed by the values of the contract (docs/reference/decisions.md), and the sentences read a decision as a
dict of JSON. A reason or type of a later version has no words: readers show the value itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple


class OfferEndText(NamedTuple):
    """How an offer ended without being accepted."""

    offer: str
    """Follows `The offer`."""
    agent: str
    """Follows the id of the agent."""
    label: str
    """Alone, in a list."""


OFFER_ENDS: Final = {
    "declined": OfferEndText("was declined", "declined the offer", "declined"),
    "missed": OfferEndText("was missed", "did not answer in time", "missed"),
    "agent-unavailable": OfferEndText(
        "was withdrawn: the agent became unavailable", "became unavailable", "agent became unavailable"
    ),
    "agent-absent": OfferEndText("was withdrawn: the agent became absent", "became absent", "agent absent"),
    "agent-lost": OfferEndText("was withdrawn: the agent was lost", "was lost", "agent lost"),
    "agent-logged-out": OfferEndText("was withdrawn: the agent logged out", "logged out", "agent logged out"),
    "chat-abandoned": OfferEndText(
        "was withdrawn: the customer left", "was still deciding when the customer left", "customer left"
    ),
    "chat-transferred": OfferEndText(
        "was withdrawn: the chat was transferred",
        "was still deciding when the chat was transferred",
        "transferred",
    ),
}
"""By the reason of an `assignment-ended`. `page/outcomes.js` of the wallboard repeats the labels; a test compares."""

OFFER_OUTCOMES: Final = {
    "accepted": "accepted",
    "accepted-by-itself": "accepted by itself",
    **{reason: text.label for reason, text in OFFER_ENDS.items()},
}
"""What came of an offer, in a list."""

REASONS: Final = {
    "already-absent": "that agent is absent already",
    "already-closed": "the chat was closed a short while ago",
    "already-open": "the chat is open already",
    "already-over": "the conversation is over already",
    "already-requested": "that agent is asking already",
    "at-capacity": "that agent has as many chats as allowed",
    "no-request": "that agent is not asking",
    "not-absent": "that agent is not absent",
    "not-active": "there is no conversation to end",
    "not-allowed": "the agent's profile does not allow it",
    "not-available": "that agent is not available",
    "not-logged-in": "that agent is not logged in",
    "not-manual": "the request was made for the agent, not by it",
    "not-offered": "the chat is not offered to anybody",
    "repeated": "the same event came before",
    "stale-offer": "that offer is over, and the chat has another",
    "unknown-agent": "that agent is not logged in",
    "unknown-chat": "no such chat is open",
    "wrong-agent": "the chat is not with that agent",
}
"""Why an event was refused (the reason of `…-rejected`), or ignored (R21)."""

REQUEUES: Final = {
    "transferred": "waits in queue {queue}, at its place by arrival",
    "overflow": "moved to queue {queue}, at its place by arrival",
    "queue-removed": "waits in the default queue {queue}, for its own is gone",
}
"""By the reason of a `chat-requeued`; `WAITS_AGAIN` for all others. Follows the chat."""
WAITS_AGAIN: Final = "waits again in queue {queue}, at its place by arrival"


class ClosureText(NamedTuple):
    """How a chat closed."""

    label: str
    """The outcome; also follows `closed as`."""
    clause: str
    """Follows the chat."""
    rule: str


CLOSURES: Final = {
    "concluded": ClosureText("concluded", "was closed as concluded", "R15"),
    "abandoned": ClosureText("abandoned", "was closed as abandoned", "R14"),
    "queue-timed-out": ClosureText("timed out", "was closed: nobody took it within the queue's limit", "R17"),
}
"""By the reason of a `chat-closed`."""

STAGES: Final = {"offered": "offered to", "active": "with", "wrapping": "being wrapped up by"}
"""What an agent's chat is, by its stage; the agent's id follows."""

TIMERS: Final = {
    "offer-expiry": "did not answer in time",
    "queue-overflow": "had waited until the queue's overflow",
    "queue-timeout": "had waited as long as the queue allows",
    "wrap-up-limit": "was over",
    "agent-absent": "gave no sign for too long, and counts as absent",
    "agent-lost": "gave no sign for too long, and counts as lost",
}
"""What happened as a timer fired (R1). Follows the agent, the chat, or the time for wrapping up."""


class AgentOrderText(NamedTuple):
    """Why an agent was the first to be served (R7)."""

    clause: str
    """Follows the id of the agent."""
    label: str


AGENT_ORDERS: Final = {
    "lot": AgentOrderText("was drawn by lot among those without a chat since they logged in", "drawn by lot"),
    "oldest-request": AgentOrderText("had been asking longest", "asking longest"),
    "transfer": AgentOrderText("was named by a transfer", "named by a transfer"),
}


class PullPolicyText(NamedTuple):
    """Which of the waiting chats an agent gets (R8)."""

    name: str
    chosen: str
    """Describes the chosen chat, after `of N chats waiting, this was`."""


PULL_POLICIES: Final = {
    "first-due": PullPolicyText("First Due", "the one that had waited longest"),
    "strict-priority": PullPolicyText("Strict Priority", "first by the queues' ranking"),
}


def duration_text(seconds: float) -> str:
    """A duration in seconds to one decimal place, or in minutes and hours from one minute on."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def waited_text(seconds: float) -> str:
    """How long a chat had waited, counted from its arrival."""
    return "at once" if seconds < 0.05 else f"{duration_text(seconds)} after it arrived"


def ordinal_offer(attempt: int) -> str:
    """The number of a chat's offer, from 1, in words."""
    return {1: "first offer", 2: "second offer", 3: "third offer"}.get(attempt, f"offer {attempt}")


def requeue_clause(reason: str, queue: str) -> str:
    """A `chat-requeued` as a clause that follows its chat."""
    return REQUEUES.get(reason, WAITS_AGAIN).format(queue=queue)


def offer_end_count(number: int, reason: str) -> str:
    """How many offers ended for a reason, as in `2 withdrawn (agent lost)`."""
    text = OFFER_ENDS.get(reason)
    if text is None:
        return f"{number} {reason}"
    is_withdrawn = text.offer.startswith("was withdrawn")
    return f"{number} withdrawn ({text.label})" if is_withdrawn else f"{number} {text.label}"


def assignment_reason(assigned: Mapping[str, Any]) -> str:
    """Why a `chat-assigned` chose its chat and its agent, as a sentence without its full stop."""
    why, agent_id = assigned["why"], assigned["agent_id"]
    order = AGENT_ORDERS.get(why["agent_order"])
    chosen = f"{agent_id} {why['agent_order'] if order is None else order.clause}"
    if why["agent_order"] == "transfer":
        return chosen
    agent = (
        f"{agent_id} was the only agent asking" if why["requests"] == 1 else f"of {why['requests']} asking, {chosen}"
    )
    if why["waiting"] == 1:
        return f"{agent}, this the only chat waiting"
    policy = PULL_POLICIES.get(why["policy"])
    chat = why["policy"] if policy is None else policy.chosen
    return f"{agent}; of {why['waiting']} chats waiting, this was {chat}"


def assignment_label(assigned: Mapping[str, Any]) -> str:
    """Why a `chat-assigned` chose its chat and its agent, in a few words for a table."""
    why = assigned["why"]
    order = AGENT_ORDERS[why["agent_order"]].label
    if why["agent_order"] == "transfer":
        return order
    return f"{PULL_POLICIES[why['policy']].name} of {why['waiting']} waiting, {order} of {why['requests']}"


def story_sentence(fields: Mapping[str, Any]) -> str:
    """A decision about a chat as a sentence of that chat's story; the type itself where it is not known.

    Args:
        fields: the decision as published.
    """
    sentence = _STORY_SENTENCES.get(fields["type"])
    return str(fields["type"]) if sentence is None else f"{sentence(fields)}."


def _queued(fields: Mapping[str, Any]) -> str:
    return f"Arrived, and waits in queue {fields['queue']}"


def _assigned(fields: Mapping[str, Any]) -> str:
    offer = "" if fields["attempt"] == 1 else f" ({ordinal_offer(fields['attempt'])})"
    waited = waited_text(fields["waited_seconds"])
    return f"Offered to {fields['agent_id']} {waited}{offer}: {assignment_reason(fields)}"


def _confirmed(fields: Mapping[str, Any]) -> str:
    after = f"{duration_text(fields['seconds_to_accept'])} after the offer"
    if fields["automatic"]:
        return f"With {fields['agent_id']}: accepted by itself {after}"
    return f"{fields['agent_id']} accepted {after}"


def _ended(fields: Mapping[str, Any]) -> str:
    text = OFFER_ENDS.get(fields["reason"])
    return f"{fields['agent_id']} {fields['reason'] if text is None else text.agent}"


def _requeued(fields: Mapping[str, Any]) -> str:
    clause = requeue_clause(fields["reason"], fields["queue"])
    match fields["reason"]:
        case "transferred":
            return f"Transferred: it {clause}"
        case "overflow":
            return f"It {TIMERS['queue-overflow']}, and {clause}"
        case _:
            return f"It {clause}"


def _wrapping(fields: Mapping[str, Any]) -> str:
    return f"The conversation is over; {fields['agent_id']} wraps up"


def _closed(fields: Mapping[str, Any]) -> str:
    if fields["reason"] == "abandoned":
        return "Closed as abandoned: the customer left before anybody answered"
    text = CLOSURES.get(fields["reason"])
    return str(fields["reason"]) if text is None else f"C{text.clause.removeprefix('was c')}"


def _rejected(fields: Mapping[str, Any]) -> str:
    asked_for = fields["type"].removesuffix("-rejected")
    article = "An" if asked_for[0] in "aeiou" else "A"
    agent_id = fields.get("agent_id")
    by_agent = f" by {agent_id}" if agent_id else ""
    return f"{article} {asked_for}{by_agent} was refused: {REASONS.get(fields['reason'], fields['reason'])}"


_STORY_SENTENCES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "chat-queued": _queued,
    "chat-assigned": _assigned,
    "assignment-confirmed": _confirmed,
    "assignment-ended": _ended,
    "chat-requeued": _requeued,
    "chat-wrapping": _wrapping,
    "chat-closed": _closed,
    "accept-rejected": _rejected,
    "decline-rejected": _rejected,
    "transfer-rejected": _rejected,
}
