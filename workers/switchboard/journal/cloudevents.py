"""CloudEvents 1.0 over Kafka: the binary and the structured mode are read, the binary mode is written.

Attributes without an effect on routing (`specversion`, `source`, `time`, extensions) are not checked.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Iterable[tuple[str, bytes | None]]
"""A record's headers, as a consumer returns them."""

STRUCTURED: Final = b"application/cloudevents+json"
"""The content type of a record in structured mode."""
_JSON: Final = b"application/json"


@dataclass(slots=True)
class EventHeaders:
    """The CloudEvents attributes in a record's headers."""

    type: bytes | None = None
    id: bytes | None = None
    is_structured: bool = False


def read_headers(headers: Headers) -> EventHeaders:
    """The CloudEvents attributes; the last of repeated headers counts, and a header without a value is ignored."""
    found = EventHeaders()
    for name, value in headers:
        if value is None:
            continue
        if name == "ce_type":
            found.type = value
        elif name == "ce_id":
            found.id = value
        elif len(name) == 12 and name.lower() == "content-type":  # the length first: cheaper than lowering every name
            found.is_structured = _is_structured_type(value)
    return found


def is_structured(headers: Headers) -> bool:
    """`read_headers(headers).is_structured`, at a quarter of the cost: 0.1 us for one header, 0.3 us for six."""
    structured = False
    for name, value in headers:
        if len(name) == 12 and value is not None and name.lower() == "content-type":
            structured = _is_structured_type(value)
    return structured


def _is_structured_type(content_type: bytes) -> bool:
    if content_type == _JSON:  # as nearly always
        return False
    return content_type.partition(b";")[0].strip().lower() == STRUCTURED


def structured_data(envelope: dict[str, Any]) -> Any:
    """The data of a structured event: the value of `data`, or else the bytes of `data_base64`.

    Raises:
        KeyError: the envelope has neither.
        ValueError: `data_base64` is not base64 text.
    """
    if "data" in envelope:
        return envelope["data"]
    encoded = envelope["data_base64"]
    if not isinstance(encoded, str):
        raise ValueError("not a text")  # noqa: TRY004 - callers treat a wrong type as any other wrong value
    try:
        return b64decode(encoded, validate=True)
    except Base64Error as error:
        raise ValueError(str(error)) from None


_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", _JSON)


def decision_headers(
    decision_id: str, decision_type: str, pool: str, at: str, subject: bytes
) -> list[tuple[str, bytes]]:
    """The headers of a decision's record, in binary mode. About 0.6 us.

    Args:
        decision_id: becomes `ce_id`.
        decision_type: becomes `ce_type`.
        pool: becomes part of `ce_source`.
        at: the decision's time.
        subject: the chat id; the agent id for a decision about no chat.
    """
    return [
        ("ce_id", decision_id.encode()),
        _source(pool),
        _type(decision_type),
        _SPECVERSION,
        _time(at),
        ("ce_subject", subject),
        _CONTENT_TYPE,
    ]


# Cached, because the decisions of a frame have few pools and types, and one time.


@lru_cache(maxsize=1024)
def _source(pool: str) -> tuple[str, bytes]:
    return ("ce_source", b"/switchboard/" + pool.encode())


@lru_cache(maxsize=64)
def _type(decision_type: str) -> tuple[str, bytes]:
    return ("ce_type", decision_type.encode())


@lru_cache(maxsize=64)
def _time(at: str) -> tuple[str, bytes]:
    return ("ce_time", at.encode())
