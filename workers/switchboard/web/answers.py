"""Large answers that cost the event loop little: pieces, shared results, work in slices; and `/metrics`."""

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
"""Bytes of an answer that are handed over at once, and so the memory that a client that does not read can hold."""


def in_pieces(body: bytes, headers: Mapping[str, str], status: int = HTTPStatus.OK) -> web.Response:
    """An answer with this body, sent in pieces of 64 KiB without a copy: concurrent answers share the body.

    aiohttp copies a body that is passed as a whole, 6 MB say, into the write buffer of each connection.
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
    """A costly result that concurrent callers share: at most one computation runs at a time.

    Args:
        make: computes the result.
        reuse_seconds: time for which a result is returned again. In proportion to the cost of the result, it bounds
            the share of the processor that all callers together can take.
    """

    def __init__(self, make: Callable[[], Awaitable[Result]], reuse_seconds: Callable[[Result], float]) -> None:
        self._make = make
        self._reuse_seconds = reuse_seconds
        self._making: asyncio.Task[Result] | None = None
        self._made: tuple[float, Result] | None = None
        """The time of the loop until which the result is reused, and the result."""

    async def get(self) -> Result:
        """The result, computed now unless one can be reused.

        Raises:
            Exception: any error of the computation, raised for all callers that waited.
        """
        if self._made is not None and asyncio.get_running_loop().time() < self._made[0]:
            return self._made[1]
        if self._making is None:
            self._made = None
            self._making = asyncio.create_task(self._run())
        # shield: a caller that is cancelled must not cancel the computation of the others.
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
"""6 MB (200 pools, 60,000 lines) take 0.4 s of processor time and are reused for 1.8 s: with any number of scrapes,
rendering takes at most a fifth of the core that the loop of the router runs on."""
SMALL_BYTES: Final = 64 * 1024
"""A smaller text takes a few ms, and is rendered for each scrape."""


def metrics_handler(registry: CollectorRegistry, prepare: Callable[[], None] = lambda: None) -> Handler:
    """A handler that answers with the metrics of a registry in Prometheus's text format.

    Args:
        registry: rendered in a thread, since a line takes 7 us.
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
"""Rows handled between two turns of the event loop: 5 ms at 2.5 us for the costliest kind of row."""


async def slices(rows: Sequence[Row], size: int = SLICE_ROWS) -> AsyncIterator[Sequence[Row]]:
    """The rows in slices of `size`, with a turn of the event loop between two slices."""
    for begin in range(0, len(rows), size):
        if begin:
            await asyncio.sleep(0)
        yield rows[begin : begin + size]


async def steps(rows: Iterable[Row], size: int = SLICE_ROWS) -> AsyncIterator[list[Row]]:
    """The rows of an iterable in slices of `size`, with a turn of the event loop after each slice."""
    coming = iter(rows)
    while part := list(islice(coming, size)):
        yield part
        await asyncio.sleep(0)


async def in_order(rows: Sequence[Any]) -> list[Any]:
    """The rows in ascending order, sorted in slices. `sorted` blocks the loop for 0.2 s at 200,000 rows."""
    runs = [sorted(part) async for part in slices(rows)]
    if len(runs) <= 1:
        return runs[0] if runs else []
    return [row async for part in steps(heapq.merge(*runs)) for row in part]


async def first(rows: Sequence[Row], most: int, key: Callable[[Row], Any]) -> list[Row]:
    """The `most` smallest rows by a key, ascending; all rows in their own order if there are no more than `most`."""
    if len(rows) <= most:
        return list(rows)
    found: Iterable[Row] = ()
    async for part in slices(rows):
        found = heapq.nsmallest(most, chain(found, part), key=key)
    return list(found)
