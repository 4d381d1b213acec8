"""The codec of journal frames.

Measured on one core of the build machine, for frames of 500 plain events: encoding takes 0.3 us an event, decoding with
its check 2.7 us an event.
"""

from typing import Any, Final

import orjson

from switchboard.domain import rows
from switchboard.domain.events import Event, Frame
from switchboard.journal import bounded_json
from switchboard.journal.cloudevents import Headers
from switchboard.journal.schemas import compiled, first_fault, known_fields, shape_of

RULES_VERSION: Final = rows.RULES
"""Version of the rules that frames are decided by."""
FORMAT_VERSION: Final = 1
"""Version of the frame's format."""

JOURNAL_HEADERS: Final[tuple[tuple[str, bytes], ...]] = (
    ("rules", str(RULES_VERSION).encode()),
    ("format", str(FORMAT_VERSION).encode()),
)
"""The headers of every journal record."""

MAX_FRAME_EVENTS: Final = 2_000
MAX_FRAME_BYTES: Final = 900_000
"""The longest encoded frame. One event of 64 KiB always fits."""

_LONGEST_VERSION: Final = 60
"""Bytes of another version that an error repeats: a header may be as long as the record."""

_PATH: Final = "journal-frame.json"
_VALIDATOR: Final = compiled(_PATH)
_SHAPE: Final = shape_of(_PATH)


class OtherVersionError(ValueError):
    """A journal record has other rules or another format. The record is sound; this version can't read it."""

    def __init__(self, name: str, version: str, ours: str) -> None:
        super().__init__(f"written with {name} {version}; this version reads {name} {ours}")
        self.name = name
        """`rules` or `format`."""
        self.version = version
        self.ours = ours


def encode_frame(frame: Frame) -> bytes:
    """A frame as the value of its journal record: fields in contract order, no spaces, UTF-8."""
    # One call for the whole frame. Encoding 500 events one by one and keeping each takes nine times as long (2.3 us
    # each), because orjson allocates 1 KiB for each event and returns most of it.
    events = [
        {"type": event.type, "pool": event.pool, "id": event.id, "source": event.source, "data": event.data}
        for event in frame.events
    ]
    return orjson.dumps({"n": frame.n, "at": frame.at, "run": frame.run, "events": events})


def decode_frame(value: bytes) -> Frame:
    """The frame in the value of a journal record.

    Raises:
        ValueError: the value is no frame; the message names the place and the fault.
    """
    try:
        body = bounded_json.loads(value)
    except bounded_json.TooDeepError as error:
        raise ValueError(f"no journal frame: {error}") from None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no journal frame: not JSON: {error}") from None
    fault = first_fault(body, _VALIDATOR, _SHAPE)
    if fault is not None:
        raise ValueError(f"no journal frame: {fault.detail}")
    return Frame(int(body["n"]), int(body["at"]), int(body["run"]), [_event(each) for each in body["events"]])


def _event(each: dict[str, Any]) -> Event:
    topic, partition, offset = each["source"]
    event_type = each["type"]
    return Event(
        event_type,
        each["pool"],
        known_fields(event_type, each["data"]),
        each["id"],
        (topic, int(partition), int(offset)),
    )


def check_versions(headers: Headers) -> None:
    """Refuse a journal record of another version. A record without version headers has the current versions.

    Raises:
        OtherVersionError: the record was written under other rules, or in another format.
    """
    ours = dict(JOURNAL_HEADERS)
    for name, value in headers:
        if value is not None and name in ours and value != ours[name]:
            raise OtherVersionError(name, value[:_LONGEST_VERSION].decode(errors="replace"), ours[name].decode())
