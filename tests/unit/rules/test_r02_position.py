"""R2: among equals in time, the journal's order decides: frame, then index; a timer's work stands before any event."""

from tests.unit.rules.story import Tell, event, moment, pull, push


def test_chats_of_one_moment_are_served_in_the_journals_order(tell: Tell) -> None:
    """R2: of chats that arrived in the same millisecond the one whose event came first is first: frame, then index."""
    s = tell(pull(max_sessions=9))
    s.at(5).frame(event("chat-arrival", chat_id="c4"), event("chat-arrival", chat_id="c3"))
    s.at(9).arrives("c1", arrived_at=moment(5))
    s.arrives("c2", arrived_at=moment(5))
    assert [s.asks("a") for _ in range(4)] == [[f"chat-assigned {chat_id} a"] for chat_id in ("c4", "c3", "c1", "c2")]


def test_requests_of_one_moment_are_served_in_the_journals_order(tell: Tell) -> None:
    """R2: of agents who ask in the same millisecond the one whose event came first is served first."""
    s = tell(pull())
    for agent_id in ("a", "b", "c"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    s.at(5).frame(event("request-chat", agent_id="c"), event("request-chat", agent_id="b"))
    s.asks("a")
    assert [s.arrives(chat_id)[1] for chat_id in ("c1", "c2", "c3")] == [
        "chat-assigned c1 c",
        "chat-assigned c2 b",
        "chat-assigned c3 a",
    ]


def test_follow_ups_of_timers_that_fire_together_share_one_position(tell: Tell) -> None:
    """R2: requests made by timers of one frame at one moment stand in order of agent id, not of their making."""
    s = tell(push(max_sessions=1, wrap_up_limit=10))
    s.logs_in("b")
    s.arrives("c1")
    s.accepts("b", "c1")
    s.logs_in("a")
    s.arrives("c2")
    s.accepts("a", "c2")
    s.frame(event("chat-concluded", chat_id="c1"), event("chat-concluded", chat_id="c2"))
    assert s.until(10) == [
        "chat-closed c1 b concluded",
        "chat-requested b",
        "chat-closed c2 a concluded",
        "chat-requested a",
    ]
    assert s.arrives("c3")[1] == "chat-assigned c3 a"


def test_a_timers_work_stands_before_the_events_of_its_frame(tell: Tell) -> None:
    """R2: a follow-up that a timer caused is older than a request of the same moment in the same frame."""
    s = tell(push(max_sessions=1, wrap_up_limit=10), pull(max_sessions=2))
    s.logs_in("z")
    s.arrives("c1")
    s.accepts("z", "c1")
    s.concludes("c1")
    s.logs_in("a", profile="pull")
    s.asks("a")
    s.arrives("c2")
    s.at(10).asks("a")
    assert s.stamped() == ["10 chat-closed c1 z concluded", "10 chat-requested z"]
    assert s.arrives("c3")[1] == "chat-assigned c3 z"
    assert s.arrives("c4")[1] == "chat-assigned c4 a"
