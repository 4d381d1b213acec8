"""What a reader hands out in place of a value that it did not read whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import orjson

from switchboard.domain.decisions import Decision
from switchboard.domain.events import DEFAULT_POOL, Event
from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.journal import bounded_json
from switchboard.journal.cloudevents import Headers, Marks, embedded, read_headers
from switchboard.journal.frames import (
    FORMAT_VERSION,
    JOURNAL_HEADERS,
    MAX_FRAME_BYTES,
    MAX_FRAME_EVENTS,
    RULES_VERSION,
    decode_frame,
    encode_frame,
)
from switchboard.journal.schemas import EVENT_SHAPES, MAX_DETAIL, check, known, quote

UnreadReason: TypeAlias = Literal["too-large", "undecodable"]


class Unread(bytes):
    """The value of a record, or of a whole batch of records, that was not read: what is kept of it, and why.

    A subclass of bytes, so that it passes through a Kafka client as a record's value does.

    Attributes:
        reason: the dead letter's reason.
        detail: what is wrong, in words.
        size: bytes of the whole value; None where it is not known.
        headers_left_out: whether the record had headers that were not read.
        first_offset: where a whole batch was not read: the offset of its first record. The record that carries this
            value has the offset of the last one.
    """

    reason: UnreadReason
    detail: str
    size: int | None
    headers_left_out: bool
    first_offset: int | None

    def __new__(
        cls,
        reason: UnreadReason,
        detail: str,
        *,
        kept: bytes = b"",
        size: int | None = None,
        headers_left_out: bool = False,
        first_offset: int | None = None,
    ) -> Self:
        """Keep `kept` of the value, and say why that is all."""
        unread = super().__new__(cls, kept)
        unread.reason = reason
        unread.detail = detail
        unread.size = size
        unread.headers_left_out = headers_left_out
        unread.first_offset = first_offset
        return unread


PUSH_REQUEST_TYPE: Final = "chat-requested"
"""The one decision that goes to `push-request`; all others go to `assignment`."""


def encode(decision: Decision) -> bytes:
    """The value as it is published and as a decision log holds it: fields in the contract's order, no spaces."""
    return orjson.dumps(decision)


__all__ = [
    "FORMAT_VERSION",
    "JOURNAL_HEADERS",
    "KEPT_BYTES",
    "MAX_DEPTH",
    "MAX_FRAME_BYTES",
    "MAX_FRAME_EVENTS",
    "MAX_VALUE_BYTES",
    "OWN_TYPES",
    "REASONS",
    "RULES_VERSION",
    "SOURCE_TOPICS",
    "BadInput",
    "Mapping",
    "Reason",
    "decode_event",
    "decode_frame",
    "encode_frame",
    "pool_of",
]

MAX_VALUE_BYTES: Final = 65_536
"""A record's value may be this long; a longer one is `too-large`."""

KEPT_BYTES: Final = 8_192
"""What is kept of a value that is too large: enough to find its producer by. It could not be replayed anyway."""

MAX_DEPTH: Final = bounded_json.MAX_LEVELS
"""Levels of lists and objects that a value may have. An event has six."""

SOURCE_TOPICS: Final = (
    "chat-arrival",
    "chat-accepted",
    "request-chat",
    "chat-lifecycle",
    "agent-presence",
    "routing-config",
)
"""The topics that events are read from, by their bare names."""

OWN_TYPES: Final = {
    "chat-arrival": "chat-arrival",
    "chat-accepted": "chat-accepted",
    "request-chat": "request-chat",
    "routing-config": "pool-configured",
}
"""What a record is where nothing in it tells its type: the type of its topic, where that has one type."""

Reason: TypeAlias = Literal[
    "no-value",
    "too-large",
    "undecodable",
    "not-json",
    "not-an-object",
    "unknown-type",
    "schema",
    "bad-time",
    "over-limit",
    "engine-error",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
"""Why a record went to `dead-letter`. The decoder gives all but the last two."""

Mapping: TypeAlias = Callable[[str, str | None, dict[str, Any]], tuple[str | None, dict[str, Any]]]
"""A foreign bus's fields to ours: (topic, the type that the record tells, body) to (our type, our body)."""


@dataclass(slots=True)
class BadInput:
    """A record that can't be taken as an event."""

    reason: Reason
    detail: str
    """What is wrong, in words; for `schema` and `bad-time` the JSON Pointer and the rule come first."""
    pool: str = DEFAULT_POOL
    """The pool that it belongs to, as far as that can be told."""


def decode_event(
    topic: str,
    headers: Headers,
    value: bytes | None,
    *,
    source: tuple[str, int, int],
    timestamp: int = 0,
    mapping: Mapping | None = None,
) -> Event | BadInput:
    """The event that a record is, or why it is none. It never raises, whatever the record holds.

    Args:
        topic: The topic's bare name, without any prefix.
        headers: The record's headers.
        value: The record's value.
        source: (topic, partition, offset) of the record, for the journal.
        timestamp: The record's, in ms since 1970.
        mapping: For a foreign bus: stands between reading and checking.
    """
    if not MIN_MS <= timestamp <= MAX_MS:  # Kafka takes any; no recorded log and no clock can hold it
        return BadInput("bad-time", f"the record's timestamp is {timestamp} ms, outside of the years 0001 to 9999")
    try:
        return _decode(topic, headers, value, source, mapping)
    except Exception as error:  # noqa: BLE001 - see the next line
        # A record that no case below foresees is bad input of its own, and not the end of whoever reads it.
        return BadInput("undecodable", f"{type(error).__name__}: {error}"[:MAX_DETAIL])


def _decode(
    topic: str, headers: Headers, value: bytes | None, source: tuple[str, int, int], mapping: Mapping | None
) -> Event | BadInput:
    read = _read(headers, value)
    if isinstance(read, BadInput):
        return read
    told, event_id, body = read
    if mapping is not None:
        told, body = mapping(topic, told, body)
    event_type = OWN_TYPES.get(topic) if told is None else told
    if event_type not in EVENT_SHAPES:
        return BadInput("unknown-type", _untyped(event_type), _pool(body))
    if event_type == "pool-configured" and topic != "routing-config":
        return BadInput(
            "unknown-type",
            f"pool-configured is taken from routing-config only, not from {topic}: "
            "who may write chats must not be able to reconfigure the routing",
            _pool(body),
        )
    fault = check(event_type, body)
    if fault is not None:
        return BadInput(fault.reason, fault.detail, _pool(body))
    return Event(event_type, body.get("pool", DEFAULT_POOL), known(event_type, body), event_id, source)


def pool_of(headers: Headers, value: bytes | None) -> str:
    """The pool that `decode_event` would tell, at a glance: 0.5 us where the value names none, else a parse.

    For dropping other shards' records; not where a mapping stands between.
    """
    if value is None or not (b'"pool"' in value or b"\\u" in value or b'"data_base64"' in value):
        return DEFAULT_POOL
    read = _read(headers, value)
    return read.pool if isinstance(read, BadInput) else _pool(read[2])


def _read(headers: Headers, value: bytes | None) -> tuple[str | None, str | None, dict[str, Any]] | BadInput:
    """A record's type, as far as it tells one, its CloudEvents id and its body."""
    if value is None:
        return BadInput("no-value", "the record has no value")
    if isinstance(value, Unread):
        return BadInput(value.reason, value.detail)
    if len(value) > MAX_VALUE_BYTES:
        return BadInput("too-large", f"{len(value)} bytes; at most {MAX_VALUE_BYTES} are taken")
    marks = read_headers(headers)
    body = _parse(value)
    if isinstance(body, BadInput):
        return body
    envelope = None
    if marks.is_structured:
        envelope, body = body, _open(body)
        if isinstance(body, BadInput):
            return body
    return _marked(marks, envelope, body)


def _parse(value: bytes) -> dict[str, Any] | BadInput:
    # orjson refuses what JSON does not have: NaN, Infinity, 1e400, lone surrogates, a BOM, bytes that are no UTF-8.
    try:
        body = bounded_json.loads(value)
    except bounded_json.TooDeepError as error:
        return BadInput("undecodable", str(error))
    except orjson.JSONDecodeError as error:
        return BadInput("not-json", str(error))
    if type(body) is not dict:
        return BadInput("not-an-object", f"expected a JSON object, got {quote(body)}")
    return body


def _open(envelope: dict[str, Any]) -> dict[str, Any] | BadInput:
    """The body in a structured event's envelope."""
    try:
        body = embedded(envelope)
    except KeyError:
        return BadInput("schema", "/data required: is missing")
    except ValueError as error:
        return BadInput("schema", f"/data_base64 contentEncoding: expected base64: {error}")
    if isinstance(body, bytes):
        return _parse(body)
    if not isinstance(body, dict):
        return BadInput("not-an-object", f"/data: expected a JSON object, got {quote(body)}")
    return body


def _marked(
    marks: Marks, envelope: dict[str, Any] | None, body: dict[str, Any]
) -> tuple[str | None, str | None, dict[str, Any]] | BadInput:
    """The type and id told by the headers, else by the envelope; the type else by the body."""
    event_type: Any = None
    event_id: Any = None
    if marks.type is not None:
        event_type = marks.type.decode(errors="replace")
    elif envelope is not None and "type" in envelope:
        event_type = _given(envelope["type"])
    elif "type" in body:
        event_type = _given(body["type"])
    if marks.id is not None:
        event_id = marks.id.decode(errors="replace")
    elif envelope is not None and "id" in envelope:
        event_id = _given(envelope["id"])
    if not (event_type is None or isinstance(event_type, str)):
        return BadInput("schema", "/type type: expected text", _pool(body))
    if not (event_id is None or _is_id(event_id)):
        return BadInput(
            "schema", "/id pattern: expected a CloudEvents id of 1 to 128 characters, none of control", _pool(body)
        )
    return event_type, event_id, body


def _given(value: Any) -> Any:
    return value if value is not None else ...  # a null is not as good as absent: it is refused


_has_no_control: Final = re.compile("[^\x00-\x1f\x7f-\x9f]*").fullmatch


def _is_id(value: Any) -> bool:
    if not isinstance(value, str) or not 1 <= len(value) <= 128:
        return False
    return value.isprintable() or _has_no_control(value) is not None  # the first is cheap, and nearly always true


_is_pool: Final = re.compile("[A-Za-z0-9._-]{1,64}").fullmatch


def _pool(body: dict[str, Any]) -> str:
    """The pool of a body that has not been checked."""
    pool = body.get("pool")
    return pool if isinstance(pool, str) and _is_pool(pool) else DEFAULT_POOL


def _untyped(event_type: str | None) -> str:
    if event_type is None:
        return "neither a ce_type header nor the body tells the type, and the topic has more than one"
    return f"{quote(event_type)} is no event type"
