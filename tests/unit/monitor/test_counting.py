"""From decisions to figures: each chat counts once, when its first wait ends, for the queue in which it arrived."""

from dataclasses import replace
from typing import Any

import pytest

from switchboard.kafka.positions import LEAD_SECONDS
from switchboard.monitor.figures import OutcomeCounts
from switchboard.monitor.public_rows import DecisionRecord
from tests.floors import NOON, Floor

FLOOR = Floor()


def figures(*decisions: DecisionRecord, queue: str = "sales") -> dict[str, Any]:
    """What is told of a queue after the decisions; what is nothing is left out."""
    counting = OutcomeCounts()
    for each in decisions:
        counting.count(each)
    told = counting.windows.today(("default", queue), NOON + 600).as_json()
    assert counting.windows.now(("default", queue), NOON + 600).as_json() == told
    return {name: value for name, value in told.items() if value}


def test_an_answer_is_in_time_up_to_the_limit_and_waits_run_to_the_acceptance() -> None:
    """Not to the offer: 20 s to the acceptance are in time, a moment more is not."""
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


def test_a_customer_who_leaves_lowers_the_service_level_and_one_who_left_at_once_only_the_first() -> None:
    """Of all answered or left; the second leaves those out who left within 5 s, not those whom the limit sent away."""
    told = figures(
        FLOOR.queued(0, "c1"), FLOOR.assigned(1, "c1"), FLOOR.confirmed(2, "c1"),
        FLOOR.queued(0, "c2"), FLOOR.closed(4.9, "abandoned", "c2"),
        FLOOR.queued(0, "c3"), FLOOR.closed(5, "abandoned", "c3"),
        FLOOR.queued(0, "c4"), FLOOR.closed(3, "queue-timed-out", "c4"),
    )  # fmt: skip
    assert (told["arrived"], told["answered"], told["abandoned"], told["abandoned_soon"]) == (4, 1, 3, 1)
    assert (told["service_level"], told["service_level_without_short"]) == (0.25, 0.3333)


def test_a_chat_that_waits_still_is_in_no_service_level() -> None:
    """It has arrived; how it ends is not known."""
    assert figures(FLOOR.queued(0)) == {"arrived": 1}


def test_an_offer_that_ended_leaves_the_wait_running() -> None:
    """Declined and offered again: one arrival, one answer, the whole wait."""
    told = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.ended(5, "declined"), FLOOR.requeued(5, "declined"),
        FLOOR.assigned(10), FLOOR.confirmed(30),
    )  # fmt: skip
    assert (told["arrived"], told["answered"], told["mean_wait_seconds"]) == (1, 1, 30.0)


@pytest.mark.parametrize("reason", ["overflow", "queue-removed"])
def test_a_chat_that_moves_on_while_it_waits_counts_where_it_arrived(reason: str) -> None:
    """With the whole wait of its customer, who was promised an answer there."""
    story = (
        FLOOR.queued(0), FLOOR.requeued(60, reason, queue="help"), FLOOR.assigned(61, queue="help"),
        FLOOR.confirmed(62, queue="help"),
    )  # fmt: skip
    told = figures(*story)
    assert (told["arrived"], told["answered"], told["mean_wait_seconds"]) == (1, 1, 62.0)
    assert figures(*story, queue="help") == {}
    told = figures(*story[:2], FLOOR.closed(70, "abandoned", queue="help"))
    assert (told["arrived"], told["abandoned"]) == (1, 1)


@pytest.mark.parametrize("reason", ["transferred", "agent-lost"])
def test_a_chat_that_was_answered_and_waits_again_counts_once(reason: str) -> None:
    """Service level is about the first wait; who leaves in a later one was answered."""
    told = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.requeued(300, reason), FLOOR.assigned(301),
        FLOOR.confirmed(303), FLOOR.requeued(400, reason), FLOOR.closed(500, "abandoned"),
    )  # fmt: skip
    assert (told["arrived"], told["answered"], told["mean_wait_seconds"]) == (1, 1, 2.0)
    assert "abandoned" not in told


def test_a_transfer_from_agent_to_agent_is_no_answer_of_a_queue() -> None:
    """The customer was answered before, and did not wait."""
    told = figures(
        FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.assigned(100, origin="transfer"),
        FLOOR.confirmed(110), FLOOR.closed(200, "concluded"),
    )  # fmt: skip
    assert (told["arrived"], told["answered"]) == (1, 1)


def test_a_chat_from_before_the_reading_began_is_known_by_its_offer() -> None:
    """The offer tells when it arrived; of an answer without that nothing is known, and nothing counted."""
    assert figures(FLOOR.assigned(30), FLOOR.confirmed(40))["mean_wait_seconds"] == 40.0
    assert figures(FLOOR.requeued(30, "declined"), FLOOR.assigned(31), FLOOR.confirmed(40))["mean_wait_seconds"] == 40.0
    assert figures(FLOOR.confirmed(40), FLOOR.closed(50, "concluded")) == {}


def test_a_chat_from_before_the_reading_began_that_is_transferred_is_taken_for_answered() -> None:
    """Whether to a queue or to an agent; its next waits are not its first."""
    assert figures(FLOOR.requeued(30, "transferred"), FLOOR.assigned(31), FLOOR.confirmed(40)) == {}
    assert figures(FLOOR.requeued(30, "transferred"), FLOOR.closed(40, "abandoned")) == {}
    assert figures(FLOOR.assigned(31, origin="transfer"), FLOOR.confirmed(40)) == {}


MIDNIGHT = 12 * 3600
BEFORE = MIDNIGHT - 2 * 3600
"""An hour before the reading begins that is for the day after."""


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
    """Also of chats that had waited for more than the hour from which on the decisions are read."""
    arrived = FLOOR.rfc3339(BEFORE)
    queued = FLOOR.made("chat-queued", BEFORE, chat_id="c1", queue="sales", arrived_at=arrived)
    all_of_them = [queued, *(_arrived(each, arrived) for each in story)]
    ran_on, started = OutcomeCounts(), OutcomeCounts()
    for each in all_of_them:
        ran_on.count(each)
        if each.at >= NOON + MIDNIGHT - LEAD_SECONDS:
            started.count(each)
    today = NOON + MIDNIGHT + 600
    told = [counting.windows.today(("default", "sales"), today).as_json() for counting in (ran_on, started)]
    assert told[0] == told[1]


def _arrived(decided: DecisionRecord, arrived: str) -> DecisionRecord:
    return replace(decided, fields=decided.fields | {"arrived_at": arrived})


def test_open_chats_are_all_that_is_remembered() -> None:
    """One that is closed leaves nothing behind but its figures."""
    counting = OutcomeCounts()
    for each in (FLOOR.queued(0), FLOOR.assigned(1), FLOOR.confirmed(2), FLOOR.closed(3, "concluded")):
        counting.count(each)
    assert (len(counting.waits), counting.answered) == (0, set())
