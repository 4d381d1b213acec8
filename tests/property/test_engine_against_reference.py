"""The engine decides what the plain second reading of the rules decides, byte for byte (R1 to R21, I9).

`python -m tests.property.fuzz` looks at as many histories more as one likes.
"""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from switchboard.domain.events import Frame
from switchboard.journal.schemas import load
from tests.contract.golden import DECISION_FIELDS
from tests.depth import examples
from tests.property.comparison import first_difference, first_difference_rebuilt
from tests.property.histories import histories
from tests.property.mutations import Decisions
from tests.property.shrinking import shrink, told
from tests.reference.model import ReferenceEngine
from tests.reference.timers import KINDS, pending


def agree(compare: Callable[[list[Frame]], str | None], history: list[Frame]) -> None:
    """Fail with the shortest history in which engine and reference part."""
    if compare(history) is None:
        return
    shortest = shrink(history, lambda candidate: compare(candidate) is not None)
    raise AssertionError(f"\n{told(shortest)}\n{compare(shortest)}")


@settings(
    deadline=None,
    derandomize=True,
    max_examples=examples(8, 25),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)
@given(history=histories())
def test_an_engine_as_it_is_or_rebuilt_after_every_frame_decides_as_the_reference_does(history: list[Frame]) -> None:
    """R1 to R21 and I9: after every frame of any history the decisions are the same bytes in the same order.

    One engine is rebuilt from all rows in memory, one from all rows through JSON, one from the changed rows in a table.
    """
    agree(first_difference_rebuilt, history)


def test_engine_and_reference_decide_the_same_in_short_histories(short_histories: list[list[Frame]]) -> None:
    """R1 to R21: engine and reference agree on more histories than hypothesis draws in the time."""
    for history in short_histories:
        agree(first_difference, history)


def test_engine_and_reference_decide_the_same_in_long_histories(long_histories: list[list[Frame]]) -> None:
    """R1 to R21: engine and reference agree on histories too long for hypothesis to draw."""
    for history in long_histories:
        agree(first_difference, history)


def test_an_engine_rebuilt_from_its_rows_decides_the_same_in_long_histories(long_histories: list[list[Frame]]) -> None:
    """I9: a rebuilt engine agrees with the reference on histories too long for hypothesis to draw."""
    for history in long_histories[: examples(6, 12)]:
        agree(first_difference_rebuilt, history)


def test_every_reason_and_every_timer_is_among_the_long_histories(
    long_histories: list[list[Frame]], long_decisions: list[Decisions]
) -> None:
    """Whoever lessens the histories loses no type of decision, no reason, and no kind of timer."""
    seen = {(made["type"], made.get("reason")) for log in long_decisions for frame in log for made in frame}
    assert {(kind, reason) for kind in DECISION_FIELDS for reason in reasons(kind)} - seen == set()
    assert {kind for history in long_histories[:20] for kind in timers_due(history)} == set(KINDS)


def reasons(kind: str) -> list[str | None]:
    """The reasons that a type of decision may give, as its schema lists them; a type without reasons has None."""
    properties = load()[f"decisions/{kind}.json"]["properties"]
    return properties["reason"]["enum"] if "reason" in properties else [None]


def timers_due(history: list[Frame]) -> set[str]:
    """The kinds of timers that are due within the frames of a history."""
    model = ReferenceEngine(0)
    due = set()
    for frame in history:
        for pool in model.pools.values():
            due |= {KINDS[kind] for at, kind, _ in pending(pool) if at <= pool.service + frame.run}
        model.apply(frame)
    return due
