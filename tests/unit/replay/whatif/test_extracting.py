"""What a log tells of its chats and agents, on histories short enough to count along."""

from typing import Any

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.errors import NothingToCompareError
from switchboard.whatif.recorded_day import DayReader, Handling, RecordedDay

QUEUES = [{"name": "q"}, {"name": "other"}]
PUSH: dict[str, Any] = {"queues": QUEUES, "profiles": [{"name": "desk", "max_sessions": 2}]}
PULL: dict[str, Any] = {"queues": QUEUES, "profiles": [{"name": "desk", "mode": "pull", "max_sessions": 2}]}


def _past(config: dict[str, Any] | None, *happened: tuple[float, str, dict[str, Any]]) -> RecordedDay:
    """What is told of these events, each at so many seconds."""
    engine, reader, before = Engine(0), DayReader(), 1_000_000
    events = [(0.0, "pool-configured", {"config": config})] if config is not None else []
    for number, (second, kind, data) in enumerate([*events, *happened]):
        at = 1_000_000 + round(1000 * second)
        frame = Frame(number, at, at - before, [Event(kind, "default", data)])
        reader.step(engine, frame, engine.apply(frame).decisions)
        before = at
    return reader.finish()


def _chat(chat_id: str, **more: Any) -> dict[str, Any]:
    return {"chat_id": chat_id, **more}


ANA = {"agent_id": "ana"}


def test_handling_and_wrap_up_are_told_apart() -> None:
    """From acceptance to conclusion, and from there to release."""
    past = _past(
        PUSH,
        (0, "agent-logged-in", ANA),
        (10, "chat-arrival", _chat("a", queue="other")),
        (12, "chat-accepted", _chat("a", **ANA)),
        (100, "chat-concluded", _chat("a", **ANA)),
        (130, "chat-released", _chat("a", **ANA)),
    )
    (chat,) = past.chats
    assert (chat.queue, chat.after) == ("other", 10_000)
    assert chat.handlings == [Handling(88_000, "end")]
    assert chat.wrap_up == 30_000
    assert past.agents["default", "ana"].accept_delays == [2_000]


def test_a_wait_that_an_answer_ended_tells_only_that_patience_was_longer() -> None:
    """The wait of who gave up is a patience; the others are censored: answered, timed out or still there."""
    past = _past(
        PUSH | {"queues": [{"name": "q", "max_wait": 50}]},
        (0, "chat-arrival", _chat("gave-up")),
        (0, "chat-arrival", _chat("timed-out")),
        (20, "chat-abandoned", _chat("gave-up")),
        (55, "chat-arrival", _chat("answered")),
        (60, "agent-logged-in", ANA),
        (61, "chat-accepted", _chat("answered", **ANA)),
        (70, "chat-arrival", _chat("waits")),
        (80, "agent-heartbeat", ANA),
    )
    waits = {chat.chat_id: chat.waits for chat in past.chats}
    assert waits["gave-up"] == [(20_000, True)]
    assert waits["timed-out"][0][1] is False
    assert waits["answered"] == [(6_000, False)]
    assert waits["waits"] == [(10_000, False)]


def test_a_chat_that_is_passed_on_has_a_stint_with_each_agent() -> None:
    """How long each took, and to where the chat went."""
    past = _past(
        PUSH,
        (0, "agent-logged-in", ANA),
        (1, "chat-arrival", _chat("a")),
        (2, "chat-accepted", _chat("a", **ANA)),
        (32, "chat-transferred", _chat("a", to_queue="other")),
        (33, "chat-accepted", _chat("a", **ANA)),
        (40, "agent-lost", ANA),
    )
    assert past.chats[0].handlings == [Handling(30_000, "to_queue", "other"), Handling(7_000, "cut", "other")]
    assert past.chats[0].waits == [(1_000, False), (1_000, False), (0, False)]


@pytest.mark.parametrize(
    ("target", "handling"),
    [
        ({"to_queue": "other"}, Handling(50_000, "to_queue", "other")),
        ({"to_agent": "bob"}, Handling(50_000, "to_agent", "bob")),
    ],
)
def test_a_chat_that_is_passed_on_while_wrapping_waits_from_then_on(target: dict[str, str], handling: Handling) -> None:
    """The wrap-up is time with the first agent, not time that the customer waited; nor did the chat end there."""
    bob = {"agent_id": "bob"}
    past = _past(
        PUSH,
        (0, "agent-logged-in", ANA),
        (1, "chat-arrival", _chat("a")),
        (2, "chat-accepted", _chat("a", **ANA)),
        (32, "chat-concluded", _chat("a", **ANA)),
        (40, "agent-logged-in", {**bob, "max_sessions": 1}),
        (45, "agent-status-changed", {**ANA, "status": "unavailable"}),
        (52, "chat-transferred", _chat("a", **target)),
        (55, "chat-accepted", _chat("a", **bob)),
        (75, "chat-concluded", _chat("a", **bob)),
        (80, "chat-released", _chat("a", **bob)),
    )
    assert past.chats[0].handlings == [handling, Handling(20_000, "end")]
    assert past.chats[0].waits == [(1_000, False), (3_000, False)]
    assert past.chats[0].wrap_up == 5_000


def test_a_click_is_timed_from_the_moment_at_which_the_agent_could_ask() -> None:
    """In pull mode: from login, and again once the request is served and a session is free."""
    past = _past(
        PULL,
        (0, "agent-logged-in", ANA),
        (4, "request-chat", ANA),
        (10, "chat-arrival", _chat("a")),
        (11, "chat-accepted", _chat("a", **ANA)),
        (17, "request-chat", ANA),
        (20, "agent-logged-out", ANA),
    )
    assert past.agents["default", "ana"].click_delays == [4_000, 7_000]


def test_a_bus_without_presence_has_its_agents_from_the_first_sign_to_the_last() -> None:
    """Who is logged in by the first request is there until the last event of its own."""
    past = _past(
        None,
        (5, "request-chat", ANA),
        (6, "chat-arrival", _chat("a")),
        (8, "chat-accepted", _chat("a", **ANA)),
        (90, "chat-concluded", _chat("a", **ANA)),
        (500, "chat-arrival", _chat("b")),
    )
    plan = [(each.after, each.type) for each in past.agents["default", "ana"].plan]
    assert plan == [(0, "agent-logged-in"), (85_000, "agent-logged-out")]
    assert past.agents["default", "ana"].click_delays == []


def test_missed_and_declined_offers_are_counted_and_the_return_is_timed() -> None:
    """An agent made unavailable by a miss comes back by its status; that event is no part of its plan."""
    past = _past(
        PUSH | {"profiles": [{"name": "desk", "max_missed_offers": 1, "reoffer_after": 0}]},
        (0, "agent-logged-in", ANA),
        (0, "chat-arrival", _chat("a")),
        (1, "chat-declined", _chat("a", **ANA)),
        (30, "agent-status-changed", {**ANA, "status": "available"}),
    )
    agent = past.agents["default", "ana"]
    assert (agent.declined, agent.lapsed) == (1, 1)
    assert past.return_delays == [14_000]
    assert [each.type for each in agent.plan] == ["agent-logged-in"]


def test_a_configuration_that_changes_with_chats_under_way_is_told() -> None:
    """The re-simulation has the last one throughout, and says so."""
    second = PUSH | {"seed": "2"}
    arrival = (1, "chat-arrival", _chat("a"))
    assert _past(PUSH, arrival).configured_again == ()
    past = _past(PUSH, arrival, (2, "pool-configured", {"config": second}))
    assert (past.configured_again, past.configs["default"]) == (("default",), second)


def test_a_log_without_a_chat_can_not_be_asked() -> None:
    """It is said at once."""
    with pytest.raises(NothingToCompareError, match="no chat arrives"):
        _past(PUSH, (0, "agent-logged-in", ANA))


def test_an_agent_who_comes_back_by_a_request_is_there_again() -> None:
    """After a logout; what is said of it in between changes nothing."""
    past = _past(
        PULL,
        (0, "agent-logged-in", ANA),
        (10, "agent-logged-out", ANA),
        (15, "agent-status-changed", {**ANA, "status": "available"}),
        (20, "request-chat", ANA),
        (30, "chat-arrival", _chat("a")),
    )
    plan = [(each.after, each.type) for each in past.agents["default", "ana"].plan]
    assert plan == [(0, "agent-logged-in"), (10_000, "agent-logged-out"), (20_000, "agent-logged-in")]
