"""R20: a pool is configured anew while it works: who is there feels it at once, and nothing is lost."""

from tests.unit.rules.story import Tell, moment, pull, push


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
