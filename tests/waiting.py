"""Waiting for a condition, with a bound, in place of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")


async def eventually(
    look: Callable[[], Awaitable[Seen]],
    holds: Callable[[Seen], bool] = bool,
    seconds: float = 20,
) -> Seen:
    """Look until what is seen holds, and return it.

    Raises:
        AssertionError: it did not within `seconds`; says what was seen last.
    """
    until = time.monotonic() + seconds
    pause = 0.002  # a broker is not asked more than 20 times a second for long
    while True:
        seen = await look()
        if holds(seen):
            return seen
        assert time.monotonic() < until, f"not within {seconds} s; last seen: {seen!r}"
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.05)
