"""R8: which of the waiting chats an agent gets."""

import pytest

from tests.unit.rules.story import Tell, moment, pull

QUEUES = ("q1", "q2", "q3")


def test_first_due_takes_the_longest_waiting_chat_of_all_queues(tell: Tell) -> None:
    """R8: the ranking of the queues has no effect on first-due."""
    s = tell(pull(queues=["q1", "q2", "q3"]), queues=QUEUES)
    for second, queue in enumerate(("q3", "q1", "q2")):
        s.at(second).arrives(f"in-{queue}", queue=queue)
    assert [s.asks("a")[0] for _ in range(3)] == [f"chat-assigned in-{queue} a" for queue in ("q3", "q1", "q2")]


def test_strict_priority_takes_the_best_ranked_queue_first(tell: Tell) -> None:
    """R8: a chat of the best-ranked queue that holds one, however long the others wait."""
    s = tell(pull(queues=["q2", "q3", "q1"], pull_policy="strict-priority"), queues=QUEUES)
    for second, queue in enumerate(("q1", "q3", "q2")):
        s.at(second).arrives(f"in-{queue}", queue=queue)
    assert [s.asks("a")[0] for _ in range(3)] == [f"chat-assigned in-{queue} a" for queue in ("q2", "q3", "q1")]


def test_strict_priority_takes_the_first_of_that_queue(tell: Tell) -> None:
    """R8: within the best-ranked queue the waiting order holds."""
    s = tell(pull(pull_policy="strict-priority"), queues=QUEUES)
    s.arrives("c0", queue="q2")
    s.at(10).arrives("c2", queue="q1")
    s.at(11).arrives("c1", queue="q1", arrived_at=moment(9))
    assert s.asks("a") == ["chat-assigned c1 a"]


def test_strict_priority_passes_on_to_the_best_queue_with_a_chat_that_the_agent_may_take(tell: Tell) -> None:
    """R8: a chat that the agent has just declined does not hold it at its queue."""
    s = tell(pull(pull_policy="strict-priority"), queues=QUEUES)
    s.arrives("in-q3", queue="q3")
    s.arrives("in-q1", queue="q1")
    s.asks("a")
    s.declines("a", "in-q1")
    assert s.asks("a") == ["chat-assigned in-q3 a"]


def test_the_ranking_is_that_of_the_profile(tell: Tell) -> None:
    """R8: two teams can serve the same queues in opposite order; without a list it is the configuration's order."""
    one = pull("one", pull_policy="strict-priority", queues=["q3", "q1"])
    s = tell(one, pull("two", pull_policy="strict-priority"), queues=QUEUES)
    for queue in ("q1", "q2", "q3"):
        s.arrives(f"in-{queue}", queue=queue)
    s.logs_in("a", profile="one")
    s.logs_in("b", profile="two")
    assert s.asks("a") == ["chat-assigned in-q3 a"]
    assert s.asks("b") == ["chat-assigned in-q1 b"]


@pytest.mark.parametrize(("waited", "served"), [(59.999, "in-q1"), (60, "in-q2")])
def test_a_starving_chat_comes_before_all_others(tell: Tell, waited: float, served: str) -> None:
    """R8: from `starvation_limit` on, the queue's rank no longer keeps a chat back."""
    s = tell(pull(pull_policy="strict-priority", starvation_limit=60), queues=QUEUES)
    s.arrives("in-q2", queue="q2")
    s.at(1).arrives("in-q1", queue="q1")
    assert s.at(waited).asks("a") == [f"chat-assigned {served} a"]


def test_starving_chats_are_taken_in_waiting_order(tell: Tell) -> None:
    """R8: among those who starve the oldest is first, whatever its queue's rank; then the ranking holds again."""
    s = tell(pull(pull_policy="strict-priority", starvation_limit=60, max_sessions=9), queues=QUEUES)
    for second, queue in ((0, "q3"), (1, "q1"), (2, "q2"), (30, "q2"), (31, "q1")):
        s.at(second).arrives(f"{queue}-at-{second}", queue=queue)
    s.at(62)
    served = [s.asks("a")[0].split()[1] for _ in range(5)]
    assert served == ["q3-at-0", "q1-at-1", "q2-at-2", "q1-at-31", "q2-at-30"]


def test_starvation_is_measured_by_the_clock_from_the_arrival(tell: Tell) -> None:
    """R8, R1: the customer waits also while the router does not: an arrival of long ago starves at once."""
    s = tell(pull(pull_policy="strict-priority", starvation_limit=60), queues=QUEUES)
    s.at(100).arrives("in-q1", queue="q1")
    s.arrives("in-q2", queue="q2", arrived_at=moment(50))
    assert s.at(110, run=0).asks("a") == ["chat-assigned in-q2 a"]


def test_a_starving_chat_that_the_agent_passed_over_is_stepped_over(tell: Tell) -> None:
    """R8, R5: of the starving chats, too, an agent gets only one that it may take."""
    s = tell(pull(pull_policy="strict-priority", starvation_limit=60), queues=QUEUES)
    s.arrives("c1", queue="q2")
    s.at(1).arrives("c2", queue="q2")
    s.at(2).arrives("c3", queue="q1")
    s.at(61).asks("a")
    s.declines("a", "c1")
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_a_starving_chat_of_a_queue_that_the_profile_does_not_serve_has_no_effect(tell: Tell) -> None:
    """R8, R5: starving makes a chat first, not anybody's."""
    s = tell(pull(pull_policy="strict-priority", starvation_limit=60, queues=["q1", "q2"]), queues=QUEUES)
    s.arrives("c1", queue="q3")
    s.at(100).arrives("c2", queue="q2")
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_each_offer_looks_anew(tell: Tell) -> None:
    """R8: a younger chat of a better queue that came meanwhile is served next."""
    s = tell(pull(pull_policy="strict-priority"), queues=QUEUES)
    s.arrives("c1", queue="q2")
    s.arrives("c2", queue="q2")
    assert s.asks("a") == ["chat-assigned c1 a"]
    s.arrives("c3", queue="q1")
    assert s.asks("a") == ["chat-assigned c3 a"]
