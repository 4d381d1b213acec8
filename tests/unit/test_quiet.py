"""A library's log is thinned: repeated messages are counted, others are not touched."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest

from switchboard.kafka.library_logs import QUIET_SECONDS, SLACK_SECONDS, Thinned, thin_out
from tests.waiting import eventually


class Clock:
    """A clock that the test moves, with the functions that are to be called at a time."""

    def __init__(self) -> None:
        self.now = 100.0
        self._later: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        """The time, s."""
        return self.now

    def call_later(self, seconds: float, do: Callable[[], None]) -> None:
        """Call a function in so many seconds."""
        self._later.append((self.now + seconds, do))

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and call what is due by then."""
        self.now += seconds
        due = [do for at, do in self._later if at <= self.now]
        self._later = [(at, do) for at, do in self._later if at > self.now]
        for do in due:
            do()


@pytest.fixture
def clock() -> Clock:
    """At 100 s."""
    return Clock()


@pytest.fixture
def thinned(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., logging.Logger]:
    """Gives the logger `bursts` the filter, for the time of the test."""

    def thin(**options: Any) -> logging.Logger:
        bursts = logging.getLogger("bursts")
        monkeypatch.setattr(bursts, "filters", [Thinned(clock=clock, call_later=clock.call_later, **options)])
        return bursts

    return thin


def told(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    """What a logger logged."""
    return [record.getMessage() for record in caplog.records if record.name == logger]


def test_a_message_that_repeats_is_logged_once_and_then_counted(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    """The same words with other figures are the same message; the next one let through says how many were not."""
    chatty = logging.getLogger("chatty.conn")
    other = logging.getLogger("chatterbox")
    thin_out("chatty", clock)
    for number in range(10):
        chatty.warning("can't reach node %s", number)
        chatty.warning("something else %s", number)
        other.warning("mine")
    clock.now += QUIET_SECONDS
    chatty.warning("can't reach node %s", 11)
    expected = ["can't reach node 0", "something else 0", "can't reach node 11 (and 9 more like it)"]
    assert told(caplog, "chatty.conn") == expected
    assert len(told(caplog, "chatterbox")) == 10


def test_the_rest_of_a_burst_is_told_by_itself(
    caplog: pytest.LogCaptureFixture, clock: Clock, thinned: Callable[..., logging.Logger]
) -> None:
    """With no later message to say it: once, when the quiet is over; only what was left out."""
    bursts = thinned(by_text=True)
    for _ in range(3):
        bursts.warning("set aside: %s", "not-json")
    for _ in range(2):
        bursts.warning("set aside: %s", "schema")
    bursts.warning("set aside: %s", "bad-time")
    first = [f"set aside: {reason}" for reason in ("not-json", "schema", "bad-time")]
    clock.pass_seconds(QUIET_SECONDS)
    assert told(caplog, "bursts") == first
    rest = ["set aside: not-json (and 1 more like it)", "set aside: schema"]
    clock.pass_seconds(SLACK_SECONDS)
    assert told(caplog, "bursts") == first + rest
    clock.pass_seconds(10 * QUIET_SECONDS)
    assert told(caplog, "bursts") == first + rest


async def test_the_event_loop_tells_the_rest(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock and the timer are those of the process."""
    bursts = logging.getLogger("bursts")
    monkeypatch.setattr(bursts, "filters", [Thinned(seconds=0.01)])
    bursts.warning("set aside")
    bursts.warning("set aside")
    await eventually(lambda: asyncio.sleep(0, told(caplog, "bursts")), lambda seen: seen == ["set aside"] * 2)


def test_the_next_message_tells_what_was_left_out_if_it_comes_first(
    caplog: pytest.LogCaptureFixture, clock: Clock, thinned: Callable[..., logging.Logger]
) -> None:
    """And then nothing is told a second time."""
    bursts = thinned()
    for number in range(3):
        bursts.warning("set aside: %s", number)
    clock.pass_seconds(QUIET_SECONDS)
    bursts.warning("set aside: %s", 3)
    clock.pass_seconds(10 * QUIET_SECONDS)
    assert told(caplog, "bursts") == ["set aside: 0", "set aside: 3 (and 2 more like it)"]


def test_a_logger_may_be_quiet_for_longer(
    caplog: pytest.LogCaptureFixture, clock: Clock, thinned: Callable[..., logging.Logger]
) -> None:
    """For what repeats all through a night."""
    nightly = thinned(by_text=True, seconds=30.0)
    for clock.now in (100.0, 106.0, 129.0, 130.0):
        nightly.warning("opened again")
    assert told(caplog, "bursts") == ["opened again", "opened again (and 2 more like it)"]


def test_what_a_client_authenticates_with_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client library logs each request at debug, that with the password in it too."""
    caplog.set_level(logging.DEBUG)
    talkative = logging.getLogger("talkative.conn")
    thin_out("talkative")
    request = SaslAuthenticateRequest(b"\0worker\0a-password").prepare({SaslAuthenticateRequest.API_KEY: (0, 1)})
    talkative.debug("%s Request %d: %s", "a connection", 1, request)
    talkative.debug("%s Request %d: %s", "a connection", 2, "MetadataRequest")
    assert [record.getMessage() for record in caplog.records] == ["a connection Request 2: MetadataRequest"]
