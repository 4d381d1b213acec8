"""R3: what follows from an event follows at once: overdue queue timers, then push follow-ups, then matching."""

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from tests.unit.rules.story import Tell, config, event, moment, pull, push


def test_the_follow_up_comes_before_the_matching(tell: Tell) -> None:
    """R3: an agent who declines asks again before the chat goes to the next one."""
    s = tell()
    s.logs_in("a")
    s.arrives("c1")
    s.logs_in("b")
    assert s.declines("a", "c1") == [
        "assignment-ended c1 a declined",
        "chat-requeued c1 q declined",
        "chat-requested a",
        "chat-assigned c1 b",
    ]


def test_every_event_is_settled_before_the_next_one_of_its_frame(tell: Tell) -> None:
    """R3: the agent gets the chat that was there when it asked, not an older one that the same frame brings after."""
    s = tell()
    lines = s.at(60).frame(
        event("agent-logged-in", agent_id="a"),
        event("chat-arrival", chat_id="c1"),
        event("chat-arrival", chat_id="c0", arrived_at=moment(1)),
        event("chat-accepted", chat_id="c1", agent_id="a"),
    )
    assert lines == [
        "chat-requested a",
        "chat-queued c1 q",
        "chat-assigned c1 a",
        "chat-queued c0 q",
        "assignment-confirmed c1 a",
        "chat-requested a",
        "chat-assigned c0 a",
    ]


def test_settling_goes_on_until_nothing_changes(tell: Tell) -> None:
    """R3: one event can make many requests and many offers; all are made in its settle."""
    s = tell(pull())
    for agent_id in ("b", "a"):
        s.logs_in(agent_id)
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id)
    lines = s.configures(push("pull"))
    assert lines[:2] == ["chat-requested a", "chat-requested b"]
    assert sorted(said.split()[0] for said in lines[2:]) == ["chat-assigned"] * 2


@pytest.mark.parametrize("ending", ["miss", "decline", "logout"])
def test_a_chat_whose_limit_ran_out_while_it_was_offered_is_closed_once_the_offer_ends(tell: Tell, ending: str) -> None:
    """R3: it is not offered once more, though another agent is asking: the queue timer comes before the matching."""
    s = tell(push(offer_timeout=15), queues=[{"name": "q", "max_wait": 10}])
    s.logs_in("a")
    s.arrives("c1")
    s.logs_in("b")
    assert s.until(12) == []
    if ending == "miss":
        lines = s.until(15)
    elif ending == "decline":
        lines = s.declines("a", "c1")
    else:
        lines = s.says("agent-logged-out", agent_id="a")
    assert [said.split()[0] for said in lines[:3]] == ["assignment-ended", "chat-requeued", "chat-closed"]
    assert lines[2] == "chat-closed c1 - queue-timed-out"
    assert lines[3:] == ([] if ending == "logout" else ["chat-requested a"])


def test_a_chat_whose_overflow_ran_out_while_it_was_offered_moves_and_is_matched_there(tell: Tell) -> None:
    """R3: the overflow happens as soon as the offer has ended, and then the other queue's agent gets the chat."""
    s = tell(
        push("first", queues=["q"]),
        push("second", queues=["r"]),
        queues=[{"name": "q", "overflow_after": 5, "overflow_to": "r"}, "r"],
    )
    s.logs_in("a")
    s.logs_in("b", profile="second")
    s.arrives("c1")
    s.at(6).declines("a", "c1")
    assert s.stamped() == [
        "6 assignment-ended c1 a declined",
        "6 chat-requeued c1 q declined",
        "6 chat-requeued c1 r overflow",
        "6 chat-requested a",
        "6 chat-assigned c1 b",
    ]


def test_overdue_queue_timers_fire_in_order_of_due_time_kind_and_id(tell: Tell) -> None:
    """R3: where several offers end together, their chats' timers come after all endings, as they would have fired."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 10, "overflow_after": 5, "overflow_to": "r"}, "r"])
    s.logs_in("a")
    for second, chat_id in ((0, "c3"), (1, "c2"), (1, "c1")):
        s.at(second).arrives(chat_id)
        s.transfers(chat_id, to_agent="a")
    assert s.at(14).turns("a", "unavailable") == [
        "assignment-ended c3 a agent-unavailable",
        "chat-requeued c3 q agent-unavailable",
        "assignment-ended c2 a agent-unavailable",
        "chat-requeued c2 q agent-unavailable",
        "assignment-ended c1 a agent-unavailable",
        "chat-requeued c1 q agent-unavailable",
        "chat-requeued c3 r overflow",
        "chat-requeued c1 r overflow",
        "chat-requeued c2 r overflow",
        "chat-closed c3 - queue-timed-out",
        "chat-closed c1 - queue-timed-out",
        "chat-closed c2 - queue-timed-out",
    ]


def test_a_timer_is_settled_before_the_next_timer_of_its_moment(tell: Tell) -> None:
    """R3: a chat given back by one expiry is offered on before the next expiry of the same moment."""
    s = tell(push(offer_timeout=15, max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.logs_in("b")
    s.arrives("c2")
    s.logs_in("c")
    assert s.until(15) == [
        "assignment-ended c1 a missed",
        "chat-requeued c1 q missed",
        "chat-requested a",
        "chat-assigned c1 c",
        "assignment-ended c2 b missed",
        "chat-requeued c2 q missed",
        "chat-requested b",
        "chat-assigned c2 a",
    ]


def test_a_pool_does_not_settle_what_another_pool_left_when_the_engine_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of a frame are used again for any pool."""
    engine = Engine(0)
    engine.apply(Frame(0, 0, 0, [event("pool-configured", pool, config=config(push())) for pool in ("a", "b")]))
    with monkeypatch.context() as patched:
        patched.setattr("switchboard.domain.engine.settle", lambda _pool, _step: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            engine.apply(Frame(1, 0, 0, [event("agent-logged-in", "a", agent_id="ana")]))
    outcome = engine.apply(Frame(2, 0, 0, [event("chat-arrival", "b", chat_id="c")]))
    assert [decision.type for decision in outcome.decisions] == ["chat-queued"]
    assert [row.key for row in engine.changed_rows()] == ["b/c", "clock"]
