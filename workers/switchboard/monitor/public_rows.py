"""The rows that the monitor takes from the router's topics: their public fields, and nothing else of them."""

from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Final

import orjson

AGENT_FIELDS: Final = ("pool", "agent_id", "profile", "mode", "status", "max_sessions")
SESSION_FIELDS: Final = ("chat_id", "stage", "offer_id")
REQUEST_FIELDS: Final = ("origin", "requested_at")


class MalformedRowError(Exception):
    """A record that is no row of its topic; the message says what is wrong with it, and may quote it."""

    def __init__(self, what: str, detail: object = "") -> None:
        super().__init__(f"{what}: {detail}" if detail else what)
        self.what = what
        """The message, but for what it may quote."""


@dataclass(slots=True, frozen=True)
class ChatRow:
    """An open chat: one that waits, is offered, active or wrapping."""

    pool: str
    queue: str
    stage: str
    arrived_at: datetime
    """With its offset; to the millisecond."""


def agent_row(value: bytes) -> dict[str, Any]:
    """The public fields of a row of `agent-capacity`, in the order in which they are served.

    Field by field, so that the private `engine` part, and whatever a later router adds, never reaches a reader.

    Raises:
        MalformedRowError: it is no JSON object, or lacks a field.
    """
    row = json_object(value)
    try:
        request = row["request"]
        return {
            **{name: row[name] for name in AGENT_FIELDS},
            "sessions": [{name: session[name] for name in SESSION_FIELDS} for session in row["sessions"]],
            "free": row["free"],
            "request": None if request is None else {name: request[name] for name in REQUEST_FIELDS},
        }
    except (KeyError, TypeError) as fault:
        raise MalformedRowError("not a row of an agent", repr(fault)) from fault


def chat_row(value: bytes) -> ChatRow | None:
    """What the views need of a row of `open-chats`; None if the chat is closed and only its id remembered (R13).

    Raises:
        MalformedRowError: it is no JSON object, or a field is missing or of another kind.
    """
    row = json_object(value)
    try:
        if row["stage"] == "closed":
            return None
        arrived_at = datetime.fromisoformat(row["arrived_at"])
        if arrived_at.tzinfo is None:
            raise ValueError("arrived_at has no offset")  # noqa: TRY301 - one place tells of every fault
        # Interned: 100,000 chats share a handful of pools, queues and stages.
        return ChatRow(
            pool=intern(row["pool"]), queue=intern(row["queue"]), stage=intern(row["stage"]), arrived_at=arrived_at
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a row of a chat", repr(fault)) from fault


def json_object(value: bytes) -> dict[str, Any]:
    """The object that a record's value is.

    Raises:
        MalformedRowError: it is none.
    """
    try:
        row = orjson.loads(value)
    except orjson.JSONDecodeError as fault:
        raise MalformedRowError("not JSON", fault) from fault
    if not isinstance(row, dict):
        raise MalformedRowError("not a JSON object")
    return row


@dataclass(slots=True, frozen=True)
class Decided:
    """One decision."""

    fields: dict[str, Any]
    """As published."""
    value: bytes
    """The same, as it stood on the topic."""
    pool: str
    place: tuple[int, int]
    """(frame, n) of its id: ascending for each pool within a partition."""
    at: float
    """When it was decided, in seconds since 1970."""


def decided(value: bytes) -> Decided:
    """A record of `assignment`.

    Raises:
        MalformedRowError: it is no JSON object, or lacks what every decision has.
    """
    fields = json_object(value)
    try:
        # The id is POOL/SHARD/FRAME/N, and a pool has no slash in it.
        pool, _, frame, number = fields["id"].split("/")
        if not isinstance(fields["type"], str):
            raise TypeError("type is no text")  # noqa: TRY301 - one place tells of every fault
        return Decided(fields, value, intern(pool), (int(frame), int(number)), seconds(fields["at"]))
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a decision", repr(fault)) from fault


def seconds(moment: str) -> float:
    """An RFC 3339 time in seconds since 1970.

    Raises:
        ValueError: it is none, or has no offset.
    """
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None:
        raise ValueError(f"{moment} has no offset")
    return read.timestamp()
