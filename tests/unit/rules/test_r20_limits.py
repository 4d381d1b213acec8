"""R20: limits follow the new configuration at the moment they are needed; only offers made keep their expiry."""

from typing import Any

import pytest

from tests.unit.rules.story import Tell, event, pull, push


@pytest.mark.parametrize(("before", "after", "expiry"), [(15, 60, 15), (60, 15, 60)])
def test_offers_already_made_keep_their_expiry(tell: Tell, before: int, after: int, expiry: int) -> None:
    """R20: the agent was told when the offer ends; only the next one has the new time."""
    s = tell(push(offer_timeout=before))
    s.logs_in("a")
    s.arrives("c1")
    s.at(10).configures(push(offer_timeout=after))
    assert s.until(expiry - 0.001) == []
    assert s.until(expiry)[0] == "assignment-ended c1 a missed"


def test_the_kind_of_expiry_is_the_new_one(tell: Tell) -> None:
    """R20: whether an expiry declines or accepts is looked up when it happens."""
    s = tell(push(offer_timeout=15))
    s.logs_in("a")
    s.arrives("c1")
    s.configures(push(offer_timeout=15, auto_decline=False))
    assert s.until(15)[0] == "assignment-confirmed c1 a automatic"


def test_declining_may_be_forbidden_while_an_offer_stands(tell: Tell) -> None:
    """R20: whether a decline is allowed is looked up when it comes."""
    s = tell(push())
    s.logs_in("a")
    s.arrives("c1")
    s.configures(push(allow_decline=False))
    assert s.declines("a", "c1") == ["decline-rejected c1 a not-allowed"]


def test_wrap_up_may_be_dropped_while_a_chat_is_going_on(tell: Tell) -> None:
    """R20: whether a conclusion wraps up is looked up when it comes."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.configures(pull(wrap_up=False))
    assert s.concludes("c1") == ["chat-closed c1 a concluded"]


@pytest.mark.parametrize(("before", "after"), [(600, 60), (30, 60), (0, 60)])
def test_a_delay_follows_the_new_configuration(tell: Tell, before: int, after: int) -> None:
    """R20: shorter, longer or new, it counts from the same last offer."""
    s = tell(push(delay_between_chats=before))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(20).configures(push(delay_between_chats=after))
    assert s.arrives("c2") == ["chat-queued c2 q"]
    assert s.until(after - 0.001) == []
    assert s.until(after) == ["chat-assigned c2 a"]


@pytest.mark.parametrize(("before", "after"), [(600, 60), (30, 60), (25, 60)])
def test_the_pause_before_a_reoffer_follows_the_new_configuration(tell: Tell, before: int, after: int) -> None:
    """R20: it counts from the same decline."""
    s = tell(push(reoffer_after=before))
    s.logs_in("a")
    s.arrives("c1")
    s.declines("a", "c1")
    assert s.at(20).configures(push(reoffer_after=after)) == []
    assert s.until(after - 0.001) == []
    assert s.until(after) == ["chat-assigned c1 a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [({"delay_between_chats": 600}, {"delay_between_chats": 10}), ({"reoffer_after": 600}, {"reoffer_after": 10})],
    ids=["delay", "reoffer"],
)
def test_a_limit_that_the_new_configuration_finds_passed_is_over_at_once(
    tell: Tell, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """R20, R5: these limits need no timer to be over; the chat is offered in the very settle."""
    s = tell(push(**before))
    s.logs_in("a")
    s.arrives("c1")
    s.declines("a", "c1")
    if "delay_between_chats" in before:
        s.arrives("c2")
    assert s.at(100).configures(push(**after))[0].startswith("chat-assigned")


@pytest.mark.parametrize(("before", "after"), [(1800, 60), (30, 60), (0, 60)])
def test_a_wait_limit_follows_the_new_configuration(tell: Tell, before: int, after: int) -> None:
    """R20: it counts from the same entry."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": before}])
    s.arrives("c1")
    s.at(20).configures(pull(), queues=[{"name": "q", "max_wait": after}])
    assert s.until(after - 0.001) == []
    assert s.until(after) == ["chat-closed c1 - queue-timed-out"]


@pytest.mark.parametrize(("before", "after"), [(600, 60), (30, 60), (0, 60)])
def test_an_overflow_follows_the_new_configuration(tell: Tell, before: int, after: int) -> None:
    """R20: it counts from the same entry, and goes where it says now."""
    s = tell(pull(), queues=[{"name": "q", "overflow_after": before, "overflow_to": "r"}, "r", "s"])
    s.arrives("c1")
    s.at(20).configures(pull(), queues=[{"name": "q", "overflow_after": after, "overflow_to": "s"}, "r", "s"])
    assert s.until(after - 0.001) == []
    assert s.until(after) == ["chat-requeued c1 s overflow"]


@pytest.mark.parametrize(("before", "after"), [(600, 60), (30, 60), (0, 60)])
@pytest.mark.parametrize("how", ["configuration", "login with another profile"])
def test_a_wrap_up_limit_follows_what_holds_now(tell: Tell, how: str, before: int, after: int) -> None:
    """R20: so too after a login with another profile."""
    s = tell(pull("first", wrap_up_limit=before), pull("second", wrap_up_limit=after))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.concludes("c1")
    if how == "configuration":
        s.at(20).configures(pull("first", wrap_up_limit=after))
    else:
        s.at(20).logs_in("a", profile="second")
    assert s.until(after - 0.001) == []
    assert s.until(after) == ["chat-closed c1 a concluded"]


@pytest.mark.parametrize(("before", "after"), [(600, 60), (25, 60), (60, 10)])
def test_a_login_with_another_profile_changes_delay_and_pause(tell: Tell, before: int, after: int) -> None:
    """R20: limits are looked up when they are needed, in the profile that the agent has then."""
    limits = [{"delay_between_chats": seconds, "reoffer_after": seconds} for seconds in (before, after)]
    s = tell(push("first", **limits[0]), push("second", **limits[1]))
    s.logs_in("a", profile="first")
    s.arrives("c1")
    s.declines("a", "c1")
    now = s.at(20).logs_in("a", profile="second")
    if after < 20:
        assert now == ["chat-assigned c1 a"]
    else:
        assert now == []
        assert s.until(after - 0.001) == []
        assert s.until(after) == ["chat-assigned c1 a"]


def test_a_timer_made_overdue_fires_with_the_next_frame_even_of_no_run(tell: Tell) -> None:
    """R20: not in the configuration's own frame, and at the clock that it is then."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 1800}])
    s.arrives("c1")
    assert s.at(100).configures(pull(), queues=[{"name": "q", "max_wait": 10}]) == []
    due = s.engine.next_due()
    assert due is not None
    assert due <= 100_000
    s.until(101, run=0)
    assert s.stamped() == ["100 chat-closed c1 - queue-timed-out"]


def test_timers_made_overdue_fire_in_order_of_their_new_due_times(tell: Tell) -> None:
    """R20: as they would have, had the limit always been the new one."""
    s = tell(pull(wrap_up_limit=0), queues=["q"])
    s.at(10).arrives("c1")
    s.asks("a")
    s.accepts("a", "c1")
    s.concludes("c1")
    s.at(20).arrives("c3")
    s.at(30).arrives("c2")
    s.at(100).configures(pull(wrap_up_limit=25), queues=[{"name": "q", "max_wait": 10}])
    s.until(100)
    assert s.stamped() == [
        "100 chat-closed c3 - queue-timed-out",
        "100 chat-closed c1 a concluded",
        "100 chat-closed c2 - queue-timed-out",
    ]


def test_a_timer_made_overdue_by_a_login_fires_with_the_next_frame(tell: Tell) -> None:
    """R20: so too after a login with another profile."""
    s = tell(pull("first"), pull("second", wrap_up_limit=10))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.concludes("c1")
    assert s.at(100).logs_in("a", profile="second") == []
    assert s.until(100) == ["chat-closed c1 a concluded"]


def test_an_overdue_timer_that_a_second_configuration_puts_off_does_not_fire(tell: Tell) -> None:
    """R20: what counts is the configuration at the moment of the firing."""
    s = tell(pull())
    s.arrives("c1")
    short, long = ({"name": "q", "max_wait": seconds} for seconds in (10, 200))
    queues = [{"queues": [queue], "profiles": [pull()]} for queue in (short, long)]
    s.at(100).frame(*[event("pool-configured", config=config) for config in queues])
    assert s.until(199.999) == []
    assert s.until(200) == ["chat-closed c1 - queue-timed-out"]


def test_starvation_follows_the_new_configuration(tell: Tell) -> None:
    """R20: policy and starvation limit are looked up at each match."""
    s = tell(pull(pull_policy="strict-priority"), queues=["q", "r"])
    s.arrives("c2", queue="r")
    s.at(50).arrives("c1", queue="q")
    s.configures(pull(pull_policy="strict-priority", starvation_limit=40), queues=["q", "r"])
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_silence_counts_from_the_latest_configuration(tell: Tell) -> None:
    """R20: turning the watch on makes nobody absent for the silence before, when signs were not asked for."""
    s = tell(pull(), lost_after=0)
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(100).configures(pull(), lost_after=60)
    assert s.until(159.999) == []
    s.configures(pull(), lost_after=60)
    assert s.until(219.998) == []
    assert s.until(219.999) == ["chat-requeued c1 q agent-lost"]


def test_the_watch_may_be_turned_off(tell: Tell) -> None:
    """R20: then silence has no effect; who is absent by silence still comes back with a sign."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.until(60)
    s.at(61).logs_in("b")
    s.configures(push())
    s.until(600)
    assert [s.agent(agent_id)["status"] for agent_id in "ab"] == ["absent", "available"]
    assert s.says("agent-heartbeat", agent_id="a") == ["chat-requested a"]
