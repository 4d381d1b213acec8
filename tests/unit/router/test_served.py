"""A shard as it is told to those who ask: its state, its last frame, and in a sentence what is amiss."""

import time
from collections.abc import Iterator

import pytest

from switchboard.router.served_shards import STALLED_SECONDS, Served
from switchboard.router.shard import Standing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The monotonic clock, held in a list."""
    held = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: held[0])
    yield held
    monkeypatch.undo()


def test_each_state_is_said_in_words() -> None:
    """With the reason, where there is one; nothing but a human's work is wrong."""
    opening, again = Served(opening=True), Served(trouble="no answer in time")
    assert (opening.state, opening.amiss, opening.wrong) == ("being restored", "is being restored", None)
    assert (again.state, again.amiss, again.wrong) == (
        "waiting",
        "waits to be opened again: no answer in time",
        None,
    )
    again.opening = True
    assert again.amiss == "is being restored: no answer in time"
    stopped = Served(stopped="the engine fails")
    assert (stopped.state, stopped.amiss) == ("stopped", "stopped for a human: the engine fails")
    assert stopped.wrong == stopped.amiss


def test_the_last_frame_is_told_or_that_there_is_none() -> None:
    """Frames are counted from 0."""
    assert Served().told()["last_frame"] == "no frame yet"
    assert Served(standing=Standing(frame=0)).told()["last_frame"] == 0


def test_a_shard_that_never_gets_past_opening_is_told_after_a_while(clock: list[float]) -> None:
    """However often it is opened again; what a broker that is away costs does not count."""
    served = Served(opening=True, trouble="no answer in time", standing=Standing(progress=1.0))
    served.look(clock[0], broker_answers=True)
    for _ in range(5):
        clock[0] += STALLED_SECONDS / 2
        served.look(clock[0], broker_answers=False)
        assert served.wrong is None
    for _ in range(3):
        clock[0] += STALLED_SECONDS / 2
        served.look(clock[0], broker_answers=True)
    assert served.wrong == "has not gone on for 120 s though the broker answers: no answer in time"
    served.standing.progress = 2.0
    served.look(clock[0], broker_answers=True)
    assert served.wrong is None
