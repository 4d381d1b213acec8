"""Makes an input that fails smaller, for as long as it fails in the same way."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

Case = TypeVar("Case")

MOST_CHECKS: Final = 3_000
"""Inputs that are tried for one failure."""
MOST_PIECES: Final = 4_096
"""Pieces that a long sequence is cut into."""


def shrink(case: Case, still_fails: Callable[[Case], bool], most: int = MOST_CHECKS) -> Case:
    """The smallest input that is found within `most` checks.

    Args:
        case: the input that fails.
        still_fails: whether another input fails in the same way.
        most: how often `still_fails` is called.
    """
    left = most
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(case):
            if left == 0:
                return case
            left -= 1
            if still_fails(smaller):
                case = smaller
                progress = True
                break
    return case


def _smaller(value: Any) -> Iterator[Any]:
    """Values that are simpler than this one, the simplest first."""
    if is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            for smaller in _smaller(getattr(value, each.name)):
                yield replace(value, **{each.name: smaller})
    elif isinstance(value, bytes | tuple) or (
        isinstance(value, str) and len(value) > 20
    ):  # a shorter text names a kind
        yield from _shorter(value)
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                for smaller in _smaller(item):
                    yield (*value[:index], smaller, *value[index + 1 :])
    elif isinstance(value, int) and not isinstance(value, bool) and value != 0:
        yield 0
        if abs(value) > 1:
            yield value // 2 if value > 0 else -(-value // 2)


def _shorter(value: Any) -> Iterator[Any]:
    """The sequence without one piece of it, large pieces first."""
    piece = size = len(value)
    while piece and size // piece <= MOST_PIECES:
        for at in range(0, size, piece):
            yield value[:at] + value[at + piece :]
        piece //= 2
