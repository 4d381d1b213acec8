"""The decisions of the engine, as they are published.

Fields have the order and the values of the public schemas: times are RFC 3339 text in UTC with milliseconds, durations
are seconds as floats, a missing value is None. So one call encodes a decision.

The dataclasses are neither frozen nor slotted, because the routing path makes about one for each event: creation takes
0.3 us, and 1.9 us if frozen; encoding takes 0.4 us, and 1.4 us if slotted (orjson reads the dict of an instance).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args, get_type_hints

Mode: TypeAlias = Literal["push", "pull"]
Origin: TypeAlias = Literal["push", "manual", "transfer"]
AgentOrder: TypeAlias = Literal["lot", "oldest-request", "transfer"]
PullPolicy: TypeAlias = Literal["first-due", "strict-priority"]

OfferEnd: TypeAlias = Literal[
    "declined",
    "missed",
    "agent-unavailable",
    "agent-absent",
    "agent-lost",
    "agent-logged-out",
    "chat-abandoned",
    "chat-transferred",
]
"""Why an offer ended without being accepted (R10)."""

Requeue: TypeAlias = Literal[
    "declined",
    "missed",
    "agent-unavailable",
    "agent-absent",
    "agent-lost",
    "agent-logged-out",
    "transferred",
    "overflow",
    "queue-removed",
]
"""Why a chat waits again, or waits in another queue."""

Closing: TypeAlias = Literal["concluded", "abandoned", "queue-timed-out"]
AcceptRefusal: TypeAlias = Literal["unknown-chat", "not-offered", "wrong-agent", "stale-offer"]
RequestRefusal: TypeAlias = Literal["not-logged-in", "not-available", "at-capacity"]
TransferRefusal: TypeAlias = Literal["unknown-chat", "unknown-agent", "not-available", "at-capacity"]


@dataclass
class ChatQueued:
    """A chat has arrived and waits (R13)."""

    id: str
    type: Literal["chat-queued"]
    pool: str
    at: str
    chat_id: str
    queue: str
    arrived_at: str


@dataclass
class Why:
    """Why an agent was chosen.

    Counted just before the offer: `waiting`, the chats that wait in the queues of the agent's profile; `requests`, the
    outstanding requests of the pool.
    """

    policy: PullPolicy
    agent_order: AgentOrder
    waiting: int
    requests: int


@dataclass
class ChatAssigned:
    """A chat is offered to an agent (R9)."""

    id: str
    type: Literal["chat-assigned"]
    pool: str
    at: str
    offer_id: str
    chat_id: str
    agent_id: str
    queue: str
    profile: str
    mode: Mode
    origin: Origin
    arrived_at: str
    requested_at: str | None
    expires_at: str
    waited_seconds: float
    attempt: int
    sessions: int
    max_sessions: int
    why: Why


@dataclass
class AssignmentConfirmed:
    """An offer was accepted, by the agent or, with `automatic`, by its expiry (R10)."""

    id: str
    type: Literal["assignment-confirmed"]
    pool: str
    at: str
    offer_id: str
    chat_id: str
    agent_id: str
    queue: str
    automatic: bool
    seconds_to_accept: float


@dataclass
class AssignmentEnded:
    """An offer was declined, missed or rescinded (R10)."""

    id: str
    type: Literal["assignment-ended"]
    pool: str
    at: str
    offer_id: str
    chat_id: str
    agent_id: str
    queue: str
    reason: OfferEnd


@dataclass
class ChatRequeued:
    """A chat waits again, or waits in another queue."""

    id: str
    type: Literal["chat-requeued"]
    pool: str
    at: str
    chat_id: str
    queue: str
    reason: Requeue


@dataclass
class ChatWrapping:
    """A conversation is over, and the agent wraps up (R15)."""

    id: str
    type: Literal["chat-wrapping"]
    pool: str
    at: str
    chat_id: str
    agent_id: str
    queue: str


@dataclass
class ChatClosed:
    """A chat is closed, and its session, if any, is free."""

    id: str
    type: Literal["chat-closed"]
    pool: str
    at: str
    chat_id: str
    queue: str
    agent_id: str | None
    reason: Closing


@dataclass
class ChatRequested:
    """A request was made for an agent in push mode (R11)."""

    id: str
    type: Literal["chat-requested"]
    pool: str
    at: str
    agent_id: str
    request_id: str
    requested_at: str
    origin: Literal["push"]


@dataclass
class RequestRejected:
    """A `request-chat` was refused (R12)."""

    id: str
    type: Literal["request-rejected"]
    pool: str
    at: str
    agent_id: str
    request_id: str | None
    reason: RequestRefusal


@dataclass
class AcceptRejected:
    """A `chat-accepted` was refused (R10)."""

    id: str
    type: Literal["accept-rejected"]
    pool: str
    at: str
    chat_id: str
    agent_id: str
    offer_id: str | None
    reason: AcceptRefusal


@dataclass
class DeclineRejected:
    """A `chat-declined` was refused, since the profile does not allow declining (R10)."""

    id: str
    type: Literal["decline-rejected"]
    pool: str
    at: str
    chat_id: str
    agent_id: str
    offer_id: str | None
    reason: Literal["not-allowed"]


@dataclass
class TransferRejected:
    """A `chat-transferred` was refused, and changed nothing (R16)."""

    id: str
    type: Literal["transfer-rejected"]
    pool: str
    at: str
    chat_id: str
    to_queue: str | None
    to_agent: str | None
    reason: TransferRefusal


@dataclass
class AgentMadeUnavailable:
    """An agent missed too many offers (R10)."""

    id: str
    type: Literal["agent-made-unavailable"]
    pool: str
    at: str
    agent_id: str
    reason: Literal["missed-offers"]


Decision: TypeAlias = (
    ChatQueued
    | ChatAssigned
    | AssignmentConfirmed
    | AssignmentEnded
    | ChatRequeued
    | ChatWrapping
    | ChatClosed
    | ChatRequested
    | RequestRejected
    | AcceptRejected
    | DeclineRejected
    | TransferRejected
    | AgentMadeUnavailable
)

TYPE_OF: Final[Mapping[Any, Any]] = {kind: get_args(get_type_hints(kind)["type"])[0] for kind in get_args(Decision)}
"""Class of a decision → its type, as in the field `type`."""
