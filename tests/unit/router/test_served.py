"""A shard as its router reports it: its state, its last frame, and in a sentence why it is not served."""

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from switchboard.errors import (
    BrokerAwayError,
    FencedError,
    LedgerLostError,
    NotAllowedError,
    RestoreError,
    SourceGoneError,
)
from switchboard.router.background_work import BrokenOffError
from switchboard.router.router_status import RouterStatus
from switchboard.router.served_shards import ServedShard, ServiceEnd
from switchboard.router.shard import STALLED_SECONDS
from switchboard.router.shard_history import EngineFailedError, ShardHistory, TimersFailedError

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


@pytest.mark.parametrize(
    ("error", "end", "trouble"),
    [
        (FencedError("fenced"), ServiceEnd.FENCED, "it was taken over, or its transaction ran out of time: fenced"),
        (EngineFailedError("frame 7"), ServiceEnd.ENGINE_FAILED, "the engine failed: frame 7"),
        (LedgerLostError("a commit failed"), ServiceEnd.LOST, "a commit failed"),
        (RestoreError("stalled"), ServiceEnd.LOST, "stalled"),
        (BrokerAwayError("no broker answers"), ServiceEnd.LOST, "no broker answers"),
        (KafkaConnectionError("closed"), ServiceEnd.LOST, "a broker can't be reached"),
        (TimeoutError(), ServiceEnd.LOST, "no answer in time"),
        (BrokenOffError("serving was cancelled from within"), ServiceEnd.LOST, "serving was cancelled from within"),
    ],
)
def test_an_error_that_may_pass_ends_the_service_and_is_kept_as_trouble(
    error: Exception, end: ServiceEnd, trouble: str
) -> None:
    """The router opens the shard again, and says why it was closed."""
    shard = served()
    assert shard.ended_by(error) is end
    assert shard.trouble == trouble


def test_an_error_that_opening_again_can_not_mend_is_raised() -> None:
    """A defect, what a human has to mend, and a right that was withdrawn."""
    for error in (ValueError("defect"), SourceGoneError("cut"), TimersFailedError("frame 7")):
        with pytest.raises(type(error)):
            served().ended_by(error)
    lost = LedgerLostError("a commit failed")
    lost.__cause__ = TopicAuthorizationFailedError({"journal"})
    with pytest.raises(NotAllowedError, match="topic journal"):
        served().ended_by(lost)


def test_a_router_reports_its_shards_together() -> None:
    """Ready once all are restored; healthy while none has a fault; alive while none is stuck."""
    shards = {1: served(stopped="the engine fails"), 0: served(opening=True)}
    status = RouterStatus(NOW, 0.0, "broker:9092", "acme", shards, bus_found=True, is_member=True)
    assert (status.is_ready, status.is_alive) == (False, True)
    assert status.health == {1: "stopped for a human: the engine fails"}
    assert status.reason == "shard 0 is being restored; shard 1 stopped for a human: the engine fails"
    assert list(status.shards) == [0, 1]
    assert status.held_up == []
