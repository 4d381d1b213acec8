"""CloudEvents 1.0 over Kafka: what is read of the binary and the structured mode, and the binary mode that is written.

Read leniently: what decides nothing here (`specversion`, `source`, `time`, extensions) is not looked at.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Iterable[tuple[str, bytes | None]]
"""A record's headers, as a consumer hands them out."""

STRUCTURED: Final = b"application/cloudevents+json"


@dataclass(slots=True)
class Marks:
    """What a record's headers say of the event in it."""

    type: bytes | None = None
    id: bytes | None = None
    is_structured: bool = False


def read_headers(headers: Headers) -> Marks:
    """What the headers say; of a repeated one the last counts, one without a value is as good as absent."""
    marks = Marks()
    for name, value in headers:
        if value is None:
            continue
        if name == "ce_type":
            marks.type = value
        elif name == "ce_id":
            marks.id = value
        elif len(name) == 12 and name.lower() == "content-type":  # the length: cheaper than lowering every name
            marks.is_structured = value.partition(b";")[0].strip().lower() == STRUCTURED
    return marks


def embedded(envelope: dict[str, Any]) -> Any:
    """The data of a structured event: what stands in `data`, else the bytes of `data_base64`.

    Raises:
        KeyError: it has neither.
        ValueError: `data_base64` is no base64 text.
    """
    if "data" in envelope:
        return envelope["data"]
    encoded = envelope["data_base64"]
    if not isinstance(encoded, str):
        raise ValueError("not a text")  # noqa: TRY004 - a wrong value, as any other
    try:
        return b64decode(encoded, validate=True)
    except NotBase64 as error:
        raise ValueError(str(error)) from None


_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")


def decision_headers(
    decision_id: str, decision_type: str, pool: str, at: str, subject: bytes
) -> list[tuple[str, bytes]]:
    """A decision's headers, in binary mode.

    `at` is the decision's own time; `subject` is the chat, or the agent where it is about no chat. About 0.6 us.
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


# The decisions of a frame have few pools and types, and one time.


@lru_cache(maxsize=1024)
def _source(pool: str) -> tuple[str, bytes]:
    return ("ce_source", b"/switchboard/" + pool.encode())


@lru_cache(maxsize=64)
def _type(decision_type: str) -> tuple[str, bytes]:
    return ("ce_type", decision_type.encode())


@lru_cache(maxsize=64)
def _time(at: str) -> tuple[str, bytes]:
    return ("ce_time", at.encode())
