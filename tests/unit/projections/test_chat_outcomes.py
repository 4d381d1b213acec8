"""The first wait of a chat, whoever counts."""

import pytest

from switchboard.projections.chat_outcomes import FirstWaits, outcome_unanswered, service_level


def at(second: float) -> str:
    """A time so many seconds after noon."""
    return f"2024-05-01T12:00:{second:06.3f}Z"


NOON_MS = 1_714_564_800_000


def test_a_chat_counts_once_for_its_queue_of_arrival() -> None:
    """With the wait from arrival to the first acceptance; a second acceptance and the end are no second outcome."""
    waits = FirstWaits()
    waits.arrive([("p", "c", "q", at(0)), ("p", "d", "q", at(1))])
    assert waits.accept([("p", "c", at(20)), ("p", "d", at(20))]) == {
        ("p", "q", "answered"): [(NOON_MS, 20_000), (NOON_MS + 1000, 19_000)]
    }
    assert waits.accept([("p", "c", at(30))]) == {}
    assert waits.close([("p", "c", at(40), "concluded")]) == {}
    assert len(waits) == 0


@pytest.mark.parametrize(
    ("reason", "second", "outcome"),
    [
        ("abandoned", 4.999, "short-abandoned"),
        ("abandoned", 5.0, "abandoned"),
        ("queue-timed-out", 3.0, "timed-out"),
    ],
)
def test_a_chat_that_nobody_answers_has_the_outcome_of_its_end(reason: str, second: float, outcome: str) -> None:
    """Less than 5 s is a short abandonment, unless the queue's limit ended the wait."""
    waits = FirstWaits()
    waits.restore("p", "c", "q", NOON_MS)
    assert ("p", "c") in waits
    assert waits.close([("p", "c", at(second), reason)]) == {("p", "q", outcome): [(NOON_MS, int(second * 1000))]}
    assert outcome_unanswered(reason, second * 1000) == outcome


def test_waits_begin_at_the_start_of_the_count_and_are_never_negative() -> None:
    """A chat that arrived before the start counts from the start on; clocks may step back."""
    waits = FirstWaits(NOON_MS + 10_000)
    waits.arrive([("p", "c", "q", at(0)), ("p", "d", "q", at(30))])
    assert waits.accept([("p", "c", at(20)), ("p", "d", at(20))]) == {
        ("p", "q", "answered"): [(NOON_MS + 10_000, 10_000), (NOON_MS + 30_000, 0)]
    }


def test_service_level_by_both_conventions() -> None:
    """Null where no chat counts."""
    assert service_level(1, 4, 2) == (0.25, 0.5)
    assert service_level(0, 2, 2) == (0.0, None)
    assert service_level(0, 0, 0) == (None, None)
