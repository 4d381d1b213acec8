"""JSON from outside, read with a bound on its depth.

orjson reads 1,024 levels and writes 254; Python's own json gives up at about 1,000, the schemas' checker at 255. What
is read here can be checked, quoted and written again by all of them.
"""

from typing import Any, Final

import orjson

MAX_LEVELS: Final = 64
"""Objects and lists within one another. The deepest value of ours, a journal frame with attributes, has 5."""


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
    # Two counts cost 0.1 us a KiB, and say of nearly every text that it can't be too deep.
    if text.count(b"[") + text.count(b"{") > MAX_LEVELS and is_too_deep(value):
        raise TooDeepError
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a parsed value nests deeper than `MAX_LEVELS`, found level by level and without recursion."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_LEVELS):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
