"""The labels whose values are known beforehand: their series are there from the start, at zero.

A counter that first appears when something has happened hides its first step from every rate and alert.
"""

from collections.abc import Mapping
from typing import Final, get_args

from switchboard.domain import decisions
from switchboard.domain.decisions import Decision, OfferEnd
from switchboard.journal.limits import Limit


def _values(decision: type[Decision], field: str) -> tuple[str, ...]:
    return get_args(decision.__annotations__[field])


DECISION_TYPES: Final = tuple(name for each in get_args(Decision) for name in _values(each, "type"))
REFUSALS: Final[Mapping[str, tuple[str, ...]]] = {
    _values(each, "type")[0]: _values(each, "reason")
    for each in (
        decisions.RequestRejected,
        decisions.AcceptRejected,
        decisions.DeclineRejected,
        decisions.TransferRejected,
    )
}
"""Reasons by decision type."""
OFFER_OUTCOMES: Final = ("accepted", "automatic", *get_args(OfferEnd))
"""`automatic`: accepted by its expiry (R10)."""
WAIT_OUTCOMES: Final = ("answered", "abandoned", "short-abandoned", "timed-out")
COMMIT_OUTCOMES: Final = ("committed", "failed", "fenced")
LIMITS: Final[tuple[str, ...]] = get_args(Limit)
STATUSES: Final = ("available", "unavailable", "absent")
STAGES: Final = ("offered", "active", "wrapping")

_LOGGED_OUT: Final = ("not-logged-in",)
IGNORED: Final[Mapping[str, tuple[str, ...]]] = {
    "chat-arrival": ("already-open", "already-closed"),
    "chat-accepted": ("repeated",),
    "chat-declined": ("unknown-chat", "not-offered", "wrong-agent", "stale-offer"),
    "chat-abandoned": ("already-over",),
    "chat-concluded": ("wrong-agent", "not-active", "already-over"),
    "chat-released": ("unknown-chat", "wrong-agent", "not-active"),
    "request-chat": ("repeated", "already-requested"),
    "request-cancelled": ("not-logged-in", "no-request", "not-manual"),
    "agent-absent": ("not-logged-in", "already-absent"),
    "agent-present": ("not-logged-in", "not-absent"),
    "agent-logged-out": _LOGGED_OUT,
    "agent-lost": _LOGGED_OUT,
    "agent-status-changed": _LOGGED_OUT,
    "agent-heartbeat": _LOGGED_OUT,
    "agent-capacity-changed": _LOGGED_OUT,
}
"""Why an event may be ignored, by its type (R21)."""
