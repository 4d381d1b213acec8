"""Figures made of decisions: a chat counts once, when its first wait ends, for the queue in which it arrived."""

from dataclasses import replace
from typing import Any

import pytest

from switchboard.kafka.positions import LEAD_SECONDS
from switchboard.monitor.figures import OutcomeCounts
from switchboard.monitor.public_rows import DecisionRecord
from tests.floors import NOON, Floor

FLOOR = Floor()


def figures(*decisions: DecisionRecord, queue: str = "sales") -> dict[str, Any]:
    """The figures of a queue after the decisions, without those that are zero or null."""
    counting = OutcomeCounts()
    for each in decisions:
        counting.count(each)
    counted = counting.windows.today(("default", queue), NOON + 600).as_json()
    assert counting.windows.now(("default", queue), NOON + 600).as_json() == counted
    return {name: value for name, value in counted.items() if value}


def test_an_answer_is_in_time_up_to_the_limit_and_waits_run_to_the_acceptance() -> None:
    """The wait does not end at the offer: an acceptance after 20 s is in time, a millisecond later it is not."""
    chats = [
        decision
        for chat_id, accepted in (("c1", 20.0), ("c2", 20.001))
        for decision in (FLOOR.queued(0, chat_id), FLOOR.assigned(5, chat_id), FLOOR.confirmed(accepted, chat_id))
    ]
    assert figures(*chats) == {
        "arrived": 2,
        "answered": 2,
        "answered_in_time": 1,
        "service_level": 0.5,
        "service_level_without_short": 0.5,
        "mean_wait_seconds": 20.0,
        "longest_wait_seconds": 20.001,
    }


def test_an_abandoned_chat_lowers_both_service_levels_and_a_short_abandoned_one_only_the_first() -> None:
    """The second leaves out chats abandoned within 5 s, but not those that timed out within 5 s."""
    counted = figures(
        FLOOR.queued(0, "c1"), FLOOR.assigned(1, "c1"), FLOOR.confirmed(2, "c1"),
        FLOOR.queued(0, "c2"), FLOOR.closed(4.9, "abandoned", "c2"),
        FLOOR.queued(0, "c3"), FLOOR.closed(5, "abandoned", "c3"),
        FLOOR.queued(0, "c4"), FLOOR.closed(3, "queue-timed-out", "c4"),
    )  # fmt: skip
    assert (counted["arrived"], counted["answered"], counted["abandoned"], counted["abandoned_soon"]) == (4, 1, 3, 1)
    assert (counted["service_level"], counted["service_level_without_short"]) == (0.25, 0.3333)


def test_a_waiting_chat_is_in_no_service_level() -> None:
    """The outcome of a waiting chat is not known yet."""
    assert figures(FLOOR.queued(0)) == {"arrived": 1}


def test_an_offer_that_ended_leaves_the_wait_running() -> None:
    """A chat that is declined and offered again counts once, with its whole wait."""
    counted = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.ended(5, "declined"), FLOOR.requeued(5, "declined"),
        FLOOR.assigned(10), FLOOR.confirmed(30),
    )  # fmt: skip
    assert (counted["arrived"], counted["answered"], counted["mean_wait_seconds"]) == (1, 1, 30.0)


@pytest.mark.parametrize("reason", ["overflow", "queue-removed"])
def test_a_chat_that_moves_on_while_it_waits_counts_where_it_arrived(reason: str) -> None:
    """The customer was promised an answer in the queue of arrival; the whole wait counts there."""
    story = (
        FLOOR.queued(0), FLOOR.requeued(60, reason, queue="help"), FLOOR.assigned(61, queue="help"),
        FLOOR.confirmed(62, queue="help"),
    )  # fmt: skip
    counted = figures(*story)
    assert (counted["arrived"], counted["answered"], counted["mean_wait_seconds"]) == (1, 1, 62.0)
    assert figures(*story, queue="help") == {}
    counted = figures(*story[:2], FLOOR.closed(70, "abandoned", queue="help"))
    assert (counted["arrived"], counted["abandoned"]) == (1, 1)


@pytest.mark.parametrize("reason", ["transferred", "agent-lost"])
def test_a_chat_that_was_answered_and_waits_again_counts_once(reason: str) -> None:
    """The service level is about first waits; a chat that is abandoned in a later wait was answered."""
    counted = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.requeued(300, reason), FLOOR.assigned(301),
        FLOOR.confirmed(303), FLOOR.requeued(400, reason), FLOOR.closed(500, "abandoned"),
    )  # fmt: skip
    assert (counted["arrived"], counted["answered"], counted["mean_wait_seconds"]) == (1, 1, 2.0)
    assert "abandoned" not in counted


def test_a_transfer_from_agent_to_agent_is_no_answer_of_a_queue() -> None:
    """The customer was answered before, and did not wait again."""
    counted = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.assigned(100, origin="transfer"),
        FLOOR.confirmed(110), FLOOR.closed(200, "concluded"),
    )  # fmt: skip
    assert (counted["arrived"], counted["answered"]) == (1, 1)


def test_a_chat_from_before_the_reading_began_is_known_by_its_offer() -> None:
    """An offer states the arrival; an acceptance without an offer states nothing, and is not counted."""
    assert figures(FLOOR.assigned(30), FLOOR.confirmed(40))["mean_wait_seconds"] == 40.0
    assert figures(FLOOR.requeued(30, "declined"), FLOOR.assigned(31), FLOOR.confirmed(40))["mean_wait_seconds"] == 40.0
    assert figures(FLOOR.confirmed(40), FLOOR.closed(50, "concluded")) == {}


def test_a_chat_from_before_the_reading_began_that_is_transferred_is_taken_for_answered() -> None:
    """A transfer to a queue or an agent follows an answer; further waits are not the first."""
    assert figures(FLOOR.requeued(30, "transferred"), FLOOR.assigned(31), FLOOR.confirmed(40)) == {}
    assert figures(FLOOR.requeued(30, "transferred"), FLOOR.closed(40, "abandoned")) == {}
    assert figures(FLOOR.assigned(31, origin="transfer"), FLOOR.confirmed(40)) == {}


MIDNIGHT = 12 * 3600
BEFORE = MIDNIGHT - 2 * 3600
"""An hour before the first decision that is read for the following day."""


@pytest.mark.parametrize(
    "story",
    [
        (FLOOR.assigned(MIDNIGHT + 9), FLOOR.confirmed(MIDNIGHT + 10)),
        (FLOOR.closed(MIDNIGHT + 1, "abandoned"),),
        (FLOOR.closed(MIDNIGHT + 1, "queue-timed-out"),),
        (
            FLOOR.assigned(MIDNIGHT + 1), FLOOR.requeued(MIDNIGHT + 9, "missed"),
            FLOOR.closed(MIDNIGHT + 60, "abandoned"),
        ),
        (FLOOR.requeued(MIDNIGHT - 60, "overflow", queue="sales"), FLOOR.closed(MIDNIGHT + 60, "abandoned")),
        (
            FLOOR.confirmed(BEFORE + 1), FLOOR.requeued(MIDNIGHT - 60, "agent-lost"),
            FLOOR.assigned(MIDNIGHT + 1), FLOOR.confirmed(MIDNIGHT + 2),
        ),
        (
            FLOOR.confirmed(BEFORE + 1), FLOOR.requeued(MIDNIGHT + 1, "agent-logged-out"),
            FLOOR.closed(MIDNIGHT + 9, "abandoned"),
        ),
        (FLOOR.confirmed(BEFORE + 1), FLOOR.closed(MIDNIGHT + 1, "concluded")),
    ],
)  # fmt: skip
def test_a_monitor_that_starts_after_midnight_counts_the_day_as_one_that_ran_on(
    story: tuple[DecisionRecord, ...],
) -> None:
    """The figures agree for chats that had waited for longer than decisions are read before midnight."""
    arrived = FLOOR.rfc3339(BEFORE)
    queued = FLOOR.made("chat-queued", BEFORE, chat_id="c1", queue="sales", arrived_at=arrived)
    all_of_them = [queued, *(_arrived(each, arrived) for each in story)]
    ran_on, started = OutcomeCounts(), OutcomeCounts()
    for each in all_of_them:
        ran_on.count(each)
        if each.at >= NOON + MIDNIGHT - LEAD_SECONDS:
            started.count(each)
    today = NOON + MIDNIGHT + 600
    counted = [counting.windows.today(("default", "sales"), today).as_json() for counting in (ran_on, started)]
    assert counted[0] == counted[1]


def _arrived(decided: DecisionRecord, arrived: str) -> DecisionRecord:
    return replace(decided, fields=decided.fields | {"arrived_at": arrived})


def test_open_chats_are_all_that_is_remembered() -> None:
    """Of a closed chat only the figures remain."""
    counting = OutcomeCounts()
    for each in (FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.closed(3, "concluded")):
        counting.count(each)
    assert (len(counting.waits), counting.answered) == (0, set())
