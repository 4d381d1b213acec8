"""Records of the router's topics as the monitor keeps them: their public fields, and no others."""

from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Final

import orjson

from switchboard.journal.decision_reader import DecisionId

AGENT_FIELDS: Final = ("pool", "agent_id", "profile", "mode", "status", "max_sessions")
SESSION_FIELDS: Final = ("chat_id", "stage", "offer_id")
REQUEST_FIELDS: Final = ("origin", "requested_at")


class MalformedRowError(Exception):
    """A record that is not a row or decision of its topic.

    Args:
        summary: what is wrong, without content of the record: safe for the log.
        detail: more about the fault; may quote the record.
    """

    def __init__(self, summary: str, detail: object = "") -> None:
        super().__init__(f"{summary}: {detail}" if detail else summary)
        self.summary = summary


@dataclass(slots=True, frozen=True)
class ChatRow:
    """An open chat: waiting, offered, active or wrapping."""

    pool: str
    queue: str
    stage: str
    arrived_at: datetime
    """With its UTC offset; to the millisecond."""


@dataclass(slots=True, frozen=True)
class DecisionRecord:
    """A decision read from the topic `assignment`."""

    fields: dict[str, Any]
    """As published."""
    value: bytes
    """The value of the record, undecoded."""
    pool: str
    order: tuple[int, int]
    """(frame number, index in the frame), from the decision's id. Ascends for each pool within a partition."""
    at: float
    """When it was decided, in seconds since 1970."""


def agent_row(value: bytes) -> dict[str, Any]:
    """The public fields of a row of `agent-capacity`, in the order in which they are served.

    Fields are copied one by one, so that neither the private part `engine` nor a field of a later version is served.

    Raises:
        MalformedRowError: the value is no JSON object, or lacks a field.
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
    """A row of `open-chats`; None for a closed chat, whose row only keeps its id from being used again (R13).

    Raises:
        MalformedRowError: the value is no JSON object, or a field is missing or of another type.
    """
    row = json_object(value)
    try:
        if row["stage"] == "closed":
            return None
        arrived_at = datetime.fromisoformat(row["arrived_at"])
        if arrived_at.tzinfo is None:
            raise ValueError("arrived_at has no offset")  # noqa: TRY301 - one handler reports every fault
        # Interned, since 100,000 chats share a few pools, queues and stages.
        return ChatRow(
            pool=intern(row["pool"]), queue=intern(row["queue"]), stage=intern(row["stage"]), arrived_at=arrived_at
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a row of a chat", repr(fault)) from fault


def decision_record(value: bytes) -> DecisionRecord:
    """A record of `assignment`.

    Raises:
        MalformedRowError: the value is no JSON object, or lacks a field that every decision has.
    """
    fields = json_object(value)
    try:
        decision_id = DecisionId.parse(fields["id"])
        if decision_id is None or not isinstance(fields["type"], str):
            raise TypeError("id or type")  # noqa: TRY301 - one handler reports every fault
        order = decision_id.frame, decision_id.number
        return DecisionRecord(fields, value, intern(decision_id.pool), order, unix_seconds(fields["at"]))
    except (KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a decision", repr(fault)) from fault


def json_object(value: bytes) -> dict[str, Any]:
    """The value of a record as a JSON object.

    Raises:
        MalformedRowError: the value is no JSON, or no object.
    """
    try:
        row = orjson.loads(value)
    except orjson.JSONDecodeError as fault:
        raise MalformedRowError("not JSON", fault) from fault
    if not isinstance(row, dict):
        raise MalformedRowError("not a JSON object")
    return row


def unix_seconds(text: str) -> float:
    """An RFC 3339 time in seconds since 1970.

    Raises:
        ValueError: the text is no time, or has no UTC offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return moment.timestamp()
