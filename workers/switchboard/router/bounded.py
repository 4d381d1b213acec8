"""Waiting that ends, whatever the library waited for does with a cancellation."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class BrokenOffError(Exception):
    """The work ended as if it had been cancelled, and nobody had asked for that."""


async def bounded(work: Coroutine[Any, Any, None], seconds: float | None, what: str) -> None:
    """Wait for `work`, at most so long; work that does not end by then is cancelled and left to itself.

    `asyncio.timeout` waits until what it cancels has ended. aiokafka's clients catch a cancellation here and there and
    go on waiting, so that one of them could hold a shard for ever. They also let a cancellation of their own out, which
    would end the task that serves the shard, and nobody would hear of it.

    Args:
        work: what to wait for.
        seconds: how long at most; None for without end.
        what: names the work in errors and in the log.

    Raises:
        TimeoutError: it did not end; where it stood is logged.
        BrokenOffError: it was cancelled, and not because we were.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=seconds)
        raise
    if not done:
        log.warning("%s did not end within %s s and is left to itself; it waits at %s", what, seconds, _innermost(task))
        task.cancel()
        task.add_done_callback(_forget)
        raise TimeoutError(f"{what} did not end within {seconds} s")
    if task.cancelled():
        raise BrokenOffError(f"{what} was cancelled from within")
    task.result()


def _innermost(task: asyncio.Task[None]) -> str:
    """The line that a task waits at, in the innermost of its coroutines."""
    waiting: Any = task.get_coro()
    found = ""
    while waiting is not None and getattr(waiting, "cr_frame", None) is not None:
        found = f"{waiting.cr_frame.f_code.co_filename}:{waiting.cr_frame.f_lineno}"
        waiting = waiting.cr_await
    return found


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # looked at, or the loop would complain that nobody did
