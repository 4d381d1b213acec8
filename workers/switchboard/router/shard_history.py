"""What outlives the reopening of a shard: its service time, and the events that made the engine fail."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.events import Frame
from switchboard.kafka.library_logs import raised
from switchboard.kafka.merged_reader import Taken
from switchboard.kafka.open_transactions import OpenTransactions

LONGEST_MS: Final = 2000
"""The most service time in one frame: a router that was stopped for an hour does not catch up on timers."""
COMMIT_AGE_SECONDS: Final = 2.0
"""Service time stands still while the last commit is older."""
MISSED_SECONDS: Final = 30.0
"""A shard that can commit nothing is opened again within this time."""

Source = tuple[str, int, int]
"""(topic on the bus, partition, offset) of a record."""


class ServiceTime:
    """Runs while the router is caught up, and stands still while it is not (architecture: "Service time").

    After an outage of the router or the bus no offer has expired that nobody could see or accept, and no agent is
    switched off for it. All times given are monotonic, in s.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        """When the last frame was made, less the part of a ms that it did not count."""
        self._committed: float | None = None
        self.stopped = 0.0
        """Seconds in all that did not count although a timer was pending."""

    def reopened(self, now: float) -> None:
        """Note that the shard was opened.

        The first frame after opening lets no time pass. The time since the last frame counts as stopped, at most
        `MISSED_SECONDS` of it: after a long outage that is over no alert is due.
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
        """Service time from the last frame to the frame that is made now.

        Args:
            now: the time.
            read_to_end: whether every source partition was read to its end just now.
            pending: whether a timer was pending since the last frame. Without one no frame was made, and nobody missed
                the time that did not count.

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
        self._last = last + run / 1000  # the rest, less than a ms, counts with the next frame
        return run


class EngineFailedError(Exception):
    """The engine raised on a frame with events; opened again, the shard finds the event at fault.

    Args:
        message: shard, frame and cause.
        set_aside: the event at fault, once it has failed alone.
    """

    def __init__(self, message: str, set_aside: Source | None = None) -> None:
        super().__init__(message)
        self.set_aside = set_aside


class TimersFailedError(Exception):
    """The engine raised on a frame without events: its timers fail, the shard can't go on, and a human must act."""


@dataclass(slots=True)
class EngineFailures:
    """What is known of frames on which the engine raised."""

    suspects: set[Source] = field(default_factory=set)
    """Events of the frame that failed; they are applied one a frame."""
    run: int = 0
    """Service time of the frame that failed, ms; its timers may be at fault."""
    poison: dict[Source, str] = field(default_factory=dict)
    """Events that failed alone, with the error. The reader hands them out as bad input."""

    def concern(self, taken: Iterable[Taken]) -> bool:
        """Whether a suspect is among these records."""
        return bool(self.suspects) and any(source_of(each) in self.suspects for each in taken)

    def clear(self, taken: Taken) -> None:
        """Note that a record was applied alone, or set aside, without a failure."""
        self.suspects.discard(source_of(taken))

    def take_run(self) -> int:
        """The service time to try alone, ms; 0 once it was taken."""
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
    """What a router knows of a shard however often the shard is opened again."""

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
