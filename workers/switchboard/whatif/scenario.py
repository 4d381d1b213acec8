"""A recorded day of arrivals with assumed people: only the counts of calls are real, all else is stated here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Protocol

from switchboard.journal.log_frames import Tally
from switchboard.simulation.cast import Cast, Line, Planned, agent_name
from switchboard.simulation.people import Behaviour, Dice, Drawn, People
from switchboard.simulation.recorded_days import Day, arrival_times
from switchboard.tools import offline_replay
from switchboard.whatif.measures import Measures
from switchboard.whatif.recorded_day import AgentKey, AgentPast, Past, Reader
from switchboard.whatif.recorded_people import Known, RecordedPeople, known_of

OPENS: Final = 7 * 60
CLOSES: Final = 24 * 60
"""Minutes of the day; calls at night are left out."""
SHIFTS: Final = ((7 * 60, 15 * 60), (10 * 60, 18 * 60), (16 * 60, 24 * 60))
"""Early, middle and late: agents are dealt out over them in turn."""
BREAK: Final = 30
"""Minutes, in the middle of a shift; no two of one shift at once as long as there are six or fewer."""

OFFICE: Final[Mapping[str, Mapping[str, Any]]] = {
    "office": {
        "queues": [{"name": "accounts"}, {"name": "cards"}],
        "profiles": [{"name": "desk", "mode": "push", "max_sessions": 2}],
    }
}


@dataclass(slots=True, frozen=True)
class AssumedDay:
    """One of the shipped days, with agents in shifts and people of a behaviour."""

    day: Day
    configs: Mapping[str, Mapping[str, Any]]
    agents: Mapping[AgentKey, AgentPast]
    behaviour: Behaviour

    @property
    def start(self) -> int:
        """When the office opens, as if the day's clock were UTC."""
        midnight = datetime.fromisoformat(self.day.name).replace(tzinfo=UTC)
        return round(midnight.timestamp()) * 1000 + OPENS * 60_000

    @property
    def end(self) -> int:
        """When it closes."""
        return self.start + (CLOSES - OPENS) * 60_000

    def arrivals(self, seed: str) -> Iterator[int]:
        """The calls of each bin, placed evenly within it by the seed."""
        times = arrival_times([self.day], seed=seed, from_minute=OPENS)
        return takewhile(lambda after: after < (CLOSES - OPENS) * 60_000, times)

    def people(self, seed: str, ways: Mapping[str, AgentPast]) -> People:
        """Drawn from the behaviour; all agents have the same ways."""
        del ways
        # The first queue of a pool has as many chats again as each of the others.
        lines = [
            Line(queue["name"], pool, 1.0 + (index == 0))
            for pool, config in self.configs.items()
            for index, queue in enumerate(config["queues"])
        ]
        return Drawn(self.behaviour, Dice(seed), Cast(lines, ()), "chat")


def shift_workers(number: int, configs: Mapping[str, Mapping[str, Any]]) -> dict[AgentKey, AgentPast]:
    """So many agents, dealt out over the profiles and the shifts."""
    places = [(pool, row["name"]) for pool, config in configs.items() for row in config["profiles"]]
    agents = {}
    for index in range(number):
        pool, profile = places[index % len(places)]
        turn = index // len(places)
        comes, goes = SHIFTS[turn % len(SHIFTS)]
        rest = (comes + goes) // 2 + BREAK * (turn // len(SHIFTS) % 6 - 3)
        plan = [
            _planned(comes, "agent-logged-in", profile=profile),
            _planned(rest, "agent-status-changed", status="unavailable"),
            _planned(rest + BREAK, "agent-status-changed", status="available"),
            _planned(goes, "agent-logged-out"),
        ]
        key = (pool, agent_name(index))
        agents[key] = AgentPast(key, plan)
    return agents


def _planned(minute: int, event_type: str, **data: str) -> Planned:
    return Planned((minute - OPENS) * 60_000, event_type, data)


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
    for number, (engine, frame) in enumerate(offline_replay.steps(path, tally)):
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
