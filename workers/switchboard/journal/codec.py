"""The codec: records of source topics to events, and decisions to the values of records.

Journal frames have their own codec in `frames`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import orjson

from switchboard.domain.decisions import Decision
from switchboard.domain.events import DEFAULT_POOL, Event
from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.journal import bounded_json
from switchboard.journal.cloudevents import EventHeaders, Headers, is_structured, read_headers, structured_data
from switchboard.journal.schemas import EVENT_SHAPES, MAX_DETAIL, check_event, known_fields, quote

MAX_VALUE_BYTES: Final = 65_536
"""The longest value of a record; a longer one is `too-large`."""

KEPT_BYTES: Final = 8_192
"""Bytes kept of a value that is too large: enough to find its producer. Such a record could not be replayed anyway."""

SOURCE_TOPICS: Final = (
    "chat-arrival",
    "chat-accepted",
    "request-chat",
    "chat-lifecycle",
    "agent-presence",
    "routing-config",
)
"""The source topics, by their bare names."""

OWN_TYPES: Final = {
    "chat-arrival": "chat-arrival",
    "chat-accepted": "chat-accepted",
    "request-chat": "request-chat",
    "routing-config": "pool-configured",
}
"""The event type of a record without a type, for the source topics that carry one type only."""

PUSH_REQUEST_TYPE: Final = "chat-requested"
"""The type of the decisions on `push-request`; all other decisions go to `assignment`."""

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
"""The reasons for which a record goes to `dead-letter`. The decoder gives all but the last two."""

UnreadReason: TypeAlias = Literal["too-large", "undecodable"]

Mapping: TypeAlias = Callable[[str, str | None, dict[str, Any]], tuple[str | None, dict[str, Any]]]
"""Maps the fields of a foreign bus to ours: (topic, type given by the record, body) to (our type, our body)."""


@dataclass(slots=True)
class BadInput:
    """Why a record can't be taken as an event."""

    reason: Reason
    detail: str
    """The fault in words. For `schema` and `bad-time` the JSON Pointer and the rule come first."""
    pool: str = DEFAULT_POOL
    """The record's pool; `DEFAULT_POOL` where the record names no usable pool."""


class UnreadValue(bytes):
    """Stands for the value of a record, or of a whole batch of records, that was not read; holds the bytes kept of it.

    A subclass of bytes, so that a Kafka client passes it on as a record's value.

    Attributes:
        reason: the reason of the dead letter.
        detail: the fault in words.
        size: bytes of the whole value; None if unknown.
        headers_left_out: True if the record had headers that were not read.
        first_offset: for a whole batch: the offset of its first record. The record that carries this value has the
            offset of the batch's last record. None for a single record.
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
        """Hold the first bytes of the value, `kept`, and the attributes."""
        unread = super().__new__(cls, kept)
        unread.reason = reason
        unread.detail = detail
        unread.size = size
        unread.headers_left_out = headers_left_out
        unread.first_offset = first_offset
        return unread


def encode(decision: Decision) -> bytes:
    """A decision as the value of its record and as a line of a decision log: fields in contract order, no spaces."""
    return orjson.dumps(decision)


def decode_event(
    topic: str,
    headers: Headers,
    value: bytes | None,
    *,
    source: tuple[str, int, int],
    timestamp: int = 0,
    mapping: Mapping | None = None,
) -> Event | BadInput:
    """The event in a record, or the reason why the record is no event. Never raises, whatever the record holds.

    Args:
        topic: the topic's bare name, without any prefix.
        headers: the record's headers.
        value: the record's value.
        source: (topic, partition, offset) of the record, for the journal.
        timestamp: the record's timestamp, in ms since 1970.
        mapping: for a foreign bus: applied after reading and before checking.
    """
    if not MIN_MS <= timestamp <= MAX_MS:  # Kafka takes any timestamp; recorded logs and clocks do not
        return BadInput("bad-time", f"the record's timestamp is {timestamp} ms, outside of the years 0001 to 9999")
    body: dict[str, Any] = {}
    try:
        # 1. Read: the record's form. The pool is known from here on.
        read = _read(headers, value)
        if isinstance(read, BadInput):
            return read
        event_headers, envelope, body = read
        # 2. Check: type, id and fields.
        given = _type_and_id(event_headers, envelope, body)
        return given if isinstance(given, BadInput) else _event(topic, *given, body, source, mapping)
    except Exception as error:  # noqa: BLE001 - a record must not stop its reader
        # A record that no case below foresees becomes a dead letter of its own. The pool has to be the one that
        # `pool_of` finds, or no shard would take the record.
        return BadInput("undecodable", f"{type(error).__name__}: {error}"[:MAX_DETAIL], _pool(body))


def _event(
    topic: str,
    given_type: str | None,
    event_id: str | None,
    body: dict[str, Any],
    source: tuple[str, int, int],
    mapping: Mapping | None,
) -> Event | BadInput:
    if mapping is not None:
        given_type, body = mapping(topic, given_type, body)
    event_type = OWN_TYPES.get(topic) if given_type is None else given_type
    if event_type not in EVENT_SHAPES:
        return BadInput("unknown-type", _unknown_type(event_type), _pool(body))
    if event_type == "pool-configured" and topic != "routing-config":
        return BadInput(
            "unknown-type",
            f"pool-configured is taken from routing-config only, not from {topic}: "
            "who may write chats must not be able to reconfigure the routing",
            _pool(body),
        )
    fault = check_event(event_type, body)
    if fault is not None:
        return BadInput(fault.reason, fault.detail, _pool(body))
    return Event(event_type, body.get("pool", DEFAULT_POOL), known_fields(event_type, body), event_id, source)


def pool_of(headers: Headers, value: bytes | None, timestamp: int = 0) -> str:
    """The pool that `decode_event` gives a record, without a mapping, whether the record is an event or bad input."""
    return usable_pool(named_pool(headers, value, timestamp))


def named_pool(headers: Headers, value: bytes | None, timestamp: int = 0) -> str | None:
    """The text of the field `pool` in a record's body, unchecked; None if the body has none or can't be read.

    About 0.8 us for a value of 120 bytes, nearly all for parsing JSON. Searching the bytes for the field is no faster
    once escapes, repeated keys, nested objects and damaged JSON are excluded.
    """
    if value is None or value.__class__ is UnreadValue or len(value) > MAX_VALUE_BYTES:
        return None
    if not MIN_MS <= timestamp <= MAX_MS:
        return None
    try:
        body = bounded_json.loads(value)
        if is_structured(headers):
            body = _body_of(body) if body.__class__ is dict else None
    except Exception:  # noqa: BLE001 - as in `decode_event`
        return None
    pool = body.get("pool") if body.__class__ is dict else None
    return pool if pool.__class__ is str else None


_Envelope: TypeAlias = dict[str, Any] | None
"""The object around the body, in structured mode."""


def _read(headers: Headers, value: bytes | None) -> tuple[EventHeaders, _Envelope, dict[str, Any]] | BadInput:
    """(headers, envelope, body) of a record. Bad input has `DEFAULT_POOL`, since the body is not known."""
    if value is None:
        return BadInput("no-value", "the record has no value")
    if isinstance(value, UnreadValue):
        return BadInput(value.reason, value.detail)
    if len(value) > MAX_VALUE_BYTES:
        return BadInput("too-large", f"{len(value)} bytes; at most {MAX_VALUE_BYTES} are taken")
    event_headers = read_headers(headers)
    body = _parse(value)
    if isinstance(body, BadInput):
        return body
    envelope = None
    # In structured mode the value is an envelope around the body.
    if event_headers.is_structured:
        envelope, body = body, _body_of(body)
        if isinstance(body, BadInput):
            return body
    return event_headers, envelope, body


def _parse(value: bytes) -> dict[str, Any] | BadInput:
    # orjson refuses everything that is not JSON: NaN, Infinity, 1e400, lone surrogates, a BOM, bytes that are no UTF-8.
    try:
        body = bounded_json.loads(value)
    except bounded_json.TooDeepError as error:
        return BadInput("undecodable", str(error))
    except orjson.JSONDecodeError as error:
        return BadInput("not-json", str(error))
    if type(body) is not dict:
        return BadInput("not-an-object", f"expected a JSON object, got {quote(body)}")
    return body


def _body_of(envelope: dict[str, Any]) -> dict[str, Any] | BadInput:
    """The body in the envelope of a structured event."""
    try:
        body = structured_data(envelope)
    except KeyError:
        return BadInput("schema", "/data required: is missing")
    except ValueError as error:
        return BadInput("schema", f"/data_base64 contentEncoding: expected base64: {error}")
    if isinstance(body, bytes):
        return _parse(body)
    if not isinstance(body, dict):
        return BadInput("not-an-object", f"/data: expected a JSON object, got {quote(body)}")
    return body


def _type_and_id(
    headers: EventHeaders, envelope: _Envelope, body: dict[str, Any]
) -> tuple[str | None, str | None] | BadInput:
    """(event type, CloudEvents id), None if the record does not give them.

    The headers come before the envelope; the body may hold the type, but not the id.
    """
    event_type: Any = None
    event_id: Any = None
    if headers.type is not None:
        event_type = headers.type.decode(errors="replace")
    elif envelope is not None and "type" in envelope:
        event_type = _not_null(envelope["type"])
    elif "type" in body:
        event_type = _not_null(body["type"])
    if headers.id is not None:
        event_id = headers.id.decode(errors="replace")
    elif envelope is not None and "id" in envelope:
        event_id = _not_null(envelope["id"])
    if not (event_type is None or isinstance(event_type, str)):
        return BadInput("schema", "/type type: expected text", _pool(body))
    if not (event_id is None or _is_id(event_id)):
        return BadInput(
            "schema", "/id pattern: expected a CloudEvents id of 1 to 128 characters, none of control", _pool(body)
        )
    return event_type, event_id


def _not_null(value: Any) -> Any:
    # Unlike a missing field, a null is refused: `...` fails the check of the type.
    return value if value is not None else ...


_has_no_control: Final = re.compile("[^\x00-\x1f\x7f-\x9f]*").fullmatch


def _is_id(value: Any) -> bool:
    if not isinstance(value, str) or not 1 <= len(value) <= 128:
        return False
    return value.isprintable() or _has_no_control(value) is not None  # isprintable is cheap, and nearly always true


_is_pool: Final = re.compile("[A-Za-z0-9._-]{1,64}").fullmatch


def usable_pool(name: Any) -> str:
    """The pool of this name; `DEFAULT_POOL` if the value can't be the name of a pool."""
    return name if isinstance(name, str) and _is_pool(name) else DEFAULT_POOL


def _pool(body: dict[str, Any]) -> str:
    """The pool of an unchecked body; `DEFAULT_POOL` where the body has no usable pool."""
    return usable_pool(body.get("pool"))


def _unknown_type(event_type: str | None) -> str:
    if event_type is None:
        return "neither a ce_type header nor the body tells the type, and the topic has more than one"
    return f"{quote(event_type)} is no event type"
