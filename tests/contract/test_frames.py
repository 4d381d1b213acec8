"""Journal frames: what is written is read back, and what is mangled is refused."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.events import EVENT_TYPES, Event, Frame
from switchboard.domain.rfc3339 import MAX_MS
from switchboard.journal.frames import (
    FORMAT_VERSION,
    JOURNAL_HEADERS,
    MAX_FRAME_EVENTS,
    RULES_VERSION,
    check_versions,
    decode_frame,
    encode_frame,
)
from switchboard.journal.schemas import known_fields
from tests.contract.golden import Sample, samples

BODIES = [(sample.name, sample.body) for sample in samples("good") if sample.name in EVENT_TYPES]

IDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=128)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """An event with the data of a good sample and any ids."""
    name, body = draw(st.sampled_from(BODIES))
    data = known_fields(name, body)
    if "chat_id" in data:
        data["chat_id"] = draw(IDS)
    source = (draw(st.text(max_size=20)), draw(st.integers(0, 2**31)), draw(st.integers(0, 2**62)))
    pool = draw(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
    return Event(name, pool, data, draw(st.none() | IDS), source)


FRAMES = st.builds(
    Frame, st.integers(0, 2**62), st.integers(0, MAX_MS), st.integers(0, 10**12), st.lists(events(), max_size=5)
)


@given(FRAMES)
def test_a_frame_is_read_back_as_it_was_written(frame: Frame) -> None:
    """Whatever ids and data its events have."""
    assert decode_frame(encode_frame(frame)) == frame


@given(FRAMES)
def test_a_frames_bytes_are_the_same_after_a_round_trip(frame: Frame) -> None:
    """A replayed journal is the journal, byte for byte."""
    written = encode_frame(frame)
    assert encode_frame(decode_frame(written)) == written


def test_a_frames_fields_stand_in_the_contracts_order_without_spaces_unescaped() -> None:
    """Byte for byte what the contract says."""
    event = Event("chat-arrival", "x", {"chat_id": "ü"}, None, ("bus.chat-arrival", 2, 41))
    assert encode_frame(Frame(7, 1000, 250, [event, event])).decode() == (
        '{"n":7,"at":1000,"run":250,"events":['
        '{"type":"chat-arrival","pool":"x","id":null,"source":["bus.chat-arrival",2,41],"data":{"chat_id":"ü"}},'
        '{"type":"chat-arrival","pool":"x","id":null,"source":["bus.chat-arrival",2,41],"data":{"chat_id":"ü"}}]}'
    )
    assert encode_frame(Frame(0, 0, 0)) == b'{"n":0,"at":0,"run":0,"events":[]}'


@pytest.mark.parametrize("sample", [s for s in samples("bad") if s.name == "journal-frame"], ids=str)
def test_a_mangled_frame_is_refused_with_its_place(sample: Sample) -> None:
    """Its own fields and those of each event's type."""
    with pytest.raises(ValueError, match="no journal frame: /") as raised:
        decode_frame(orjson.dumps(sample.body["value"]))
    assert sample.body["detail"] in str(raised.value)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b'{"n":0}', b'{"n":0,"at":0,"run":0,"events":[1]}'])
def test_what_is_no_frame_at_all_is_refused(value: bytes) -> None:
    """With an error that says so, never another one."""
    with pytest.raises(ValueError, match="no journal frame"):
        decode_frame(value)


@given(
    st.binary(max_size=40)
    | FRAMES.map(encode_frame).flatmap(lambda raw: st.builds(lambda cut: raw[:cut], st.integers(0, len(raw) - 1)))
)
def test_no_cut_frame_is_taken_for_a_whole_one(value: bytes) -> None:
    """A frame is whole or it is refused."""
    with pytest.raises(ValueError, match="no journal frame"):
        decode_frame(value)


def test_a_frame_of_more_than_2000_events_is_refused() -> None:
    """The limit of the contract."""
    event = Event("chat-arrival", "x", {"chat_id": "c"}, None, ("t", 0, 0))
    assert len(decode_frame(encode_frame(Frame(0, 0, 0, [event] * MAX_FRAME_EVENTS))).events) == MAX_FRAME_EVENTS
    with pytest.raises(ValueError, match="/events maxItems"):
        decode_frame(encode_frame(Frame(0, 0, 0, [event] * (MAX_FRAME_EVENTS + 1))))


def test_a_whole_number_written_with_a_point_is_read_as_one() -> None:
    """JSON Schema takes 3.0 for a whole number, so other tools may write it."""
    body: dict[str, Any] = {"n": 0.0, "at": 1000.0, "run": 5.0, "events": []}
    body["events"].append(
        {
            "type": "agent-logged-in",
            "pool": "x",
            "id": None,
            "source": ["t", 0.0, 1.0],
            "data": {"agent_id": "a", "max_sessions": 3.0},
        }
    )
    event = Event("agent-logged-in", "x", {"agent_id": "a", "max_sessions": 3}, None, ("t", 0, 1))
    assert repr(decode_frame(orjson.dumps(body))) == repr(Frame(0, 1000, 5, [event]))


def test_the_journals_headers_tell_both_versions() -> None:
    """From the first record ever written."""
    assert dict(JOURNAL_HEADERS) == {"rules": b"%d" % RULES_VERSION, "format": b"%d" % FORMAT_VERSION}
    check_versions(JOURNAL_HEADERS)


def test_a_frame_without_versions_is_of_the_current_ones() -> None:
    """As in a log written by hand."""
    check_versions(())
    check_versions([("other", b"x"), ("rules", None)])


@pytest.mark.parametrize("header", [("rules", b"2"), ("format", b"0"), ("rules", b"\xff"), ("format", b"")])
def test_a_frame_of_another_version_is_refused(header: tuple[str, bytes]) -> None:
    """Under other rules the same journal may give other decisions."""
    with pytest.raises(ValueError, match=f"written with {header[0]}"):
        check_versions([header])
