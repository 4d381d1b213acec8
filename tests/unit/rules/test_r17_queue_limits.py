"""R17: how long a chat may wait in a queue, and where it goes then."""

import pytest

from tests.unit.rules.story import Tell, moment, pull, push


def test_a_chat_that_waits_too_long_is_closed(tell: Tell) -> None:
    """R17: `max_wait` after it entered the queue."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 60}])
    s.at(5).arrives("c1", arrived_at=moment(-600))
    assert s.until(64.999) == []
    assert s.until(65) == ["chat-closed c1 - queue-timed-out"]


def test_a_queue_may_have_no_limit(tell: Tell) -> None:
    """R17, defaults: `max_wait` of 0 is none."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 0}])
    s.arrives("c1")
    assert s.until(86_400) == []


def test_a_chat_overflows_into_another_queue(tell: Tell) -> None:
    """R17: after `overflow_after` it waits there and is offered there at once, keeping its arrival."""
    s = tell(pull(queues=["r"]), queues=[{"name": "q", "overflow_after": 20, "overflow_to": "r"}, "r"])
    s.arrives("c1", queue="q")
    s.asks("a")
    assert s.until(19.999) == []
    assert s.until(20) == ["chat-requeued c1 r overflow", "chat-assigned c1 a"]
    assert s.offer("c1").arrived_at == moment(0)


@pytest.mark.parametrize(
    "limits",
    [{"overflow_after": 20}, {"overflow_to": "r"}, {"overflow_after": 0, "overflow_to": "r"}],
    ids=["nowhere to go", "never", "0 is never"],
)
def test_overflow_needs_both_a_time_and_a_queue(tell: Tell, limits: dict[str, object]) -> None:
    """R17, defaults: 0 is none."""
    s = tell(pull(), queues=[{"name": "q", **limits}, "r"])
    s.arrives("c1", queue="q")
    assert s.until(600) == []


def test_a_chat_overflows_once_an_entry(tell: Tell) -> None:
    """R17: the next queue's own overflow does not send it on, nor back."""
    ring = [
        {"name": "q", "overflow_after": 20, "overflow_to": "r"},
        {"name": "r", "overflow_after": 5, "overflow_to": "q"},
    ]
    s = tell(pull(), queues=ring)
    s.arrives("c1", queue="q")
    assert s.until(20) == ["chat-requeued c1 r overflow"]
    assert s.until(600) == []


def test_a_transfer_is_a_new_entry_with_an_overflow_of_its_own(tell: Tell) -> None:
    """R17: a chat sent back to the queue that it overflowed from overflows once more."""
    s = tell(pull(), queues=[{"name": "q", "overflow_after": 20, "overflow_to": "r"}, "r"])
    s.arrives("c1", queue="q")
    s.until(20)
    s.at(30).transfers("c1", to_queue="q")
    assert s.until(49.999) == []
    assert s.until(50) == ["chat-requeued c1 r overflow"]


@pytest.mark.parametrize("other", [10, 0, 3600])
def test_the_wait_limit_stays_that_of_the_queue_it_entered(tell: Tell, other: int) -> None:
    """R17: overflow neither shortens nor lengthens the wait; the other queue's limit is for those who entered it."""
    s = tell(
        pull(),
        queues=[
            {"name": "q", "max_wait": 60, "overflow_after": 20, "overflow_to": "r"},
            {"name": "r", "max_wait": other},
        ],
    )
    s.arrives("c1", queue="q")
    s.until(20)
    assert s.until(59.999) == []
    assert s.until(60) == ["chat-closed c1 - queue-timed-out"]


def test_once_the_entered_queue_is_gone_the_default_queues_limit_holds(tell: Tell) -> None:
    """R17: an overflowed chat stays where it is, under the default queue's limit, counted from its entry."""
    queues = [
        {"name": "d", "max_wait": 40},
        {"name": "q", "max_wait": 60, "overflow_after": 20, "overflow_to": "r"},
        "r",
    ]
    s = tell(pull(), queues=queues)
    s.arrives("c1", queue="q")
    s.until(20)
    assert s.at(30).configures(pull(), queues=[{"name": "d", "max_wait": 40}, "r"]) == []
    assert s.until(39.999) == []
    assert s.until(40) == ["chat-closed c1 - queue-timed-out"]


def test_an_offer_that_ended_does_not_start_the_limits_anew(tell: Tell) -> None:
    """R17: the customer has been waiting all the while."""
    s = tell(
        pull(offer_timeout=15), queues=[{"name": "q", "max_wait": 60, "overflow_after": 40, "overflow_to": "r"}, "r"]
    )
    s.arrives("c1")
    s.at(5).asks("a")
    assert s.until(20)[0] == "assignment-ended c1 a missed"
    assert s.until(40) == ["chat-requeued c1 r overflow"]
    assert s.until(60) == ["chat-closed c1 - queue-timed-out"]


def test_an_offered_chat_is_left_alone(tell: Tell) -> None:
    """R17: while the offer stands no queue limit acts; accepted, the chat goes on."""
    s = tell(
        pull(offer_timeout=60), queues=[{"name": "q", "max_wait": 30, "overflow_after": 20, "overflow_to": "r"}, "r"]
    )
    s.asks("a")
    s.arrives("c1")
    assert s.until(45) == []
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]


@pytest.mark.parametrize("stage", ["active", "wrapping"])
def test_a_chat_that_an_agent_has_is_left_alone(tell: Tell, stage: str) -> None:
    """R17: the limits are for waiting."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 30, "overflow_after": 20, "overflow_to": "r"}, "r"])
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    assert s.until(600) == []


def test_a_chat_that_comes_back_from_an_active_session_enters_its_queue_anew(tell: Tell) -> None:
    """R17: its agent was lost after a long talk; the customer gets the whole wait again, overflow included."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 60, "overflow_after": 20, "overflow_to": "r"}, "r"])
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(500).says("agent-lost", agent_id="a")
    assert s.until(519.999) == []
    assert s.until(520) == ["chat-requeued c1 r overflow"]
    assert s.until(560) == ["chat-closed c1 - queue-timed-out"]


def test_a_chat_that_comes_back_enters_the_queue_that_it_is_in(tell: Tell) -> None:
    """R17: after an overflow that is the other queue, whose own limits then hold."""
    s = tell(
        pull(queues=["r"]),
        queues=[{"name": "q", "overflow_after": 20, "overflow_to": "r"}, {"name": "r", "max_wait": 30}],
    )
    s.asks("a")
    s.arrives("c1", queue="q")
    s.until(20)
    s.accepts("a", "c1")
    s.at(100).says("agent-lost", agent_id="a")
    assert s.until(129.999) == []
    assert s.until(130) == ["chat-closed c1 - queue-timed-out"]


def test_a_limit_that_ran_out_during_an_accepted_offer_has_no_effect_later(tell: Tell) -> None:
    """R17: the entry ended with the accept."""
    s = tell(push(offer_timeout=60), queues=[{"name": "q", "max_wait": 30}])
    s.logs_in("a")
    s.arrives("c1")
    s.at(40).accepts("a", "c1")
    assert s.at(41).says("agent-logged-out", agent_id="a") == ["chat-requeued c1 q agent-logged-out"]
    assert s.until(70.999) == []
    assert s.until(71) == ["chat-closed c1 - queue-timed-out"]
