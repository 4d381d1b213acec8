"""Shards that a router serves: state of the service, latest error, and how the service ended."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, FencedError, LedgerLostError, NotAllowedError, RestoreError
from switchboard.kafka.acl import denial
from switchboard.kafka.clients import in_words
from switchboard.router.background_work import BrokenOffError
from switchboard.router.loop import STUCK_SECONDS
from switchboard.router.shard import STALLED_SECONDS, Shard
from switchboard.router.shard_history import EngineFailedError, ShardHistory

State = Literal["serving", "being restored", "waiting", "stuck", "stopped"]


class ServiceEnd(Enum):
    """How a shard's service ended, from opening to closing."""

    STOPPED = auto()
    """The router was asked to stop; the shard is let go."""
    FENCED = auto()
    """Another router took the shard over, or the transaction ran out of time."""
    ENGINE_FAILED = auto()
    """The engine raised on a frame with events; the shard is opened again at once."""
    LOST = auto()
    """The ledger, a restore or a broker failed; the shard is opened again after a pause."""


@dataclass(slots=True)
class ServedShard:
    """A shard that is assigned to this router. Times are monotonic, in s."""

    history: ShardHistory
    since: float
    """When the shard last made progress, or the broker last did not answer; at first, when the shard was assigned."""
    stuck_after: float = STUCK_SECONDS
    """Seconds without a commit, for the message about a stuck shard."""
    stalled_after: float = STALLED_SECONDS
    """Seconds without progress, while the broker answers, after which the shard is reported."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the router has to stop serving the shard."""
    task: asyncio.Task[None] | None = None
    """The task that serves the shard."""
    shard: Shard | None = None
    """The open shard; None while it is closed or being opened."""
    opening: bool = False
    stopped: str | None = None
    """Why an assigned shard is served no more; a human must act."""
    trouble: str | None = None
    """Why the shard was last closed; None once the shard makes progress again."""
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
        """The shard's state, as reported."""
        if self.stopped is not None:
            return "stopped"
        if self.shard is not None:
            return "stuck" if self.shard.is_stuck else "serving"
        return "being restored" if self.opening or self.trouble is None else "waiting"

    def fault(self, now: float) -> str | None:
        """The fault that a human has to mend, as the end of a sentence about the shard; None: there is none."""
        match self.state:
            case "stopped":
                return f"stopped for a human: {self.stopped}"
            case "stuck":
                seconds = f"{self.stuck_after:g} s"
                return f"is stuck: the broker answers and there is lag, and nothing was committed for {seconds}"
            case _ if now - self.since > self.stalled_after:
                # `since` goes on through reopenings, so that a shard that fails after each opening is reported, too.
                return f"has not gone on for {self.stalled_after:g} s though the broker answers" + self._cause()
        return None

    def hindrance(self, now: float) -> str | None:
        """Why the shard is not served, or its fault, as the end of a sentence about it; None: the shard is served."""
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
        """How an error ended the shard's service; notes the error in `trouble`.

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
        """The trouble, as the end of a sentence; empty without any."""
        return "" if self.trouble is None else f": {self.trouble}"
