"""A library's log is thinned: repeated messages are counted, others are not touched."""

import asyncio
import logging

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from switchboard.kafka.library_logs import QUIET_SECONDS, Thinned, thin_out
from tests.waiting import eventually


def test_a_message_that_repeats_is_logged_once_and_then_counted(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same words with other figures are the same message; the next one let through says how many were not."""
    chatty = logging.getLogger("chatty.conn")
    other = logging.getLogger("chatterbox")
    thin_out("chatty")
    now = 100.0
    monkeypatch.setattr("switchboard.kafka.library_logs.time.monotonic", lambda: now)
    for number in range(10):
        chatty.warning("can't reach node %s", number)
        chatty.warning("something else %s", number)
        other.warning("mine")
    now += QUIET_SECONDS
    chatty.warning("can't reach node %s", 11)
    told = [record.getMessage() for record in caplog.records if record.name == "chatty.conn"]
    assert told == ["can't reach node 0", "something else 0", "can't reach node 11 (and 9 more like it)"]
    assert len([record for record in caplog.records if record.name == "chatterbox"]) == 10


async def test_the_rest_of_a_burst_is_told_by_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no later message to say it: once, when the quiet is over; only what was left out."""
    monkeypatch.setattr("switchboard.kafka.library_logs.QUIET_SECONDS", 0.2)
    bursts = logging.getLogger("bursts")
    monkeypatch.setattr(bursts, "filters", [Thinned(by_text=True)])

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "bursts"]

    for _ in range(3):
        bursts.warning("set aside: %s", "not-json")
    for _ in range(2):
        bursts.warning("set aside: %s", "schema")
    bursts.warning("set aside: %s", "bad-time")
    first = [f"set aside: {reason}" for reason in ("not-json", "schema", "bad-time")]
    assert told() == first
    rest = ["set aside: not-json (and 1 more like it)", "set aside: schema"]
    await eventually(lambda: asyncio.sleep(0, told()), lambda seen: seen == first + rest, seconds=3)
    await asyncio.sleep(0.5)
    assert told() == first + rest


async def test_the_next_message_tells_what_was_left_out_if_it_comes_first(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And then nothing is told a second time."""
    monkeypatch.setattr("switchboard.kafka.library_logs.SLACK_SECONDS", 0.3)
    monkeypatch.setattr("switchboard.kafka.library_logs.QUIET_SECONDS", 0.1)
    bursts = logging.getLogger("bursts")
    monkeypatch.setattr(bursts, "filters", [Thinned()])
    for number in range(3):
        bursts.warning("set aside: %s", number)
    await asyncio.sleep(0.2)
    bursts.warning("set aside: %s", 3)
    await asyncio.sleep(0.5)
    told = [record.getMessage() for record in caplog.records if record.name == "bursts"]
    assert told == ["set aside: 0", "set aside: 3 (and 2 more like it)"]


def test_a_logger_may_be_quiet_for_longer(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what repeats all through a night."""
    now = 100.0
    monkeypatch.setattr("switchboard.kafka.library_logs.time.monotonic", lambda: now)
    nightly = logging.getLogger("nightly")
    monkeypatch.setattr(nightly, "filters", [Thinned(by_text=True, seconds=30.0)])
    for now in (100.0, 106.0, 129.0, 130.0):  # noqa: B007 - the clock
        nightly.warning("opened again")
    assert [record.getMessage() for record in caplog.records] == ["opened again", "opened again (and 2 more like it)"]


def test_what_a_client_authenticates_with_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client library logs each request at debug, that with the password in it too."""
    caplog.set_level(logging.DEBUG)
    talkative = logging.getLogger("talkative.conn")
    thin_out("talkative")
    request = SaslAuthenticateRequest(b"\0worker\0a-password").prepare({SaslAuthenticateRequest.API_KEY: (0, 1)})
    talkative.debug("%s Request %d: %s", "a connection", 1, request)
    talkative.debug("%s Request %d: %s", "a connection", 2, "MetadataRequest")
    assert [record.getMessage() for record in caplog.records] == ["a connection Request 2: MetadataRequest"]
