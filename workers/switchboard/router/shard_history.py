"""The state of a shard that its router keeps while the shard is closed and opened again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.events import Frame
from switchboard.kafka.library_logs import raised
from switchboard.kafka.open_transactions import OpenTransactions
from switchboard.kafka.record_merge import Taken

LONGEST_MS: Final = 2000
"""The most service time in one frame, ms. A router that was stopped for an hour does not make an hour's timers due."""
COMMIT_AGE_SECONDS: Final = 2.0
"""Service time stands still while the last commit is older."""
MISSED_SECONDS: Final = 30.0
"""Of the time from a shard's last frame to its reopening, so much at most counts as stopped service time."""

Source = tuple[str, int, int]
"""(topic on the bus, partition, offset) of a record."""


class ServiceTime:
    """Runs while the router is caught up, and stands still while it is not (architecture: "Service time").

    So no offer expires during an outage of the router or the bus, in which nobody could accept it, and no agent becomes
    unavailable by missed offers. All times are monotonic, in s.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        """When the last frame was made, less the fraction of a ms that counts with the next frame."""
        self._committed: float | None = None
        self.stopped = 0.0
        """Seconds in all that did not count although a timer was pending."""

    def reopened(self, now: float) -> None:
        """Note that the shard was opened.

        The first frame after opening lets no time pass. The time since the last frame counts as stopped, up to
        `MISSED_SECONDS`: a long outage that is over needs no alert.
        """
        self._committed = None
        if self._last is not None:
            self._last = max(self._last, now - MISSED_SECONDS)

    def committed(self, now: float) -> None:
        """Note that a commit was made."""
        self._committed = now

    def is_still(self, now: float, *, read_to_end: bool) -> bool:
        """Whether service time stands still because the router is not caught up."""
        return not read_to_end or self._committed is None or now - self._committed > COMMIT_AGE_SECONDS

    def run(self, now: float, *, read_to_end: bool, pending: bool = True) -> int:
        """Service time from the last frame to the next one, which is made now.

        Args:
            now: the time.
            read_to_end: whether every source partition was read to its end just now.
            pending: whether a timer was pending since the last frame. Time without a pending timer never counts as
                stopped.

        Returns:
            Service time, ms; 0 for a shard's first frame.
        """
        last, self._last = self._last, now
        if last is None:
            return 0
        passed = now - last
        is_still = self.is_still(now, read_to_end=read_to_end)
        run = 0 if is_still else min(int(passed * 1000), LONGEST_MS)
        if is_still or run == LONGEST_MS:
            self.stopped += passed - run / 1000 if pending else 0.0
            return run
        self._last = last + run / 1000  # the fraction of a ms that is left counts with the next frame
        return run


class EngineFailedError(Exception):
    """The engine raised on a frame with events. After its reopening the shard finds the event at fault.

    Args:
        message: shard, frame and cause.
        set_aside: the source of the event at fault, once it has failed alone; it goes to `dead-letter`.
    """

    def __init__(self, message: str, set_aside: Source | None = None) -> None:
        super().__init__(message)
        self.set_aside = set_aside


class TimersFailedError(Exception):
    """The engine raised on a frame without events: a timer fails, the shard can't go on, and a human must act."""


@dataclass(slots=True)
class EngineFailures:
    """The frames on which the engine raised, and what was found to be at fault."""

    suspects: set[Source] = field(default_factory=set)
    """Events of a frame that failed; each is applied in a frame of its own."""
    run: int = 0
    """Service time of the frame that failed, ms; a timer may be at fault."""
    poison: dict[Source, str] = field(default_factory=dict)
    """Events that failed alone, with the error. The reader returns them as bad input."""

    def concern(self, taken: Iterable[Taken]) -> bool:
        """Whether a suspect is among these records."""
        return bool(self.suspects) and any(source_of(each) in self.suspects for each in taken)

    def clear(self, taken: Taken) -> None:
        """Note that a record was applied alone, or set aside, without a failure."""
        self.suspects.discard(source_of(taken))

    def take_run(self) -> int:
        """The service time of the frame that failed, ms, to be tried alone; 0 when called again."""
        run, self.run = self.run, 0
        return run

    def note(self, shard: int, frame: Frame, error: Exception) -> EngineFailedError | TimersFailedError:
        """Note that the engine raised on a frame.

        Returns:
            The error to stop the shard's loop with.
        """
        sources = [event.source for event in frame.events]
        at = f"shard {shard}, frame {frame.n}"
        failure: EngineFailedError | TimersFailedError
        if not sources:
            failure = TimersFailedError(f"{at}, {frame.run} ms: {raised(error)}")
        elif len(sources) == 1 and sources[0] in self.suspects:
            # The event has failed a second time, now alone.
            self.poison[sources[0]] = f"{type(error).__name__}: {error}"
            failure = EngineFailedError(f"{at}: {raised(error)}", sources[0])
        else:
            self.suspects.update(sources)
            self.run = frame.run
            failure = EngineFailedError(f"{at}: {raised(error)}")
        failure.__cause__ = error
        return failure


@dataclass(slots=True)
class ShardHistory:
    """State of a shard that one router keeps from each opening to the next."""

    progress: float
    """When (s since 1970) the shard last made progress, or was assigned to this router."""
    failures: EngineFailures = field(default_factory=EngineFailures)
    service: ServiceTime = field(default_factory=ServiceTime)
    frame: int = -1
    """Number of the last committed frame; -1 before the first."""
    transactions: OpenTransactions = field(default_factory=OpenTransactions)
    """Open transactions on the source partitions; times are monotonic."""


def source_of(taken: Taken) -> Source:
    """Topic, partition and offset of a record."""
    return (taken.record.topic, taken.record.partition, taken.record.offset)
