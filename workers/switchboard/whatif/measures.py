"""What came of a day: waits, service level, abandonment, how busy the agents were, how evenly chats were shared.

The same measures for a log and for its re-simulations: each frame is looked at after the engine has applied it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.domain.state import Agent
from switchboard.projections.chat_outcomes import (
    EndedWaits,
    FirstWaits,
    WaitOutcome,
    acceptances_of,
    arrivals_of,
    closures_of,
    service_level,
)
from switchboard.simulation.tally import rank
from switchboard.whatif.recorded_day import AgentKey

Figures: TypeAlias = dict[str, float]
"""By name; seconds, shares from 0 to 1, or counts. One that has no value (no chat, no agent) is not there."""


@dataclass(slots=True)
class QueueWaits:
    """The first waits of the chats that arrived in one queue, in ms: from arrival to acceptance, or to the end."""

    by_outcome: defaultdict[WaitOutcome, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "QueueWaits") -> None:
        """Take in the waits of another queue."""
        for outcome, waits in other.by_outcome.items():
            self.by_outcome[outcome] += waits

    def figures(self, threshold_ms: int) -> Figures:
        """The figures of the chats whose first wait has ended; a chat answered within `threshold_ms` is in time."""
        every = sorted(wait for waits in self.by_outcome.values() for wait in waits)
        if not every:
            return {}
        ended = len(every)
        answered = sorted(self.by_outcome["answered"])
        short = len(self.by_outcome["short-abandoned"])
        level = service_level(sum(wait <= threshold_ms for wait in answered), ended, short)
        figures: Figures = {
            "offered": ended,
            "service_level": level.of_all or 0.0,
            "abandonment": (len(self.by_outcome["abandoned"]) + short) / ended,
            "timed_out": len(self.by_outcome["timed-out"]) / ended,
            "wait_all": sum(every) / ended / 1000,
            "wait_all_p90": rank(every, 0.9) / 1000,
        }
        if level.without_short is not None:
            figures["service_level_without_short"] = level.without_short
        if answered:
            figures["wait"] = sum(answered) / len(answered) / 1000
            figures["wait_p90"] = rank(answered, 0.9) / 1000
        return figures


@dataclass(slots=True)
class _Hours:
    """An agent's state and since when, and how long it was in which. In ms."""

    since: int
    there: bool = False
    held: int = 0
    there_ms: int = 0
    busy_ms: int = 0
    session_ms: int = 0
    there_by_sign_ms: int = 0
    """Of the time there, what had passed at the last sign."""

    def move(self, at: int, *, ready: bool, held: int) -> None:
        spent = at - self.since
        if self.there:
            self.there_ms += spent
        if self.held:
            self.busy_ms += spent
            self.session_ms += spent * self.held
        self.since, self.there, self.held = at, ready or held > 0, held


@dataclass(slots=True)
class Measures:
    """Is shown each frame; then says what came of it."""

    start: int
    queues: dict[str, QueueWaits] = field(default_factory=lambda: defaultdict(QueueWaits))
    """By `POOL/QUEUE`."""
    assignments: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Chats accepted, by agent; one who was there has a row."""
    ended: Counter[str] = field(default_factory=Counter)
    """Offers that ended, by reason."""
    waits: list[tuple[int, int]] = field(default_factory=list)
    """Of each chat whose first wait has ended: (arrival since the start, wait), in ms."""
    end: int = 0
    _unanswered: FirstWaits = field(init=False)
    """Chats that nobody has answered yet; one that arrived before the start waits from the start on."""
    _hours: dict[tuple[str, str], _Hours] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without any chat."""
        self._unanswered = FirstWaits(self.start)

    def step(self, engine: Engine, frame: Frame, decisions: Sequence[Decision]) -> None:
        """Take note of one frame."""
        self.end = max(self.end, frame.at)
        made: defaultdict[str, list[Any]] = defaultdict(list)
        for decision in decisions:
            made[decision.type].append(decision)
        # A chat arrives before it is accepted, and is accepted before it is closed: the three types keep this order.
        self._unanswered.arrive(arrivals_of(made["chat-queued"]))
        confirmed = made["assignment-confirmed"]
        self.assignments.update((decision.pool, decision.agent_id) for decision in confirmed)
        self._take(self._unanswered.accept(acceptances_of(confirmed)))
        self.ended.update(decision.reason for decision in made["assignment-ended"])
        self._take(self._unanswered.close(closures_of(made["chat-closed"])))
        for pool_id, agent_id, agent in engine.changed_agents():
            self._agent((pool_id, agent_id), agent, frame.at)

    def signs(self, agents: Iterable[AgentKey], at: int) -> None:
        """These gave a sign in the frame at this time, which `step` has been shown."""
        for key in agents:
            hours = self._hours.get(key)
            if hours is not None:
                hours.move(at, ready=hours.there, held=hours.held)
                hours.there_by_sign_ms = hours.there_ms

    def left(self, agents: Iterable[AgentKey]) -> None:
        """These went at their last sign, though nothing in the log says so. They have no chat in hand."""
        for key in agents:
            hours = self._hours[key]
            hours.there, hours.there_ms = False, hours.there_by_sign_ms

    def queue_figures(self, threshold_ms: int) -> dict[str, Figures]:
        """By queue of arrival."""
        return {name: queue.figures(threshold_ms) for name, queue in sorted(self.queues.items())}

    def figures(self, threshold_ms: int) -> Figures:
        """Of all queues and agents together."""
        whole = QueueWaits()
        for queue in self.queues.values():
            whole.add(queue)
        told = whole.figures(threshold_ms)
        told |= {"missed": self.ended["missed"], "declined": self.ended["declined"]}
        told["left_waiting"] = len(self._unanswered)
        for hours in self._hours.values():
            hours.move(self.end, ready=hours.there, held=hours.held)
        there = sum(hours.there_ms for hours in self._hours.values())
        if there:
            told["agent_hours"] = there / 3_600_000
            told["occupancy"] = sum(hours.busy_ms for hours in self._hours.values()) / there
            told["sessions_used"] = sum(hours.session_ms for hours in self._hours.values()) / there
        shares = self.shares()
        if shares:
            told |= {
                "assignments_min": shares[0],
                "assignments_median": shares[len(shares) // 2],
                "assignments_max": shares[-1],
                "gini": gini(shares),
            }
        return told

    def shares(self) -> list[int]:
        """How many chats each agent accepted, ascending; of everyone who was there."""
        return sorted(self.assignments[key] for key in self._hours.keys() | self.assignments.keys())

    def by_time(self, bin_ms: int) -> dict[int, list[int]]:
        """Waits of all chats, by the bin in which they arrived, counted from the start."""
        told: defaultdict[int, list[int]] = defaultdict(list)
        for came, wait in self.waits:
            told[came // bin_ms].append(wait)
        return told

    def _take(self, ended: EndedWaits) -> None:
        for (pool, queue, outcome), waits in ended.items():
            self.queues[f"{pool}/{queue}"].by_outcome[outcome] += [wait for _, wait in waits]
            self.waits += [(arrived - self.start, wait) for arrived, wait in waits]

    def _agent(self, key: tuple[str, str], agent: Agent | None, at: int) -> None:
        hours = self._hours.get(key)
        if hours is None:
            hours = self._hours[key] = _Hours(at)
        held = 0 if agent is None else len(agent.sessions) - agent.undecided
        hours.move(at, ready=agent is not None and agent.ready, held=held)


def gini(ascending: Sequence[int]) -> float:
    """How unevenly something is shared: 0 where all have the same, towards 1 where one has all."""
    total = sum(ascending)
    if not total:
        return 0.0
    number = len(ascending)
    weighted = sum((2 * place - number - 1) * each for place, each in enumerate(ascending, start=1))
    return weighted / (number * total)
