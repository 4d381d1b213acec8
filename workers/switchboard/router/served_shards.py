"""A shard as its router serves it: its state, its trouble, how its service ended, and bounded waits for it."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, FencedError, LedgerLostError, NotAllowedError, RestoreError
from switchboard.kafka.acl import denial
from switchboard.kafka.clients import in_words
from switchboard.router.loop import STUCK_SECONDS
from switchboard.router.shard import STALLED_SECONDS, Shard
from switchboard.router.shard_history import EngineFailedError, ShardHistory

log = logging.getLogger(__name__)

State = Literal["serving", "being restored", "waiting", "stuck", "stopped"]


class ServiceEnd(Enum):
    """How a shard's service ended, from opening to closing."""

    STOPPED = auto()
    """As asked for; the shard is let go."""
    FENCED = auto()
    """Another router took the shard over, or the transaction ran out of time."""
    ENGINE_FAILED = auto()
    """The engine raised on an event; the shard is opened again at once."""
    LOST = auto()
    """The ledger, a restore or a broker failed; the shard is opened again after a pause."""


@dataclass(slots=True)
class ServedShard:
    """A shard that is assigned to this router. Times are monotonic, in s."""

    history: ShardHistory
    since: float
    """Since when the broker answers and the shard makes no progress; at first, when the shard was assigned."""
    stuck_after: float = STUCK_SECONDS
    stalled_after: float = STALLED_SECONDS
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    shard: Shard | None = None
    """While the shard is open."""
    opening: bool = False
    stopped: str | None = None
    """Why an assigned shard is served no more; a human must act."""
    trouble: str | None = None
    """Why the shard was last closed; None again once the shard makes progress."""
    _progress: float = 0.0
    """The history's progress at the last `watch`."""

    def watch(self, now: float, *, broker_answers: bool) -> None:
        """Note whether the shard makes progress. To be called about once a second."""
        has_progress, self._progress = self.history.progress > self._progress, self.history.progress
        if has_progress or not broker_answers:
            self.since = now
        if has_progress and self.shard is not None:
            self.trouble = None

    @property
    def is_stuck(self) -> bool:
        """Whether the shard is open and commits nothing although there is lag and the broker answers."""
        return self.shard is not None and self.shard.is_stuck

    @property
    def state(self) -> State:
        """The state in a word or two."""
        if self.stopped is not None:
            return "stopped"
        if self.shard is not None:
            return "stuck" if self.shard.is_stuck else "serving"
        return "being restored" if self.opening or self.trouble is None else "waiting"

    def fault(self, now: float) -> str | None:
        """What a human has to mend, as the end of a sentence about the shard; None: nothing."""
        match self.state:
            case "stopped":
                return f"stopped for a human: {self.stopped}"
            case "stuck":
                seconds = f"{self.stuck_after:g} s"
                return f"is stuck: the broker answers and there is lag, and nothing was committed for {seconds}"
            case _ if now - self.since > self.stalled_after:
                # However often the shard was opened again in this time.
                return f"has not gone on for {self.stalled_after:g} s though the broker answers" + self._cause()
        return None

    def hindrance(self, now: float) -> str | None:
        """Why the shard is not served now, or its fault, as the end of a sentence about the shard; None: served."""
        if (fault := self.fault(now)) is not None:
            return fault
        match self.state:
            case "being restored":
                return f"is being restored{self._cause()}"
            case "waiting":
                return f"waits to be opened again{self._cause()}"
        return None

    def summary(self) -> dict[str, object]:
        """State and last frame, for `/healthz` and `/readyz`."""
        frame = self.history.frame
        return {"state": self.state, "last_frame": frame if frame >= 0 else "no frame yet"}

    def ended_by(self, error: Exception) -> ServiceEnd:
        """How an error ended the shard's service; notes the trouble.

        Raises:
            NotAllowedError: the cluster denied a right, and trying again every second would not help.
            Exception: the error itself, if opening the shard again would not help.
        """
        match error:
            case FencedError():
                self.trouble = f"it was taken over, or its transaction ran out of time: {error}"
                return ServiceEnd.FENCED
            case EngineFailedError():
                self.trouble = f"the engine failed: {error}"
                return ServiceEnd.ENGINE_FAILED
            case (
                LedgerLostError()
                | RestoreError()
                | BrokerAwayError()
                | KafkaError()
                | TimeoutError()
                | BrokenOffError()
            ):
                if (missing := denial(error)) is not None:
                    raise NotAllowedError([missing]) from error
                self.trouble = in_words(error)
                return ServiceEnd.LOST
        raise error

    def _cause(self) -> str:
        return "" if self.trouble is None else f": {self.trouble}"


class BrokenOffError(Exception):
    """The work was cancelled, but not by us."""


async def bounded(work: Coroutine[Any, Any, None], seconds: float | None, what: str) -> None:
    """Wait for `work`, at most `seconds`; then cancel the work and leave it to itself.

    `asyncio.timeout` is not enough: it waits until the cancelled work has ended, and aiokafka's clients now and then
    ignore a cancellation and wait on, so that one of them could hold a shard for ever. Their own cancellations now and
    then escape, too, and would end the task that serves the shard without an error.

    Args:
        work: what to wait for.
        seconds: the longest wait; None: without end.
        what: names the work in errors and in the log.

    Raises:
        TimeoutError: the work did not end; the line that it waits at is logged.
        BrokenOffError: the work was cancelled from within.
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
    """File and line that a task waits at, in the innermost of its coroutines."""
    waiting: Any = task.get_coro()
    found = ""
    while waiting is not None and getattr(waiting, "cr_frame", None) is not None:
        found = f"{waiting.cr_frame.f_code.co_filename}:{waiting.cr_frame.f_lineno}"
        waiting = waiting.cr_await
    return found


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # retrieved, or asyncio would log that nobody retrieved it
