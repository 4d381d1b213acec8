"""Work that runs beside a shard's loop: bounded waits, and the commit under way."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from switchboard.errors import LedgerLostError
from switchboard.kafka.ledger import CommitBatch, Ledger

log = logging.getLogger(__name__)


class BrokenOffError(Exception):
    """The work was cancelled by aiokafka, not by Switchboard."""


async def bounded(work: Coroutine[Any, Any, None], seconds: float | None, what: str) -> None:
    """Wait for `work`, at most `seconds`; then cancel the work and wait no longer.

    `asyncio.timeout` is not enough, for two reasons. First, `asyncio.timeout` waits until the cancelled work has ended,
    and aiokafka's clients sometimes ignore a cancellation: one client could hold a shard for ever. Second, a
    cancellation within aiokafka sometimes escapes, and would end the task that serves the shard.

    Args:
        work: what to wait for.
        seconds: the longest wait; None: without end.
        what: names the work in errors and in the log.

    Raises:
        TimeoutError: the work did not end; the line that the work waits at is logged.
        BrokenOffError: aiokafka cancelled the work from within.
        Exception: the error of the work.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        # The caller is cancelled: pass the cancellation on.
        task.cancel()
        await asyncio.wait({task}, timeout=seconds)
        raise
    if not done:
        log.warning("%s did not end within %s s and is left to itself; it waits at %s", what, seconds, _innermost(task))
        task.cancel()
        task.add_done_callback(_retrieve_error)
        raise TimeoutError(f"{what} did not end within {seconds} s")
    if task.cancelled():
        raise BrokenOffError(f"{what} was cancelled from within")
    task.result()


def _innermost(task: asyncio.Task[None]) -> str:
    """File and line that a task waits at, in the innermost of its coroutines."""
    waiting: Any = task.get_coro()
    found = ""
    while waiting is not None and getattr(waiting, "cr_frame", None) is not None:
        found = f"{waiting.cr_frame.f_code.co_filename}:{waiting.cr_frame.f_lineno}"
        waiting = waiting.cr_await
    return found


def _retrieve_error(task: asyncio.Task[None]) -> None:
    """Retrieve a task's error; asyncio logs errors that were never retrieved."""
    if not task.cancelled():
        task.exception()


class Committer:
    """Commits batches in the background, one at a time.

    Args:
        ledger: open.
        made: called after each commit with its duration in s; returns the batch to commit next, if one waits.
        failed: called with the error of a commit; no further commit is made.
    """

    def __init__(
        self, ledger: Ledger, made: Callable[[float], CommitBatch | None], failed: Callable[[Exception], None]
    ) -> None:
        self._ledger = ledger
        self._made = made
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    def start(self, batch: CommitBatch) -> None:
        """Begin to commit a batch; none may be under way."""
        self._task = asyncio.create_task(self._work(batch))

    async def wait(self, within: float | None) -> None:
        """Wait until the commit under way has ended, or until `within` seconds are over."""
        self._ended.clear()
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            pass  # the loop gets the time with its next action, and decides

    async def abandon(self) -> None:
        """Cancel the commit under way, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self, batch: CommitBatch | None) -> None:
        """Commit a batch, then each batch that waits when the one before is committed."""
        try:
            while batch is not None:
                began = time.monotonic()
                await self._ledger.commit(batch)
                batch = self._made(time.monotonic() - began)
                self._ended.set()
        except asyncio.CancelledError:
            # aiokafka may cancel a commit from within. If the loop did not learn of it, the loop would wait for the
            # commit for ever.
            self._failed(LedgerLostError("a commit was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - the loop stops with any error
            self._failed(error)
        finally:
            self._ended.set()
