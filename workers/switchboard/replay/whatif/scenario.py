"""What is simulated again: a log's day, or a recorded day of arrivals with assumed people."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from switchboard.journal.log_frames import Tally
from switchboard.replay import offline
from switchboard.replay.whatif.extracting import Reader
from switchboard.replay.whatif.measuring import Measures
from switchboard.replay.whatif.past import AgentKey, AgentPast, Past
from switchboard.replay.whatif.recorded_people import Known, RecordedPeople, known_of
from switchboard.simulation.people import People


class Scenario(Protocol):
    """A day that can be played again and again."""

    @property
    def start(self) -> int:
        """Ms since 1970."""

    @property
    def end(self) -> int:
        """Ms since 1970."""

    @property
    def configs(self) -> Mapping[str, Mapping[str, Any]]:
        """Each pool's own configuration."""

    @property
    def agents(self) -> Mapping[AgentKey, AgentPast]:
        """Who worked, and when."""

    def arrivals(self, seed: str) -> Iterator[int]:
        """When chats arrive, in ms since the start."""

    def people(self, seed: str, ways: Mapping[str, AgentPast]) -> People:
        """Who they are; `ways` are the agents' by their ids."""


@dataclass(slots=True, frozen=True)
class Recorded:
    """A log's day."""

    past: Past
    known: Known
    measures: Measures
    """As the log has it."""
    tally: Tally

    @property
    def start(self) -> int:
        """The first frame's clock."""
        return self.past.start

    @property
    def end(self) -> int:
        """The last frame's."""
        return self.past.end

    @property
    def configs(self) -> Mapping[str, Mapping[str, Any]]:
        """The last of each pool."""
        return self.past.configs

    @property
    def agents(self) -> Mapping[AgentKey, AgentPast]:
        """As the log shows them."""
        return self.past.agents

    def arrivals(self, seed: str) -> Iterator[int]:
        """As they were."""
        del seed
        return (chat.after for chat in self.past.chats)

    def people(self, seed: str, ways: Mapping[str, AgentPast]) -> People:
        """As they were, and drawn where the log does not show it."""
        return RecordedPeople(self.known, seed, ways)


def read_recorded(path: Path, click_median: float, progress: Callable[[], None]) -> Recorded:
    """A log's day: each of its decisions is made again, and looked at.

    Raises:
        RecordedLogError, OSError: as `offline.steps`.
        NothingToCompareError: no chat arrives in it.
    """
    tally, reader = Tally(), Reader()
    measures: Measures | None = None
    for number, (engine, frame) in enumerate(offline.steps(path, tally)):
        if measures is None:
            measures = Measures(frame.at)
        decisions = engine.apply(frame).decisions
        reader.step(engine, frame, decisions)
        measures.step(engine, frame, decisions)
        measures.signs(reader.agents.signs, frame.at)
        if not number % 1000:
            progress()
    past = reader.past()
    measures = measures or Measures(0)
    measures.left(reader.agents.left())
    return Recorded(past, known_of(past, click_median), measures, tally)
