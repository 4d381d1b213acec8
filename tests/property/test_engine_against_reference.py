"""The engine decides what the plain second reading of the rules decides, byte for byte (R1 to R21, I9).

`python -m tests.property.fuzz` looks at as many histories more as one likes.
"""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from switchboard.domain.events import Frame
from tests.property.comparison import first_difference, first_difference_rebuilt
from tests.property.histories import histories, random_history
from tests.property.shrinking import shrink, told

bounded = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=False)


def agree(compare: Callable[[list[Frame]], str | None], history: list[Frame]) -> None:
    """Fail with the shortest history in which engine and reference part."""
    if compare(history) is None:
        return
    shortest = shrink(history, lambda candidate: compare(candidate) is not None)
    raise AssertionError(f"\n{told(shortest)}\n{compare(shortest)}")


@settings(bounded, max_examples=50)
@given(history=histories())
def test_engine_and_reference_decide_the_same(history: list[Frame]) -> None:
    """R1 to R21: after every frame of any history the decisions are the same bytes in the same order."""
    agree(first_difference, history)


@settings(bounded, max_examples=40)
@given(history=histories())
def test_an_engine_rebuilt_from_its_rows_after_every_frame_decides_the_same(history: list[Frame]) -> None:
    """I9: from all rows in memory, from all rows through JSON, and from the changed rows kept in a table."""
    agree(first_difference_rebuilt, history)


def test_engine_and_reference_decide_the_same_in_long_histories() -> None:
    """R1 to R21: the same, for histories too long for hypothesis to draw."""
    for seed in range(200):
        agree(first_difference, random_history(seed, 120))


def test_an_engine_rebuilt_from_its_rows_decides_the_same_in_long_histories() -> None:
    """I9: the same, for histories too long for hypothesis to draw."""
    for seed in range(1000, 1040):
        agree(first_difference_rebuilt, random_history(seed, 100))
