"""R1: the engine knows no time but the frames', and every timer fires at its own moment in it."""

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from tests.unit.rules.story import Tell, event, pull, push


def test_the_clock_only_moves_forward(tell: Tell) -> None:
    """R1: a wall clock that is set back never lets a decision be stamped earlier than the one before it."""
    s = tell(pull())
    s.at(10).arrives("c1")
    s.at(4).arrives("c2")
    assert s.stamped() == ["10 chat-queued c2 q"]
    s.at(11).arrives("c3")
    assert s.stamped() == ["11 chat-queued c3 q"]


def test_the_clock_may_start_anywhere() -> None:
    """R1: also at the first moment of 1970, where recorded logs with relative times begin."""
    outcome = Engine(0).apply(Frame(0, 0, 0, [event("chat-arrival", chat_id="c1")]))
    assert outcome.decisions[0].at == "1970-01-01T00:00:00.000Z"


def test_limits_run_on_service_time_and_not_on_the_clock(tell: Tell) -> None:
    """R1: an offer does not expire while the router is not caught up, however late it is by the clock."""
    s = tell(push(offer_timeout=15))
    s.logs_in("a")
    s.arrives("c1")
    assert s.until(3600, run=0) == []
    assert s.until(3614.999) == []
    assert s.until(3615)[0] == "assignment-ended c1 a missed"


def test_a_timer_fires_at_its_own_moment_within_a_long_frame(tell: Tell) -> None:
    """R1: what a timer decides is stamped with the moment at which it was due, not with the frame's end."""
    s = tell(push(offer_timeout=15, max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.logs_in("b")
    s.until(40)
    assert s.stamped() == [
        "15 assignment-ended c1 a missed",
        "15 chat-requeued c1 q missed",
        "15 chat-requested a",
        "15 chat-assigned c1 b",
        "30 assignment-ended c1 b missed",
        "30 chat-requeued c1 q missed",
        "30 chat-requested b",
    ]


def test_a_timer_never_steps_the_clock_past_the_frame(tell: Tell) -> None:
    """R1: where more service time passed than the clock shows, decisions carry the frame's `at` at the latest."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    s.arrives("c1")
    s.until(10, run=60)
    assert s.stamped() == ["10 chat-closed c1 - queue-timed-out"]


def test_a_timer_never_steps_the_clock_back(tell: Tell) -> None:
    """R1: a frame whose `at` is behind lets its timers fire at the clock that there was."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    s.at(20).arrives("c1")
    s.until(5, run=60)
    assert s.stamped() == ["20 chat-closed c1 - queue-timed-out"]


def test_the_clock_steps_by_as_much_as_service_time(tell: Tell) -> None:
    """R1: where the clock moved further than service time, a timer is stamped by its distance from the frame before."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    s.arrives("c1")
    s.at(100, run=20).arrives("c2")
    assert s.stamped() == ["15 chat-closed c1 - queue-timed-out", "100 chat-queued c2 q"]


def test_events_come_after_the_timers_of_their_frame_in_their_own_order(tell: Tell) -> None:
    """R1: an accept in the frame that brings the expiry is too late; events of a frame are applied in order."""
    s = tell(push(offer_timeout=15, max_missed_offers=1))
    s.logs_in("a")
    s.arrives("c1")
    lines = s.at(15).frame(event("chat-accepted", chat_id="c1", agent_id="a"), event("chat-abandoned", chat_id="c1"))
    assert lines == [
        "assignment-ended c1 a missed",
        "chat-requeued c1 q missed",
        "agent-made-unavailable a missed-offers",
        "accept-rejected c1 a not-offered",
        "chat-closed c1 - abandoned",
    ]


def test_a_timer_is_due_when_service_time_reaches_it_and_not_before(tell: Tell) -> None:
    """R1: a limit of fifteen seconds is over after 15.000 s, not after 14.999 s."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    s.arrives("c1")
    assert s.until(14.999) == []
    assert s.until(15) == ["chat-closed c1 - queue-timed-out"]


def test_an_offer_expires_before_a_chat_overflows(tell: Tell) -> None:
    """R1: offer-expiry sorts before queue-overflow, so the agent set free still gets the chat that would move on."""
    s = tell(
        push(queues=["q"], max_sessions=1, offer_timeout=15),
        queues=[{"name": "q", "overflow_after": 15, "overflow_to": "r"}, "r"],
    )
    s.logs_in("a")
    s.arrives("c1", queue="r")
    s.transfers("c1", to_agent="a")
    s.arrives("c2", queue="q")
    assert s.until(15) == [
        "assignment-ended c1 a missed",
        "chat-requeued c1 r missed",
        "chat-assigned c2 a",
    ]


def test_a_chat_overflows_before_it_times_out(tell: Tell) -> None:
    """R1: queue-overflow sorts before queue-timeout, so a chat due for both is seen to do both."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 60, "overflow_after": 60, "overflow_to": "r"}, "r"])
    s.arrives("c1")
    assert s.until(60) == ["chat-requeued c1 r overflow", "chat-closed c1 - queue-timed-out"]


def test_a_chat_times_out_before_the_session_that_could_take_it_is_released(tell: Tell) -> None:
    """R1: queue-timeout sorts before wrap-up-limit."""
    s = tell(push(max_sessions=1, wrap_up_limit=60), queues=[{"name": "q", "max_wait": 60}])
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.concludes("c1")
    s.arrives("c2")
    assert s.until(60) == [
        "chat-closed c2 - queue-timed-out",
        "chat-closed c1 a concluded",
        "chat-requested a",
    ]


def test_a_session_is_released_before_its_agent_is_absent(tell: Tell) -> None:
    """R1: wrap-up-limit sorts before agent-absent, so the agent asks once more and is then passed by."""
    s = tell(push(max_sessions=1, wrap_up_limit=60), absent_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.concludes("c1")
    assert s.until(60) == ["chat-closed c1 a concluded", "chat-requested a"]
    assert s.agent("a")["status"] == "absent"


def test_an_agent_is_absent_before_it_is_lost(tell: Tell) -> None:
    """R1: agent-absent sorts before agent-lost."""
    s = tell(push(), absent_after=60, lost_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(59).arrives("c2")
    assert s.until(60) == [
        "assignment-ended c2 a agent-absent",
        "chat-requeued c2 q agent-absent",
        "chat-requeued c1 q agent-lost",
    ]


def test_timers_of_one_kind_fire_in_order_of_their_ids_by_code_point(tell: Tell) -> None:
    """R1: the order of chats that time out together is that of their ids, capitals first and accents last."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    for chat_id in ("é", "a", "Z", "c10", "c9"):
        s.arrives(chat_id)
    assert s.until(15) == [f"chat-closed {chat_id} - queue-timed-out" for chat_id in ("Z", "a", "c10", "c9", "é")]


def test_timers_fire_in_order_of_their_due_times_whatever_their_kinds(tell: Tell) -> None:
    """R1: what is due earlier happens earlier, though it sorts later by kind."""
    s = tell(push(max_sessions=1, offer_timeout=20), queues=[{"name": "q", "max_wait": 10}])
    s.logs_in("a")
    s.arrives("c1")
    s.arrives("c2")
    s.until(60)
    assert s.stamped()[:3] == [
        "10 chat-closed c2 - queue-timed-out",
        "20 assignment-ended c1 a missed",
        "20 chat-requeued c1 q missed",
    ]


def test_pools_have_their_timers_one_after_the_other_in_order_of_their_ids(tell: Tell) -> None:
    """R1: all of pool `B`'s timers of a frame come before those of pool `a`, each stamped with its own moment."""
    s = tell(configured=False)
    for pool, wait in (("a", 10), ("B", 20)):
        queues = [{"name": "q", "max_wait": wait}]
        s.says("pool-configured", pool, config={"queues": queues, "profiles": [pull()]})
        s.says("chat-arrival", pool, chat_id=f"of-{pool}")
    s.until(30)
    assert s.stamped() == ["20 chat-closed of-B - queue-timed-out", "10 chat-closed of-a - queue-timed-out"]


def test_an_empty_frame_lets_time_pass(tell: Tell) -> None:
    """R1: time is what the frames say; many short ones and a long one come to the same."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 3}])
    s.arrives("c1")
    assert [s.until(second) for second in (1, 2, 3, 4)] == [[], [], ["chat-closed c1 - queue-timed-out"], []]


def test_the_engine_says_when_a_timer_may_be_due(tell: Tell) -> None:
    """R1: whoever makes the frames can see how much service time may pass before something happens by itself."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 15}])
    assert s.engine.next_due() is None
    s.arrives("c1")
    assert s.engine.next_due() == 15_000


@pytest.mark.parametrize("stride", [0.1, 1, 7])
def test_how_time_is_cut_into_frames_makes_no_difference(tell: Tell, stride: float) -> None:
    """R1: a minute cut into short frames has the decisions, at the moments, of the same minute in one."""

    def minute(step: float) -> list[str]:
        s = tell(push(offer_timeout=15, max_sessions=1), queues=[{"name": "q", "max_wait": 50}])
        s.logs_in("a")
        s.logs_in("b")
        s.arrives("c1")
        s.arrives("c2")
        told, now = [], 0.0
        while now < 60:
            now = min(60, now + step)
            s.until(now)
            told += s.stamped()
        return told

    assert len(minute(60)) > 10
    assert minute(stride) == minute(60)
