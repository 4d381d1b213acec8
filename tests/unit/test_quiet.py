"""A library's log is thinned: repeated messages are counted, others are not touched."""

import logging

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from switchboard.kafka.quiet import QUIET_SECONDS, thin_out


def test_a_message_that_repeats_is_logged_once_and_then_counted(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same words with other figures are the same message; the next one let through says how many were not."""
    chatty = logging.getLogger("chatty.conn")
    other = logging.getLogger("chatterbox")
    thin_out("chatty")
    now = 100.0
    monkeypatch.setattr("switchboard.kafka.quiet.time.monotonic", lambda: now)
    for number in range(10):
        chatty.warning("can't reach node %s", number)
        chatty.warning("something else %s", number)
        other.warning("mine")
    now += QUIET_SECONDS
    chatty.warning("can't reach node %s", 11)
    told = [record.getMessage() for record in caplog.records if record.name == "chatty.conn"]
    assert told == ["can't reach node 0", "something else 0", "can't reach node 11 (and 9 more like it)"]
    assert len([record for record in caplog.records if record.name == "chatterbox"]) == 10


def test_what_a_client_authenticates_with_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client library logs each request at debug, that with the password in it too."""
    caplog.set_level(logging.DEBUG)
    talkative = logging.getLogger("talkative.conn")
    thin_out("talkative")
    request = SaslAuthenticateRequest(b"\0worker\0a-password").prepare({SaslAuthenticateRequest.API_KEY: (0, 1)})
    talkative.debug("%s Request %d: %s", "a connection", 1, request)
    talkative.debug("%s Request %d: %s", "a connection", 2, "MetadataRequest")
    assert [record.getMessage() for record in caplog.records] == ["a connection Request 2: MetadataRequest"]
