"""A library's log is thinned: repeated messages are counted, others are not touched."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from switchboard.kafka.library_logs import QUIET_SECONDS, SLACK_SECONDS, Thinned, thin_out
from tests.waiting import eventually


class Time:
    """A clock that stands until the test moves it, with the calls that are due later."""

    def __init__(self) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def clock(self) -> float:
        """The time, in s."""
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call after so many seconds."""
        self._calls.append((self.now + seconds, call))

    def move(self, seconds: float) -> None:
        """Let time pass, and make the calls that become due."""
        self.now += seconds
        due = [call for at, call in self._calls if at <= self.now]
        self._calls = [(at, call) for at, call in self._calls if at > self.now]
        for call in due:
            call()


@pytest.fixture
def time() -> Time:
    """Time of the test's own."""
    return Time()


def logger_with(thinned: Thinned) -> logging.Logger:
    """A logger of this test alone, with this filter."""
    found = logging.getLogger("thinned")
    found.filters = [thinned]
    return found


def test_a_message_that_repeats_is_logged_once_and_then_counted(caplog: pytest.LogCaptureFixture, time: Time) -> None:
    """The same words with other figures are the same message; the next one let through says how many were not."""
    chatty = logging.getLogger("chatty.conn")
    other = logging.getLogger("chatterbox")
    thin_out("chatty", time.clock)
    for number in range(10):
        chatty.warning("can't reach node %s", number)
        chatty.warning("something else %s", number)
        other.warning("mine")
    time.move(QUIET_SECONDS)
    chatty.warning("can't reach node %s", 11)
    told = [record.getMessage() for record in caplog.records if record.name == "chatty.conn"]
    assert told == ["can't reach node 0", "something else 0", "can't reach node 11 (and 9 more like it)"]
    assert len([record for record in caplog.records if record.name == "chatterbox"]) == 10


def test_the_rest_of_a_burst_is_logged_when_the_window_ends(caplog: pytest.LogCaptureFixture, time: Time) -> None:
    """With no later message to say it: once, and only what was left out."""
    bursts = logger_with(Thinned(by_text=True, clock=time.clock, call_later=time.call_later))
    for _ in range(3):
        bursts.warning("set aside: %s", "not-json")
    for _ in range(2):
        bursts.warning("set aside: %s", "schema")
    bursts.warning("set aside: %s", "bad-time")
    first = [f"set aside: {reason}" for reason in ("not-json", "schema", "bad-time")]
    time.move(QUIET_SECONDS - 0.1)
    assert caplog.messages == first
    time.move(0.2)
    rest = ["set aside: not-json (and 1 more like it)", "set aside: schema"]
    assert caplog.messages == first + rest
    time.move(100)
    assert caplog.messages == first + rest


def test_the_next_message_tells_what_was_left_out_if_it_comes_first(
    caplog: pytest.LogCaptureFixture, time: Time
) -> None:
    """And then nothing is told a second time."""
    bursts = logger_with(Thinned(clock=time.clock, call_later=time.call_later))
    for number in range(3):
        bursts.warning("set aside: %s", number)
    # The window is over, and its timer has not fired yet.
    time.move(QUIET_SECONDS + SLACK_SECONDS / 2)
    bursts.warning("set aside: %s", 3)
    time.move(100)
    assert caplog.messages == ["set aside: 0", "set aside: 3 (and 2 more like it)"]


async def test_without_other_timers_the_event_loop_logs_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    """The running loop's own timer."""
    bursts = logger_with(Thinned(seconds=0.01))
    for number in range(2):
        bursts.warning("set aside: %s", number)
    await eventually(lambda: asyncio.sleep(0, caplog.messages), lambda seen: len(seen) == 2, seconds=3)
    assert caplog.messages == ["set aside: 0", "set aside: 1"]


def test_a_logger_may_be_quiet_for_longer(caplog: pytest.LogCaptureFixture, time: Time) -> None:
    """For what repeats all through a night."""
    nightly = logger_with(Thinned(by_text=True, seconds=30.0, clock=time.clock))
    for seconds in (0, 6, 23, 1):
        time.move(seconds)
        nightly.warning("opened again")
    assert caplog.messages == ["opened again", "opened again (and 2 more like it)"]


def test_what_a_client_authenticates_with_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client library logs each request at debug, that with the password in it too."""
    caplog.set_level(logging.DEBUG)
    talkative = logging.getLogger("talkative.conn")
    thin_out("talkative")
    request = SaslAuthenticateRequest(b"\0worker\0a-password").prepare({SaslAuthenticateRequest.API_KEY: (0, 1)})
    talkative.debug("%s Request %d: %s", "a connection", 1, request)
    talkative.debug("%s Request %d: %s", "a connection", 2, "MetadataRequest")
    assert [record.getMessage() for record in caplog.records] == ["a connection Request 2: MetadataRequest"]
