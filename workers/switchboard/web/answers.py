"""Large answers, sent by pieces."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from switchboard.web.server import Handler

PIECE_BYTES: Final = 64 * 1024
"""Of an answer that is handed over at once: all that a client who does not read makes us keep for it."""


def in_pieces(body: bytes, headers: Mapping[str, str], status: int = HTTPStatus.OK) -> web.Response:
    """An answer with this body, which is not copied: many answers at once share it.

    Given to aiohttp as a whole, a body of 6 MB is copied into the write buffer of each connection.
    """
    if len(body) <= PIECE_BYTES:
        return web.Response(body=body, headers=headers, status=status)
    sized = {**headers, "Content-Length": str(len(body))}
    return web.Response(body=_pieces(body), headers=sized, status=status)


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for begin in range(0, len(view), PIECE_BYTES):
        yield view[begin : begin + PIECE_BYTES]


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


REUSE_SECONDS_PER_BYTE: Final = 0.3e-6
"""6 MB (200 pools, 60,000 lines) take 0.4 s of the processor to render and are reused for 1.8 s after: however many
scrape, rendering has at most a fifth of one core, which the router's loop shares."""
SMALL_BYTES: Final = 64 * 1024
"""What is smaller takes a few ms, and is rendered for each scrape."""


def metrics_handler(registry: CollectorRegistry, prepare: Callable[[], None] = lambda: None) -> Handler:
    """A handler that answers with the metrics of a registry.

    Args:
        registry: rendered in a thread: 7 us a line, in which the loop would do nothing else.
        prepare: called before each rendering.
    """

    async def render() -> bytes:
        prepare()
        return await asyncio.to_thread(generate_latest, registry)

    rendering = Shared(render, lambda body: REUSE_SECONDS_PER_BYTE * len(body) if len(body) > SMALL_BYTES else 0.0)

    async def metrics(_: web.Request) -> web.Response:
        return in_pieces(await rendering.get(), {"Content-Type": CONTENT_TYPE_LATEST})

    return metrics


Row = TypeVar("Row")

SLICE_ROWS: Final = 2_000
"""Rows of one step: some 5 ms at 2.5 us a row, which is what costs most."""


async def slices(rows: Sequence[Row], size: int = SLICE_ROWS) -> AsyncIterator[Sequence[Row]]:
    """The rows, `size` at a time; other work is done between."""
    for begin in range(0, len(rows), size):
        if begin:
            await asyncio.sleep(0)
        yield rows[begin : begin + size]


async def steps(rows: Iterable[Row], size: int = SLICE_ROWS) -> AsyncIterator[list[Row]]:
    """The same, of rows that are made as they are asked for."""
    coming = iter(rows)
    while part := list(islice(coming, size)):
        yield part
        await asyncio.sleep(0)


async def in_order(rows: Sequence[Any]) -> list[Any]:
    """The rows in ascending order. `sorted` would take 0.2 s for 200,000 of them in one step."""
    runs = [sorted(part) async for part in slices(rows)]
    if len(runs) <= 1:
        return runs[0] if runs else []
    return [row async for part in steps(heapq.merge(*runs)) for row in part]


async def first(rows: Sequence[Row], most: int, key: Callable[[Row], Any]) -> list[Row]:
    """The `most` rows that come first by a key, in that order; all rows in their own order if there are no more."""
    if len(rows) <= most:
        return list(rows)
    found: Iterable[Row] = ()
    async for part in slices(rows):
        found = heapq.nsmallest(most, chain(found, part), key=key)
    return list(found)
