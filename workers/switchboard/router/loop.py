"""Service time: how much of it has passed since the frame before (architecture: "Frame")."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.events import Frame
from switchboard.kafka.library_logs import raised
from switchboard.kafka.merged_reader import Taken

LONGEST_MS: Final = 2000
"""The most that one frame lets pass: a router that was stopped for an hour catches up on no timers."""
COMMIT_AGE_SECONDS: Final = 2.0
MISSED_SECONDS: Final = 30.0
"""A shard that can commit nothing is opened again within this."""


class ServiceTime:
    """Runs while the router is caught up, and stands still while it is not.

    So after an outage of the router or the bus no offer has expired that nobody could see or accept, and no agent is
    switched off for it. Times given are monotonic, in s.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._committed: float | None = None
        self.stopped = 0.0
        """Seconds that did not count though some timer was pending, in all."""

    def reopened(self, now: float) -> None:
        """The shard was opened: its first frame lets no time pass, and what passed since the frame before is missed.

        At most `MISSED_SECONDS` are told of it: after a long outage that is over no alert is due.
        """
        self._committed = None
        if self._last is not None:
            self._last = max(self._last, now - MISSED_SECONDS)

    def committed(self, now: float) -> None:
        """A commit was made."""
        self._committed = now

    def stands(self, now: float, *, read_to_end: bool) -> bool:
        """Whether it stands still, the router being not caught up."""
        return not read_to_end or self._committed is None or now - self._committed > COMMIT_AGE_SECONDS

    def run(self, now: float, *, read_to_end: bool, pending: bool = True) -> int:
        """Ms of service time from the frame before to the one that is made now; 0 for a shard's first.

        Args:
            now: the time.
            read_to_end: whether every source was read to its end just now.
            pending: whether a timer was pending since the frame before. With none no frame was made, and what did not
                count was missed by nobody.
        """
        last, self._last = self._last, now
        if last is None:
            return 0
        passed = now - last
        stands = self.stands(now, read_to_end=read_to_end)
        run = 0 if stands else min(int(passed * 1000), LONGEST_MS)
        if stands or run == LONGEST_MS:
            self.stopped += passed - run / 1000 if pending else 0.0
            return run
        self._last = last + run / 1000  # what is less than a ms counts with the next frame
        return run


log = logging.getLogger(__name__)

Source = tuple[str, int, int]


class EngineFailedError(Exception):
    """The engine raised on a frame; reopened, the shard finds out which event it was."""


class TimersFailedError(Exception):
    """The engine raised on the passing of time alone: nobody can go on, and a human must look."""


@dataclass(slots=True)
class Suspicion:
    """What is known of an engine failure; it outlives the reopening of the shard."""

    suspects: set[Source] = field(default_factory=set)
    """Events of the frame that failed: they are applied one a frame."""
    run: int = 0
    """Service time that passed in that frame, ms: it may be the timers that fail."""
    poison: dict[Source, str] = field(default_factory=dict)
    """Events that failed alone, with the error."""

    def falls_on(self, taken: Iterable[Taken]) -> bool:
        """Whether a suspect is among these."""
        return bool(self.suspects) and any(_source(each) in self.suspects for each in taken)

    def clear(self, taken: Taken) -> None:
        """It was applied alone, or set aside, and nothing failed."""
        self.suspects.discard(_source(taken))

    def take_run(self) -> int:
        """The service time to try alone, once."""
        run, self.run = self.run, 0
        return run

    def failed(self, shard: int, frame: Frame, error: Exception) -> EngineFailedError | TimersFailedError:
        """Note that the engine raised on a frame; what is to be raised of it."""
        sources = [event.source for event in frame.events]
        at = f"shard {shard}, frame {frame.n}"
        if not sources:
            return TimersFailedError(f"{at}, {frame.run} ms: {raised(error)}")
        if len(sources) == 1 and sources[0] in self.suspects:
            told = f"{type(error).__name__}: {error}"
            self.poison[sources[0]] = told
            place = {"shard": shard, **dict(zip(("topic", "partition", "offset"), sources[0], strict=True))}
            log.critical("the engine fails on %s: set aside on dead-letter: %s", sources[0], raised(error), extra=place)
            log.debug("the engine fails: %s", told, exc_info=error, extra=place)
        else:
            self.suspects.update(sources)
            self.run = frame.run
        return EngineFailedError(f"{at}: {raised(error)}")


def _source(taken: Taken) -> Source:
    return (taken.record.topic, taken.record.partition, taken.record.offset)
