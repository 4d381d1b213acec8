"""Recorded times are moved to now, and nothing else of a record is."""

import pytest

from switchboard.domain.rfc3339 import MAX_MS, MIN_MS, parse_ms
from switchboard.journal.recorded_log import Record
from switchboard.tools.publisher import Rebase

FIRST = parse_ms("2026-03-01T08:00:00Z")
NOW = parse_ms("2026-11-25T12:00:00Z")


def moved(payload: bytes | None, *headers: tuple[str, bytes | None], speed: float = 1) -> Record:
    """A record of a minute after the first, moved."""
    return Rebase(FIRST, NOW, speed).move(Record("t", 1, 2, FIRST + 60_000, b"k", payload, headers))


def test_timestamps_header_and_fields_move_alike() -> None:
    """A time before the first record's lies before now."""
    body = b'{"chat_id" :"c", "arrived_at": "2026-03-01T08:00:59.5+00:00","requested_at":"2026-03-01T07:59:00Z"}'
    record = moved(body, ("ce_time", b"2026-03-01T08:01:00Z"), ("time", b"2026-03-01T08:01:00Z"), ("ce_time", None))
    assert record.ts == NOW + 60_000
    assert record.headers == (
        ("ce_time", b"2026-11-25T12:01:00.000Z"),
        ("time", b"2026-03-01T08:01:00Z"),
        ("ce_time", None),
    )
    assert record.payload == (
        b'{"chat_id" :"c", "arrived_at": "2026-11-25T12:00:59.500Z","requested_at":"2026-11-25T11:59:00.000Z"}'
    )
    assert (record.topic, record.partition, record.key) == ("t", 1, b"k")


def test_at_another_speed_the_times_between_are_as_much_shorter() -> None:
    """So that a record's time is the time at which it is sent."""
    record = moved(b'{"accepted_at":"2026-03-01T08:00:50Z"}', speed=10)
    assert record.ts == NOW + 6_000
    assert record.payload == b'{"accepted_at":"2026-11-25T12:00:05.000Z"}'


@pytest.mark.parametrize("ts", [MIN_MS - 1, MAX_MS + 1, -(2**63), 2**63 - 1])
def test_a_timestamp_beyond_all_years_stays_as_it_is(ts: int) -> None:
    """The router sets the record aside for it again; moved, it might be beyond what a record can hold."""
    record = Record("t", 1, 2, ts, b"k", b'{"arrived_at":"2026-03-01T08:00:00Z"}')
    moved = Rebase(FIRST, NOW, 0.001).move(record)
    assert (moved.ts, moved.payload) == (ts, b'{"arrived_at":"2026-11-25T12:00:00.000Z"}')


def test_what_is_no_time_stays_as_it_is() -> None:
    """It is to be set aside again for what it was."""
    body = b'{"arrived_at":"yesterday","accepted_at":7,"attributes":"arrived_at"}'
    assert moved(body, ("ce_time", b"\xff")).payload == body
    assert moved(None).payload is None
    assert moved(b"\xff\x00").payload == b"\xff\x00"
