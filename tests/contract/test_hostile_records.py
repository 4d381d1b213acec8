"""Records that a producer made to do harm, or made by accident: each is bad input of its own, and costs little."""

import base64
from typing import Any

import pytest

from switchboard.domain.events import Event
from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.journal.bounded_json import MAX_LEVELS
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, Mapping, UnreadValue, decode_event

NESTED = b"[" * 255 + b"]" * 255


def refused(topic: str, value: bytes, *headers: tuple[str, bytes], mapping: Mapping | None = None) -> BadInput:
    """Why the record is no event."""
    bad = decode_event(topic, headers, value, source=("t", 0, 0), mapping=mapping)
    assert isinstance(bad, BadInput)
    return bad


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
def test_what_is_nested_too_deep_is_undecodable(topic: str) -> None:
    """Our JSON library reads 1,024 levels and writes 254: the words about the fault would raise."""
    fields = (b"chat_id", b"agent_id", b"pool", b"type", b"attributes", b"config", b"x")
    for value in (NESTED, *(b'{"%s":%s}' % (field, NESTED) for field in fields)):
        bad = refused(topic, value)
        assert (bad.reason, bad.detail) == (
            "undecodable",
            "nested too deep: expected at most 64 levels of objects and lists",
        )


def test_as_many_levels_as_allowed_are_read() -> None:
    """Also where there are more brackets than levels; the data in an envelope count for themselves."""
    body = b'{"chat_id":"c","x":%s,"y":[[],[],[]]}' % (b"[" * (MAX_LEVELS - 1) + b"]" * (MAX_LEVELS - 1))
    assert isinstance(decode_event("chat-arrival", (), body, source=("t", 0, 0)), Event)
    envelope = b'{"data_base64":"%s"}' % base64.b64encode(NESTED)
    assert refused("chat-arrival", envelope, ("content-type", b"application/cloudevents+json")).reason == "undecodable"


def test_a_value_with_thousands_of_faults_is_refused_by_its_first() -> None:
    """To list 30,000 of them takes a second for each record of 64 KiB."""
    bad = refused("routing-config", b'{"pool":"p","config":{"queues":[%s]}}' % b",".join([b"1"] * 30_000))
    assert bad.detail == "/config/profiles required: is missing"


def test_where_a_time_and_something_else_is_wrong_the_other_is_given() -> None:
    """`bad-time` says that nothing else is wrong."""
    bad = refused("chat-arrival", b'{"chat_id":"c","arrived_at":"yesterday","queue":7}')
    assert (bad.reason, bad.detail[:7]) == ("schema", "/queue ")


@pytest.mark.parametrize("timestamp", [MIN_MS - 1, MAX_MS + 1, -(2**63), 2**63 - 1])
def test_a_record_timestamp_that_no_log_can_hold_is_a_bad_time(timestamp: int) -> None:
    """A router would take it, and `replay` refuse the whole log."""
    bad = decode_event("chat-arrival", (), b'{"chat_id":"c"}', source=("t", 0, 0), timestamp=timestamp)
    assert isinstance(bad, BadInput)
    assert bad.reason == "bad-time"


@pytest.mark.parametrize("timestamp", [MIN_MS, MAX_MS, -1])
def test_any_other_timestamp_is_taken(timestamp: int) -> None:
    """Kafka writes -1 where there is none."""
    event = decode_event("chat-arrival", (), b'{"chat_id":"c"}', source=("t", 0, 0), timestamp=timestamp)
    assert isinstance(event, Event)


def test_what_was_not_read_says_why() -> None:
    """The reader of batches knows."""
    assert refused("chat-arrival", UnreadValue("undecodable", "cut")) == BadInput("undecodable", "cut")


def test_whatever_a_decoder_raises_is_bad_input_of_that_record() -> None:
    """A mapping is somebody else's code; ours may have a defect."""

    def mapping(*_: Any) -> tuple[str | None, dict[str, Any]]:
        raise RecursionError("x" * 1_000)

    bad = refused("chat-arrival", b"{}", mapping=mapping)
    assert (bad.reason, len(bad.detail), bad.detail[:18]) == ("undecodable", 500, "RecursionError: xx")
