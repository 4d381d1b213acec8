"""The published behaviour that the rules are made of: each worked example, by the number of its answer."""

from tests.unit.rules.story import Tell, event, pull, push


def test_8178_push(tell: Tell) -> None:
    """8178: three at most; the first accepted, the second is requested at that moment; full, until a release."""
    s = tell(push(max_sessions=3))
    assert s.logs_in("a") == ["chat-requested a"]
    assert s.at(10).arrives("c1") == ["chat-queued c1 q", "chat-assigned c1 a"]
    s.at(11).accepts("a", "c1")
    assert s.stamped() == ["11 assignment-confirmed c1 a", "11 chat-requested a"]
    assert s.at(20).arrives("c2") == ["chat-queued c2 q", "chat-assigned c2 a"]
    assert s.at(25).arrives("c3") == ["chat-queued c3 q"]
    assert s.at(26).accepts("a", "c2") == [
        "assignment-confirmed c2 a",
        "chat-requested a",
        "chat-assigned c3 a",
    ]
    assert s.at(27).accepts("a", "c3") == ["assignment-confirmed c3 a"]
    assert s.at(30).arrives("c4") == ["chat-queued c4 q"]
    assert s.at(40).concludes("c2") == ["chat-wrapping c2 a"]
    assert s.at(50).releases("c2") == ["chat-closed c2 a concluded", "chat-requested a", "chat-assigned c4 a"]


def test_8178_pull(tell: Tell) -> None:
    """8178: one of three in use; nothing happens until Request Chat, then exactly one chat."""
    s = tell(pull(max_sessions=3))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    assert s.at(10).arrives("c2") == ["chat-queued c2 q"]
    assert s.at(11).arrives("c3") == ["chat-queued c3 q"]
    assert s.until(60) == []
    assert s.at(61).asks("a") == ["chat-assigned c2 a"]
    assert s.at(62).accepts("a", "c2") == ["assignment-confirmed c2 a"]
    assert s.until(600) == []


def test_8179_first_due(tell: Tell) -> None:
    """8179: A into Q1 at 8:10, B into Q2 at 8:05: B first; with the queues swapped, still B."""
    for queues in (("Q1", "Q2"), ("Q2", "Q1")):
        s = tell(pull(queues=["Q1", "Q2"]), queues=["Q1", "Q2"])
        s.at(5 * 60).arrives("B", queue=queues[1])
        s.at(10 * 60).arrives("A", queue=queues[0])
        assert s.asks("agent") == ["chat-assigned B agent"]


def test_8179_strict_priority(tell: Tell) -> None:
    """8179: Q1 ranked above Q2, A in Q1 and B in Q2, both at 8:00: A first."""
    s = tell(pull(pull_policy="strict-priority", queues=["Q1", "Q2"]), queues=["Q1", "Q2"])
    s.frame(event("chat-arrival", chat_id="B", queue="Q2"), event("chat-arrival", chat_id="A", queue="Q1"))
    assert s.asks("agent") == ["chat-assigned A agent"]


def test_1174_who_has_had_none_is_next(tell: Tell) -> None:
    """1174: A has had one chat, B none: B next."""
    s = tell(push())
    s.logs_in("A")
    s.arrives("c1")
    s.accepts("A", "c1")
    s.at(600).logs_in("B")
    assert s.arrives("c2") == ["chat-queued c2 q", "chat-assigned c2 B"]


def test_6483_delay_between_chats(tell: Tell) -> None:
    """6483: 30 s of delay, three at most, a full queue at login: offers at 0, 30 and 60 s, each accepted at once."""
    s = tell(push(delay_between_chats=30, max_sessions=3))
    s.frame(*[event("chat-arrival", chat_id=f"c{number}") for number in range(1, 6)])
    assert s.logs_in("a") == ["chat-requested a", "chat-assigned c1 a"]
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a", "chat-requested a"]
    assert s.until(29.999) == []
    assert s.until(30) == ["chat-assigned c2 a"]
    assert s.accepts("a", "c2") == ["assignment-confirmed c2 a", "chat-requested a"]
    assert s.until(59.999) == []
    assert s.until(60) == ["chat-assigned c3 a"]
    assert s.accepts("a", "c3") == ["assignment-confirmed c3 a"]
    assert s.until(600) == []


def test_6483_wrap_up_keeps_the_session(tell: Tell) -> None:
    """6483: however long the delay is over, an agent who wraps up has no room."""
    s = tell(push(delay_between_chats=30, max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    s.at(10).concludes("c1")
    assert s.until(600) == []
    assert s.releases("c1") == ["chat-closed c1 a concluded", "chat-requested a", "chat-assigned c2 a"]


def test_8298_a_chat_that_no_one_takes(tell: Tell) -> None:
    """8298: it closes as `queue-timed-out` after 1,800 s."""
    s = tell(pull())
    s.arrives("c1")
    assert s.until(1799.999) == []
    assert s.until(1800) == ["chat-closed c1 - queue-timed-out"]


def test_8282_a_lost_agent(tell: Tell) -> None:
    """8282: its active chats go back to the queue, ahead of younger ones."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(60).arrives("c2")
    assert s.at(90).says("agent-lost", agent_id="a") == ["chat-requeued c1 q agent-lost"]
    assert s.asks("b") == ["chat-assigned c1 b"]
    assert s.asks("b") == ["chat-assigned c2 b"]


def test_an_outage_costs_nobody_anything(tell: Tell) -> None:
    """Outage: 100 standing offers, each accepted in time on the bus while the router is away for 60 s: all hold."""
    s = tell(push(offer_timeout=15, max_missed_offers=1, max_sessions=1))
    agents = [f"a{number:02}" for number in range(100)]
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in agents])
    s.frame(*[event("chat-arrival", chat_id=f"c{number:02}") for number in range(100)])
    assert s.until(2) == []
    offered = {f"c{number:02}": s.offer(f"c{number:02}").agent_id for number in range(100)}
    accepts = [
        event("chat-accepted", chat_id=chat_id, agent_id=agent_id, accepted_at="2026-03-01T08:00:10Z")
        for chat_id, agent_id in offered.items()
    ]
    lines = s.at(62, run=0).frame(*accepts)
    assert lines == [f"assignment-confirmed {chat_id} {agent_id}" for chat_id, agent_id in offered.items()]
    assert s.until(120) == []
    assert {s.agent(agent_id)["status"] for agent_id in agents} == {"available"}
