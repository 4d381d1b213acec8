"""R4: customers are served in the order in which they came, by the arrival's own time."""

import pytest

from tests.unit.rules.story import Story, Tell, event, moment, pull


def _served(s: Story, count: int) -> list[str]:
    """The chats that an agent with room for all gets, in order."""
    s.logs_in("a", profile="pull", max_sessions=100)
    return [s.asks("a")[0].split()[1] for _ in range(count)]


def test_chats_are_served_in_order_of_their_arrival(tell: Tell) -> None:
    """R4: who came first is served first."""
    s = tell(pull())
    s.at(1).arrives("c2")
    s.at(2).arrives("c1")
    s.at(3).arrives("c3")
    assert _served(s, 3) == ["c2", "c1", "c3"]


def test_a_chat_that_arrived_in_the_past_stands_where_it_would_have_stood(tell: Tell) -> None:
    """R4: `arrived_at` counts, not the moment at which the bus told of it."""
    s = tell(pull())
    s.at(10).arrives("c1")
    s.at(20).arrives("c2")
    s.at(30).arrives("c3", arrived_at=moment(15))
    s.at(31).arrives("c4", arrived_at=moment(-3600))
    assert _served(s, 4) == ["c4", "c1", "c3", "c2"]


def test_an_arrival_without_a_time_came_now(tell: Tell) -> None:
    """R4: without `arrived_at` the clock is meant."""
    s = tell(pull())
    s.at(7.25).arrives("c1")
    s.asks("a")
    assert s.offer("c1").arrived_at == moment(7.25)


def test_nobody_arrives_later_than_now(tell: Tell) -> None:
    """R4: a bus whose clock is ahead gives no chat an arrival in the future, nor a place behind those to come."""
    s = tell(pull())
    s.at(5).arrives("c1", arrived_at=moment(3600))
    s.at(6).arrives("c2")
    assert _served(s, 2) == ["c1", "c2"]
    assert s.offer("c1").arrived_at == moment(5)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-03-01T08:00:01Z", "2026-03-01T08:00:01.000Z"),
        ("2026-03-01T10:30:01+02:30", "2026-03-01T08:00:01.000Z"),
        ("2026-02-28T23:00:01.5-09:00", "2026-03-01T08:00:01.500Z"),
        ("2026-03-01T08:00:01.0029999Z", "2026-03-01T08:00:01.002Z"),
        ("2026-03-01t08:00:01.1z", "2026-03-01T08:00:01.100Z"),
    ],
    ids=["utc", "east", "west", "cut to ms", "small letters"],
)
def test_an_arrival_may_be_written_in_any_way_of_rfc_3339(tell: Tell, said: str, meant: str) -> None:
    """R4: offsets are understood, and digits beyond the millisecond are cut, not rounded."""
    s = tell(pull())
    s.at(60).arrives("c1", arrived_at=said)
    s.asks("a")
    assert s.offer("c1").arrived_at == meant


def test_times_that_differ_below_the_millisecond_are_equal(tell: Tell) -> None:
    """R4: cut to ms, the order of the events decides (R2)."""
    s = tell(pull())
    s.at(60).frame(
        event("chat-arrival", chat_id="c1", arrived_at="2026-03-01T08:00:01.0029Z"),
        event("chat-arrival", chat_id="c2", arrived_at="2026-03-01T08:00:01.0021Z"),
    )
    assert _served(s, 2) == ["c1", "c2"]


@pytest.mark.parametrize("how", ["declined", "missed", "transferred", "lost", "overflow", "queue removed"])
def test_a_chat_that_comes_back_keeps_its_place(tell: Tell, how: str) -> None:
    """R4: whatever became of it meanwhile, it stands ahead of those who came after it."""
    s = tell(pull(reoffer_after=0), queues=[{"name": "q", "overflow_after": 20, "overflow_to": "r"}, "r"])
    s.arrives("c1")
    if how in ("declined", "missed", "lost"):
        s.asks("b")
    s.at(1).arrives("c2", queue="r")
    if how == "declined":
        s.declines("b", "c1")
    elif how == "missed":
        s.until(15)
    elif how == "transferred":
        s.transfers("c1", to_queue="r")
    elif how == "lost":
        s.accepts("b", "c1")
        s.says("agent-lost", agent_id="b")
    elif how == "overflow":
        s.until(20)
    else:
        s.configures(pull(), queues=["r"])
    assert any(made.type == "chat-requeued" for made in s.made)
    assert _served(s, 2) == ["c1", "c2"]
