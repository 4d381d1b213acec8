"""JSON from outside, read with a bound on its depth.

orjson reads 1,024 levels and writes 254; Python's own json gives up at about 1,000, the schemas' checker at 255. What
is read here can be checked, quoted and written again by all of them.
"""

from typing import Any, Final

import orjson

MAX_LEVELS: Final = 64
"""Objects and lists within one another. The deepest value of ours, a journal frame with attributes, has 5."""


_CONTAINERS: Final = frozenset({dict, list})


class TooDeepError(ValueError):
    """A value nests deeper than `MAX_LEVELS`."""

    def __init__(self) -> None:
        super().__init__(f"nested too deep: expected at most {MAX_LEVELS} levels of objects and lists")


def loads(text: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        orjson.JSONDecodeError: it is no JSON; a ValueError.
        TooDeepError: it nests too deep; a ValueError.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if str(error).startswith("depth limit exceeded"):
            raise TooDeepError from None
        raise
    # The number of brackets says of nearly every text that it can't be too deep. To count them so takes 0.4 us for a
    # line of 475 bytes, with bytes.count 1.6 us.
    if len(text) - len(text.translate(None, b"[{")) > MAX_LEVELS and is_too_deep(value):
        raise TooDeepError
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a parsed value nests deeper than `MAX_LEVELS`, found level by level and without recursion."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_LEVELS):
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each)
            if type(inner) is dict or type(inner) is list  # three times as fast as isinstance; a reader makes no others
        ]
        if not level:
            return False
    return True
