"""A shard as its router reports it: its state, its last frame, and in a sentence why it is not served."""

from typing import Any

from switchboard.router.served_shards import ServedShard
from switchboard.router.shard import STALLED_SECONDS
from switchboard.router.shard_history import ShardHistory

NOW = 1000.0


def served(frame: int = -1, progress: float = 0.0, **fields: Any) -> ServedShard:
    """A shard that was assigned at `NOW`."""
    return ServedShard(ShardHistory(progress, frame=frame), NOW, **fields)


def test_each_state_is_said_in_words() -> None:
    """With the reason, where there is one; nothing but a human's work is a fault."""
    opening, again = served(opening=True), served(trouble="no answer in time")
    assert (opening.state, opening.hindrance(NOW), opening.fault(NOW)) == ("being restored", "is being restored", None)
    assert (again.state, again.hindrance(NOW), again.fault(NOW)) == (
        "waiting",
        "waits to be opened again: no answer in time",
        None,
    )
    again.opening = True
    assert again.hindrance(NOW) == "is being restored: no answer in time"
    stopped = served(stopped="the engine fails")
    assert (stopped.state, stopped.hindrance(NOW)) == ("stopped", "stopped for a human: the engine fails")
    assert stopped.fault(NOW) == stopped.hindrance(NOW)


def test_the_last_frame_is_reported_or_that_there_is_none() -> None:
    """Frames are counted from 0."""
    assert served().summary()["last_frame"] == "no frame yet"
    assert served(frame=0).summary()["last_frame"] == 0


def test_a_shard_that_never_gets_past_opening_is_reported_after_a_while() -> None:
    """However often it is opened again; the time in which a broker is away does not count."""
    now = NOW
    shard = served(opening=True, trouble="no answer in time", progress=1.0)
    shard.watch(now, broker_answers=True)
    for _ in range(5):
        now += STALLED_SECONDS / 2
        shard.watch(now, broker_answers=False)
        assert shard.fault(now) is None
    for _ in range(3):
        now += STALLED_SECONDS / 2
        shard.watch(now, broker_answers=True)
    assert shard.fault(now) == "has not gone on for 120 s though the broker answers: no answer in time"
    shard.history.progress = 2.0
    shard.watch(now, broker_answers=True)
    assert shard.fault(now) is None
