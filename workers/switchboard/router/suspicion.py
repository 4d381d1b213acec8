"""What is known of an engine failure: by which event it may be, and what becomes of that."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from switchboard.domain.events import Frame
from switchboard.kafka.library_logs import raised
from switchboard.kafka.merged_reader import Taken

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
