"""Results of a day: waits, service level, abandonment, occupancy of the agents, and the distribution of chats.

A log and its simulations are measured by the same code.
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
"""Name of a figure → seconds, share from 0 to 1, or count. A figure without a value (no chat, no agent) is missing."""


@dataclass(slots=True)
class QueueWaits:
    """The first waits of the chats that arrived in one queue, in ms."""

    by_outcome: defaultdict[WaitOutcome, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "QueueWaits") -> None:
        """Add the waits of another queue."""
        for outcome, waits in other.by_outcome.items():
            self.by_outcome[outcome] += waits

    def figures(self, threshold_ms: int) -> Figures:
        """The figures of the chats whose first wait has ended. The service level counts waits up to `threshold_ms`."""
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
class _AgentTime:
    """An agent's state, and the time spent in each state, in ms."""

    since: int
    """Start of the state, ms since 1970."""
    present: bool = False
    """True if the agent is available or has a chat."""
    accepted: int = 0
    """Number of sessions without offers."""
    present_ms: int = 0
    busy_ms: int = 0
    """Time with at least one accepted chat."""
    session_ms: int = 0
    """Sum of the durations of all accepted sessions."""
    present_when_seen_ms: int = 0
    """`present_ms` when the agent was last seen."""

    def change(self, at: int, *, ready: bool, accepted: int) -> None:
        """Add the time since the last change, and set the new state."""
        spent = at - self.since
        if self.present:
            self.present_ms += spent
        if self.accepted:
            self.busy_ms += spent
            self.session_ms += spent * self.accepted
        self.since, self.present, self.accepted = at, ready or accepted > 0, accepted


@dataclass(slots=True)
class Measures:
    """Measures a day. Call `step` with each frame, after the engine applied it; then read the figures."""

    start: int
    """Clock of the first frame, ms since 1970."""
    queues: dict[str, QueueWaits] = field(default_factory=lambda: defaultdict(QueueWaits))
    """`POOL/QUEUE` of the arrival → waits."""
    assignments: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(pool, agent id) → accepted chats."""
    ended: Counter[str] = field(default_factory=Counter)
    """Offers that ended, by reason."""
    waits: list[tuple[int, int]] = field(default_factory=list)
    """(arrival since the start, first wait) of each chat whose first wait has ended, in ms."""
    end: int = 0
    """Clock of the last frame, ms since 1970."""
    _unanswered: FirstWaits = field(init=False)
    """Chats in their first wait. The wait of a chat that arrived before the start begins at the start."""
    _agents: dict[AgentKey, _AgentTime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start without chats."""
        self._unanswered = FirstWaits(self.start)

    def step(self, engine: Engine, frame: Frame, decisions: Sequence[Decision]) -> None:
        """Measure one frame."""
        self.end = max(self.end, frame.at)
        by_type: defaultdict[str, list[Any]] = defaultdict(list)
        for decision in decisions:
            by_type[decision.type].append(decision)
        # In the order of a chat's life, because one frame may have all three decisions of a chat.
        self._unanswered.arrive(arrivals_of(by_type["chat-queued"]))
        confirmed = by_type["assignment-confirmed"]
        self.assignments.update((decision.pool, decision.agent_id) for decision in confirmed)
        self._add_waits(self._unanswered.accept(acceptances_of(confirmed)))
        self.ended.update(decision.reason for decision in by_type["assignment-ended"])
        self._add_waits(self._unanswered.close(closures_of(by_type["chat-closed"])))
        for pool_id, agent_id, agent in engine.changed_agents():
            self._changed((pool_id, agent_id), agent, frame.at)

    def note_seen(self, agents: Iterable[AgentKey], at: int) -> None:
        """Note the agents seen in the frame at the clock `at`. Call after `step` with this frame."""
        for key in agents:
            time = self._agents.get(key)
            if time is not None:
                time.change(at, ready=time.present, accepted=time.accepted)
                time.present_when_seen_ms = time.present_ms

    def remove_departed(self, agents: Iterable[AgentKey]) -> None:
        """End the presence of agents, who have no chat, when they were last seen."""
        for key in agents:
            time = self._agents[key]
            time.present, time.present_ms = False, time.present_when_seen_ms

    def queue_figures(self, threshold_ms: int) -> dict[str, Figures]:
        """`POOL/QUEUE` of the arrival → figures."""
        return {name: queue.figures(threshold_ms) for name, queue in sorted(self.queues.items())}

    def figures(self, threshold_ms: int) -> Figures:
        """The figures of all queues and agents."""
        whole = QueueWaits()
        for queue in self.queues.values():
            whole.add(queue)
        figures = whole.figures(threshold_ms)
        figures |= {"missed": self.ended["missed"], "declined": self.ended["declined"]}
        figures["left_waiting"] = len(self._unanswered)
        times = self._agents.values()
        for time in times:
            time.change(self.end, ready=time.present, accepted=time.accepted)
        present = sum(time.present_ms for time in times)
        if present:
            figures["agent_hours"] = present / 3_600_000
            figures["occupancy"] = sum(time.busy_ms for time in times) / present
            figures["sessions_used"] = sum(time.session_ms for time in times) / present
        counts = self.chats_by_agent()
        if counts:
            figures |= {
                "assignments_min": counts[0],
                "assignments_median": counts[len(counts) // 2],
                "assignments_max": counts[-1],
                "gini": gini(counts),
            }
        return figures

    def chats_by_agent(self) -> list[int]:
        """Accepted chats of each agent, ascending; 0 for an agent who only logged in."""
        return sorted(self.assignments[key] for key in self._agents.keys() | self.assignments.keys())

    def waits_by_time(self, bin_ms: int) -> dict[int, list[int]]:
        """Bin of the arrival, counted from the start → first waits in ms."""
        waits: defaultdict[int, list[int]] = defaultdict(list)
        for arrived, wait in self.waits:
            waits[arrived // bin_ms].append(wait)
        return waits

    def _add_waits(self, ended: EndedWaits) -> None:
        for (pool, queue, outcome), waits in ended.items():
            self.queues[f"{pool}/{queue}"].by_outcome[outcome] += [wait for _, wait in waits]
            self.waits += [(arrived - self.start, wait) for arrived, wait in waits]

    def _changed(self, key: AgentKey, agent: Agent | None, at: int) -> None:
        time = self._agents.get(key)
        if time is None:
            time = self._agents[key] = _AgentTime(at)
        accepted = 0 if agent is None else len(agent.sessions) - agent.undecided
        time.change(at, ready=agent is not None and agent.ready, accepted=accepted)


def gini(ascending: Sequence[int]) -> float:
    """The Gini coefficient of ascending values: 0 if all are equal, towards 1 if one has everything."""
    total = sum(ascending)
    if not total:
        return 0.0
    number = len(ascending)
    weighted = sum((2 * place - number - 1) * value for place, value in enumerate(ascending, start=1))
    return weighted / (number * total)
