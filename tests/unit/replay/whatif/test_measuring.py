"""Waits, service level, occupancy and fairness, on a history short enough to count along."""

from typing import Any

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.whatif.measures import Measures, gini

CONFIG: dict[str, Any] = {"queues": [{"name": "q", "max_wait": 60}], "profiles": [{"name": "desk", "max_sessions": 1}]}
START = 1_000_000


def _measured(*happened: tuple[float, str, dict[str, Any]]) -> Measures:
    engine, measures, before = Engine(0), Measures(START), START
    for number, (second, kind, data) in enumerate([(0.0, "pool-configured", {"config": CONFIG}), *happened]):
        at = START + round(1000 * second)
        frame = Frame(number, at, at - before, [Event(kind, "default", data)])
        measures.step(engine, frame, engine.apply(frame).decisions)
        before = at
    return measures


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    """One chat answered after 30 s, one after 10; two given up, one timed out, one that waits."""
    ana, idle = {"agent_id": "ana"}, {"agent_id": "idle", "status": "unavailable"}
    return _measured(
        (0, "chat-arrival", {"chat_id": "a"}),
        (0, "agent-logged-in", idle),
        (10, "chat-arrival", {"chat_id": "short"}),
        (12, "chat-abandoned", {"chat_id": "short"}),
        (20, "agent-logged-in", ana),
        (30, "chat-accepted", {"chat_id": "a", **ana}),
        (40, "chat-arrival", {"chat_id": "b"}),
        (45, "chat-concluded", {"chat_id": "a", **ana}),
        (48, "chat-released", {"chat_id": "a", **ana}),
        (50, "chat-accepted", {"chat_id": "b", **ana}),
        (100, "chat-arrival", {"chat_id": "c"}),
        (120, "chat-arrival", {"chat_id": "d"}),
        (150, "chat-abandoned", {"chat_id": "d"}),
        (170, "chat-arrival", {"chat_id": "e"}),
        (180, "agent-logged-out", ana),
        (220, "agent-heartbeat", {"agent_id": "idle"}),
    ).figures(20_000)


def test_service_level_is_of_all_that_were_offered_and_whose_wait_has_ended(figures: dict[str, float]) -> None:
    """Given up and timed out count as not answered; the second convention leaves out who gave up within 5 s."""
    assert figures["offered"] == 5
    assert figures["service_level"] == 1 / 5
    assert figures["service_level_without_short"] == 1 / 4
    assert figures["abandonment"] == 2 / 5
    assert figures["timed_out"] == 1 / 5


def test_waits_are_from_arrival_to_acceptance_or_to_giving_up(figures: dict[str, float]) -> None:
    """Of the answered 30 and 10 s; of all also 2, 30 and 60."""
    assert (figures["wait"], figures["wait_p90"]) == (20, 30)
    assert (figures["wait_all"], figures["wait_all_p90"]) == ((30 + 10 + 2 + 30 + 60) / 5, 60)
    assert figures["left_waiting"] == 1


def test_occupancy_is_the_time_with_a_chat_in_hand_of_the_time_at_work(figures: dict[str, float]) -> None:
    """From acceptance to release, wrap-up included, of 160 s; who is unavailable and idle adds nothing."""
    assert figures["agent_hours"] == pytest.approx(160 / 3600)
    assert figures["occupancy"] == pytest.approx((18 + 130) / 160)
    assert figures["sessions_used"] == pytest.approx((18 + 130) / 160)


def test_assignments_are_those_of_everyone_who_was_there(figures: dict[str, float]) -> None:
    """Who had none counts as well."""
    assert (figures["assignments_min"], figures["assignments_max"]) == (0, 2)
    assert figures["gini"] == 0.5


def test_gini_is_nought_where_all_have_the_same() -> None:
    """And near one where one has all."""
    assert gini([3, 3, 3]) == 0
    assert gini([0] * 99 + [5]) == pytest.approx(0.99)
    assert gini([]) == 0
