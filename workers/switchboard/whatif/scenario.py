"""Scenarios of a simulation: a recorded log, or a shipped day of call arrivals with assumed agents and customers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Protocol

from switchboard.journal.log_frames import Tally
from switchboard.simulation.cast import Cast, Line, PlannedEvent, agent_name
from switchboard.simulation.people import Behaviour, DrawnPeople, People, SeededRandom
from switchboard.simulation.recorded_days import Day, arrival_times
from switchboard.tools import offline_replay
from switchboard.whatif.measures import Measures
from switchboard.whatif.recorded_day import AgentKey, DayReader, RecordedAgent, RecordedDay
from switchboard.whatif.recorded_people import DayStatistics, RecordedPeople, statistics_of

OPENS: Final = 7 * 60
CLOSES: Final = 24 * 60
"""Opening hours in minutes of the day. Calls at night are left out."""
SHIFTS: Final = ((7 * 60, 15 * 60), (10 * 60, 18 * 60), (16 * 60, 24 * 60))
"""Early, middle and late shift in minutes of the day. Agents take the shifts in turn."""
BREAK: Final = 30
"""Minutes of the break about the middle of a shift. Up to six agents of a shift have breaks at different times."""

OFFICE: Final[Mapping[str, Mapping[str, Any]]] = {
    "office": {
        "queues": [{"name": "accounts"}, {"name": "cards"}],
        "profiles": [{"name": "desk", "mode": "push", "max_sessions": 2}],
    }
}


@dataclass(slots=True, frozen=True)
class AssumedScenario:
    """A shipped day of arrivals, with agents in shifts, and people drawn from a behaviour."""

    day: Day
    configs: Mapping[str, Mapping[str, Any]]
    agents: Mapping[AgentKey, RecordedAgent]
    behaviour: Behaviour

    @property
    def start(self) -> int:
        """Opening time, ms since 1970, with the day's clock taken as UTC."""
        midnight = datetime.fromisoformat(self.day.name).replace(tzinfo=UTC)
        return round(midnight.timestamp()) * 1000 + OPENS * 60_000

    @property
    def end(self) -> int:
        """Closing time, ms since 1970."""
        return self.start + (CLOSES - OPENS) * 60_000

    def arrivals(self, seed: str) -> Iterator[int]:
        """Arrivals in ms since the start: the calls of each bin, spread over the bin at random."""
        times = arrival_times([self.day], seed=seed, from_minute=OPENS)
        return takewhile(lambda after: after < (CLOSES - OPENS) * 60_000, times)

    def people(self, seed: str, recorded: Mapping[str, RecordedAgent]) -> People:
        """Customers and agents drawn from the behaviour, which is the same for all agents."""
        del recorded
        # The first queue of a pool has twice as many chats as each other queue.
        lines = [
            Line(queue["name"], pool, 1.0 + (index == 0))
            for pool, config in self.configs.items()
            for index, queue in enumerate(config["queues"])
        ]
        return DrawnPeople(self.behaviour, SeededRandom(seed), Cast(lines, ()), "chat")


def shift_workers(number: int, configs: Mapping[str, Mapping[str, Any]]) -> dict[AgentKey, RecordedAgent]:
    """Agents of a shipped day, distributed over profiles and shifts.

    Args:
        number: number of agents.
        configs: pool id → configuration.
    """
    profiles = [(pool, row["name"]) for pool, config in configs.items() for row in config["profiles"]]
    agents = {}
    for index in range(number):
        pool, profile = profiles[index % len(profiles)]
        turn = index // len(profiles)
        start, end = SHIFTS[turn % len(SHIFTS)]
        # Six breaks of a shift follow one another around its middle.
        pause = (start + end) // 2 + BREAK * (turn // len(SHIFTS) % 6 - 3)
        plan = [
            _planned(start, "agent-logged-in", profile=profile),
            _planned(pause, "agent-status-changed", status="unavailable"),
            _planned(pause + BREAK, "agent-status-changed", status="available"),
            _planned(end, "agent-logged-out"),
        ]
        key = (pool, agent_name(index))
        agents[key] = RecordedAgent(key, plan)
    return agents


def _planned(minute: int, event_type: str, **data: str) -> PlannedEvent:
    return PlannedEvent((minute - OPENS) * 60_000, event_type, data)


class Scenario(Protocol):
    """Arrivals, agents and people that can be simulated under several rules and seeds."""

    @property
    def start(self) -> int:
        """Ms since 1970."""

    @property
    def end(self) -> int:
        """Ms since 1970."""

    @property
    def configs(self) -> Mapping[str, Mapping[str, Any]]:
        """Pool id → configuration without a variant's settings."""

    @property
    def agents(self) -> Mapping[AgentKey, RecordedAgent]:
        """The agents with their plans."""

    def arrivals(self, seed: str) -> Iterator[int]:
        """The arrivals in ms since the start, ascending."""

    def people(self, seed: str, recorded: Mapping[str, RecordedAgent]) -> People:
        """The customers and agents of one run. `recorded` maps each agent id of the simulation to a recorded agent."""


@dataclass(slots=True, frozen=True)
class RecordedScenario:
    """A recorded log, with the people of the log."""

    day: RecordedDay
    statistics: DayStatistics
    measures: Measures
    """The results in the log itself."""
    tally: Tally
    """Counts of the log's lines."""

    @property
    def start(self) -> int:
        """Clock of the first frame, ms since 1970."""
        return self.day.start

    @property
    def end(self) -> int:
        """Clock of the last frame, ms since 1970."""
        return self.day.end

    @property
    def configs(self) -> Mapping[str, Mapping[str, Any]]:
        """Pool id → the pool's last configuration."""
        return self.day.configs

    @property
    def agents(self) -> Mapping[AgentKey, RecordedAgent]:
        """The agents of the log with their plans."""
        return self.day.agents

    def arrivals(self, seed: str) -> Iterator[int]:
        """The arrivals of the log in ms since the start."""
        del seed
        return (chat.after for chat in self.day.chats)

    def people(self, seed: str, recorded: Mapping[str, RecordedAgent]) -> People:
        """Customers and agents as in the log, and drawn where the log does not show something."""
        return RecordedPeople(self.statistics, seed, recorded)


def read_recorded(path: Path, click_median: float, progress: Callable[[], None]) -> RecordedScenario:
    """Read a log as a scenario, by a replay.

    Args:
        path: the recorded log.
        click_median: median delay of Request Chat in seconds, used if the log has no request.
        progress: called every 1,000 frames.

    Raises:
        RecordedLogError, OSError: the log can't be read.
        NothingToCompareError: no chat arrives in the log.
    """
    tally, reader = Tally(), DayReader()
    measures: Measures | None = None
    for number, (engine, frame) in enumerate(offline_replay.steps(path, tally)):
        if measures is None:
            measures = Measures(frame.at)
        decisions = engine.apply(frame).decisions
        reader.step(engine, frame, decisions)
        measures.step(engine, frame, decisions)
        measures.note_seen(reader.agents.seen, frame.at)
        if not number % 1000:
            progress()
    day = reader.finish()
    measures = measures or Measures(0)
    measures.remove_departed(reader.agents.departed())
    return RecordedScenario(day, statistics_of(day, click_median), measures, tally)
