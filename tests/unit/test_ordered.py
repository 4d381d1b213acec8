"""The ordered collection behind waiting and asking lines: right at any size, quick wherever it is changed."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain import ordered
from switchboard.domain.ordered import Ordered

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200)
"""Put in (or take out, if it is in) a number."""


@given(steps, st.sampled_from([1, 2, 3, 512]))
def test_it_holds_what_a_sorted_list_would(told: list[tuple[bool, int]], load: int) -> None:
    """After any changes it has the same items in the same order, whatever the size of its chunks."""
    model: set[int] = set()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ordered, "_LOAD", load)
        line: Ordered[tuple[int]] = Ordered()
        for put, number in told:
            if number in model:
                line.remove((number,))
                model.remove(number)
            elif put:
                line.add((number,))
                model.add(number)
            assert list(line) == [(kept,) for kept in sorted(model)]
            assert len(line) == len(model)
            assert line.first() == ((min(model),) if model else None)


def test_it_can_be_walked_past_its_head() -> None:
    """An agent steps over chats that it passed; a heap could not be read so."""
    line: Ordered[tuple[int]] = Ordered()
    for number in range(5000):
        line.add(((number * 7919) % 5000,))
    walk: Iterator[tuple[int]] = iter(line)
    assert [next(walk) for _ in range(3)] == [(0,), (1,), (2,)]
    assert list(line) == [(number,) for number in range(5000)]


@pytest.mark.parametrize("held", [[], [1], [1, 3], list(range(0, 4000, 2))], ids=["none", "one", "two", "many"])
@pytest.mark.parametrize("absent", [-1, 2001, 9999])
def test_taking_out_what_is_not_in_is_an_error(held: list[int], absent: int) -> None:
    """A line that lost count of who stands in it must not go unnoticed."""
    line: Ordered[tuple[int]] = Ordered()
    for number in held:
        line.add((number,))
    with pytest.raises(KeyError):
        line.remove((absent,))
    assert [number for (number,) in line] == held


class Counted(int):
    """A number that counts how often any of its kind is compared."""

    comparisons = 0
    __hash__ = int.__hash__

    def __lt__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__lt__(self, other)

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return int.__eq__(self, other)


def _most_comparisons(size: int) -> int:
    """The most comparisons that one change of a line of this size took, in the middle and at both ends."""
    line: Ordered[tuple[Counted]] = Ordered()
    for number in range(size):
        line.add((Counted(number * 2),))
    most = 0
    for place in (0, size // 3, size // 2, size - 1):
        for change in (line.add, line.remove):
            Counted.comparisons = 0
            change((Counted(place * 2 + 1),))
            most = max(most, Counted.comparisons)
    return most


def test_a_change_of_a_long_line_takes_few_comparisons() -> None:
    """A thousand times as many items take a few more steps of a search by halves, not a thousand times as many."""
    assert _most_comparisons(50_000) <= _most_comparisons(50) + 40


def test_no_chunk_grows_beyond_its_bound() -> None:
    """What a change moves is one chunk, so the bound on chunks is the bound on its cost."""
    line: Ordered[tuple[int]] = Ordered()
    for number in range(10_000):
        line.add((number,))
        line.add((-number - 1,))
    assert max(map(len, line._chunks)) <= 1024
    for number in range(9_999):
        line.remove((number,))
    assert max(map(len, line._chunks)) <= 1024
    assert len(line) == 10_001
