"""One result for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Shared(Generic[Result]):
    """A result that is costly to make: at most one is being made at a time, and who asks meanwhile gets that one.

    Args:
        make: makes it.
        reuse_seconds: for how long a result is given to those who ask after it was made. In proportion to what it
            cost, it bounds the share of the processor that all askers together can have.
    """

    def __init__(self, make: Callable[[], Awaitable[Result]], reuse_seconds: Callable[[Result], float]) -> None:
        self._make = make
        self._reuse_seconds = reuse_seconds
        self._making: asyncio.Task[Result] | None = None
        self._made: tuple[float, Result] | None = None
        """Until when it is given, by the loop's time, and the result."""

    async def get(self) -> Result:
        """The result.

        Raises:
            Exception: whatever making it raised, for all who waited for it.
        """
        if self._made is not None and asyncio.get_running_loop().time() < self._made[0]:
            return self._made[1]
        if self._making is None:
            self._made = None
            self._making = asyncio.create_task(self._run())
        # Who leaves meanwhile takes it from nobody else.
        return await asyncio.shield(self._making)

    async def _run(self) -> Result:
        try:
            result = await self._make()
        finally:
            self._making = None
        if (seconds := self._reuse_seconds(result)) > 0:
            self._made = (asyncio.get_running_loop().time() + seconds, result)
        return result
