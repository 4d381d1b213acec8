"""R20: a pool is configured anew while it works: who is there feels it at once, and nothing is lost."""

from typing import Any

import pytest

from tests.unit.rules.story import Tell, event, moment, pull, push


def test_a_pool_that_was_never_configured_works(tell: Tell) -> None:
    """R20, defaults: one queue and one profile, both `default`, without wrap-up: four event types are enough."""
    s = tell(configured=False)
    assert s.arrives("c1", queue="sales") == ["chat-queued c1 default"]
    assert s.asks("a") == ["chat-assigned c1 a"]
    assert s.offer("c1").profile == "default"
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a", "chat-requested a"]
    assert s.concludes("c1") == ["chat-closed c1 a concluded"]


def test_the_first_configuration_takes_over_what_is_there(tell: Tell) -> None:
    """R20: chats of the queue `default` move, agents of the profile `default` take the new default one."""
    s = tell(configured=False)
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    s.accepts("a", "c2")
    s.arrives("c3")
    s.turns("a", "unavailable")
    assert s.configures(pull("desk"), queues=["sales"]) == ["chat-requeued c3 sales queue-removed"]
    assert s.agent("a")["profile"] == "desk"
    assert s.concludes("c1") == ["chat-wrapping c1 a"]


def test_a_new_queue_can_be_used_from_there_on(tell: Tell) -> None:
    """R20: an arrival before the configuration went to the default queue and stays there."""
    s = tell(pull(), queues=["q"])
    s.arrives("c1", queue="r")
    assert s.configures(pull(), queues=["q", "r"]) == []
    assert s.arrives("c2", queue="r") == ["chat-queued c2 r"]


def test_it_reaches_agents_who_are_logged_in(tell: Tell) -> None:
    """R20: more sessions, at once a request."""
    s = tell(push(max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    assert s.configures(push(max_sessions=2)) == ["chat-requested a"]


def test_the_agents_own_overrides_stay(tell: Tell) -> None:
    """R20: what a login or a capacity change set for itself is not the profile's."""
    s = tell(push())
    s.logs_in("a", mode="pull")
    s.logs_in("b", mode="pull")
    s.says("agent-capacity-changed", agent_id="b", max_sessions=7)
    assert s.configures(push(max_sessions=9)) == []
    assert [(s.agent(agent_id)["mode"], s.agent(agent_id)["max_sessions"]) for agent_id in "ab"] == [
        ("pull", 9),
        ("pull", 7),
    ]


def test_an_agent_whose_profile_is_gone_takes_the_default_one(tell: Tell) -> None:
    """R20: and keeps it, should the old one come again."""
    s = tell(pull("first"), pull("second"))
    s.logs_in("a", profile="second")
    s.configures(pull("first"), pull("third"), default_profile="third")
    assert s.agent("a")["profile"] == "third"
    s.configures(pull("first"), pull("second"), pull("third"))
    assert s.agent("a")["profile"] == "third"


def test_waiting_chats_of_a_queue_that_is_gone_wait_in_the_default_one(tell: Tell) -> None:
    """R20: told in waiting order, keeping their arrival; those of other queues are not touched."""
    s = tell(pull(), queues=["d", "q", "r"])
    s.at(2).arrives("c2", queue="q")
    s.at(3).arrives("c4", queue="d")
    s.at(4).arrives("c1", queue="r", arrived_at=moment(1))
    s.at(5).arrives("c3", queue="r")
    assert s.configures(pull(), queues=["d"]) == [
        "chat-requeued c1 d queue-removed",
        "chat-requeued c2 d queue-removed",
        "chat-requeued c3 d queue-removed",
    ]
    assert [s.asks("a", request_id=str(turn))[0] for turn in range(3)] == [
        f"chat-assigned {chat_id} a" for chat_id in ("c1", "c2", "c4")
    ]


def test_chats_with_agents_belong_to_the_default_queue_as_well(tell: Tell) -> None:
    """R20: quietly, while they are offered or active; when they come back they wait there."""
    s = tell(pull(), queues=["d", "q"])
    for chat_id in ("c1", "c2"):
        s.asks("a")
        s.arrives(chat_id, queue="q")
    s.accepts("a", "c1")
    assert s.configures(pull(), queues=["d"]) == []
    assert s.declines("a", "c2") == ["assignment-ended c2 a declined", "chat-requeued c2 d declined"]
    assert s.says("agent-lost", agent_id="a") == ["chat-requeued c1 d agent-lost"]


def test_a_chat_offered_in_the_queue_that_it_overflowed_into_moves_when_that_is_gone(tell: Tell) -> None:
    """R20, R17: it comes back into the default queue; its wait limit is still that of the queue it entered."""
    limited = {"name": "q", "max_wait": 60, "overflow_after": 10, "overflow_to": "r"}
    s = tell(pull(queues=["r"]), queues=["d", limited, "r"])
    s.asks("a")
    s.arrives("c1", queue="q")
    assert s.until(10) == ["chat-requeued c1 r overflow", "chat-assigned c1 a"]
    assert s.configures(pull(queues=["d"]), queues=["d", limited]) == []
    assert s.declines("a", "c1") == ["assignment-ended c1 a declined", "chat-requeued c1 d declined"]
    assert s.until(59.999) == []
    assert s.until(60) == ["chat-closed c1 - queue-timed-out"]


def test_a_queue_that_comes_again_does_not_get_its_chats_back(tell: Tell) -> None:
    """R20: they belong to the default queue now."""
    s = tell(pull(queues=["d"]), queues=["d", "q"])
    s.arrives("c1", queue="q")
    s.configures(pull(queues=["d"]), queues=["d"])
    s.configures(pull(queues=["d"]), queues=["d", "q"])
    assert s.asks("a") == ["chat-assigned c1 a"]


def test_a_chat_that_moved_is_matched_at_once(tell: Tell) -> None:
    """R20, R3: moving first, then follow-ups, then matching."""
    s = tell(push(queues=["d"], max_sessions=1), queues=["d", "q"])
    s.logs_in("b")
    s.arrives("c0", queue="d")
    s.accepts("b", "c0")
    s.logs_in("a")
    s.arrives("c1", queue="q")
    assert s.configures(push(queues=["d"], max_sessions=2), queues=["d"]) == [
        "chat-requeued c1 d queue-removed",
        "chat-requested b",
        "chat-assigned c1 a",
    ]


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


def test_an_unknown_queue_in_a_profile_has_no_effect(tell: Tell) -> None:
    """R20: the profile serves the others that it names."""
    s = tell(pull(queues=["gone", "r"], pull_policy="strict-priority"), queues=["q", "r"])
    s.arrives("c1", queue="q")
    s.arrives("c2", queue="r")
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_an_unknown_overflow_queue_is_no_overflow(tell: Tell) -> None:
    """R20: the chat waits where it is."""
    s = tell(pull(), queues=[{"name": "q", "overflow_after": 10, "overflow_to": "gone", "max_wait": 60}])
    s.arrives("c1")
    assert s.until(59) == []
    assert s.until(60) == ["chat-closed c1 - queue-timed-out"]


def test_an_unknown_default_is_the_first_listed(tell: Tell) -> None:
    """R20, defaults: of queues and profiles alike."""
    s = tell(pull("one"), pull("two"), queues=["q", "r"], default_queue="gone", default_profile="gone")
    assert s.arrives("c1") == ["chat-queued c1 q"]
    s.logs_in("a")
    assert s.agent("a")["profile"] == "one"


def test_a_configuration_is_its_own_pools_only(tell: Tell) -> None:
    """R20, words: pools share nothing but time."""
    s = tell(push())
    s.logs_in("a")
    assert s.says("pool-configured", "other", config={"queues": [{"name": "z"}], "profiles": [pull()]}) == []
    assert s.arrives("c1") == ["chat-queued c1 q", "chat-assigned c1 a"]
    assert s.says("chat-arrival", "other", chat_id="c1") == ["chat-queued c1 z"]


def test_standing_requests_are_kept(tell: Tell) -> None:
    """R20: with their age; who asked first is still served first."""
    s = tell(pull())
    for agent_id in ("b", "a"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    s.at(1).asks("b")
    s.at(2).asks("a")
    s.at(3).configures(pull(), queues=["q", "r"])
    assert s.arrives("c1", queue="r")[1] == "chat-assigned c1 b"
    assert s.offer("c1").requested_at == moment(1)
