"""JSON from outside, read with a bound on its depth.

orjson reads 1,024 levels and writes 254; Python's own json stops at about 1,000 levels, the schema validator at 255. A
value within the bound here can be checked, quoted and written again by all of them.
"""

from typing import Any, Final

import orjson

MAX_LEVELS: Final = 64
"""Levels of nested objects and lists. An event has at most 6, a journal frame with attributes 5."""

_CONTAINERS: Final = frozenset({dict, list})


class TooDeepError(ValueError):
    """A value nests deeper than `MAX_LEVELS`."""

    def __init__(self) -> None:
        super().__init__(f"nested too deep: expected at most {MAX_LEVELS} levels of objects and lists")


def loads(text: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        orjson.JSONDecodeError: the text is not JSON; a ValueError.
        TooDeepError: the value nests too deep; a ValueError.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if str(error).startswith("depth limit exceeded"):
            raise TooDeepError from None
        raise
    # Nearly all texts have so few brackets that they can't be too deep, and a short one has no room for more. Counting
    # brackets with `translate` takes 0.4 us for a line of 475 bytes, with `bytes.count` 1.6 us.
    if len(text) > 2 * MAX_LEVELS and len(text) - len(text.translate(None, b"[{")) > MAX_LEVELS and is_too_deep(value):
        raise TooDeepError
    return value


def is_too_deep(value: Any) -> bool:
    """True if a parsed value nests deeper than `MAX_LEVELS`. Goes level by level, without recursion."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict
            or type(inner) is list  # JSON readers make no subclasses; isinstance is 3 times slower
        ]
        if not level:
            return False
    return True
