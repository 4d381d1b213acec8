"""Waiting that ends, whatever the library waited for does with a cancellation."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from switchboard.router.shard import STUCK_SECONDS, Shard, Standing

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


STALLED_SECONDS: Final = 120.0
"""A broker answers and the shard does not go on: one restore takes 90 s at most."""

State = Literal["serving", "being restored", "waiting", "stuck", "stopped"]


@dataclass(slots=True)
class Served:
    """A shard that this router is to serve. Times are monotonic, in s."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    shard: Shard | None = None
    """While it is open."""
    opening: bool = False
    stopped: str | None = None
    """Why it is served no more, though it is ours: a human must look."""
    trouble: str | None = None
    """Why it was closed last, until it goes on."""
    standing: Standing = field(default_factory=Standing)
    _known: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    """Since when the broker answers and yet the shard has not gone on."""

    def look(self, now: float, *, broker_answers: bool) -> None:
        """Note whether it goes on; to be called about once a second."""
        went_on, self._known = self.standing.progress > self._known, self.standing.progress
        if went_on or not broker_answers:
            self._since = now
        if went_on and self.shard is not None:
            self.trouble = None

    @property
    def is_stalled(self) -> bool:
        """Whether it has not gone on for long, however often it was opened, and a broker answered all the time."""
        return time.monotonic() - self._since > STALLED_SECONDS

    @property
    def state(self) -> State:
        """In a word or two."""
        if self.stopped is not None:
            return "stopped"
        if self.shard is not None:
            return "stuck" if self.shard.is_stuck else "serving"
        return "being restored" if self.opening or self.trouble is None else "waiting"

    @property
    def wrong(self) -> str | None:
        """What a human is to look at, as the end of a sentence about the shard; None while there is nothing."""
        match self.state:
            case "stopped":
                return f"stopped for a human: {self.stopped}"
            case "stuck":
                return (
                    f"is stuck: the broker answers and there is lag, and nothing was committed for {STUCK_SECONDS:g} s"
                )
            case _ if self.is_stalled:
                return f"has not gone on for {STALLED_SECONDS:g} s though the broker answers" + self._cause()
        return None

    @property
    def amiss(self) -> str | None:
        """What keeps it from being served now, or is wrong, likewise; None while all is well."""
        if (wrong := self.wrong) is not None:
            return wrong
        match self.state:
            case "being restored":
                return f"is being restored{self._cause()}"
            case "waiting":
                return f"waits to be opened again{self._cause()}"
        return None

    def told(self) -> dict[str, object]:
        """For whoever asks."""
        frame = self.standing.frame
        return {"state": self.state, "last_frame": frame if frame >= 0 else "no frame yet"}

    def _cause(self) -> str:
        return "" if self.trouble is None else f": {self.trouble}"
