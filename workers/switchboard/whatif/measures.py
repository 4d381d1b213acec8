"""What came of a day: waits, service level, abandonment, how busy the agents were, how evenly chats were shared.

The same measures for a log and for its re-simulations: each frame is looked at after the engine has applied it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.domain.rfc3339 import parse_ms
from switchboard.domain.state import Agent
from switchboard.simulation.tally import rank
from switchboard.whatif.recorded_day import AgentKey

SHORT_ABANDON_MS: Final = 5_000
"""Who gives up within this long is left out of the second convention of service level."""

Figures: TypeAlias = dict[str, float]
"""By name; seconds, shares from 0 to 1, or counts. One that has no value (no chat, no agent) is not there."""


@dataclass(slots=True)
class Queue:
    """The chats that arrived in one queue. Waits are in ms, from arrival to acceptance or until the customer left."""

    answered: list[int] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    timed_out: list[int] = field(default_factory=list)

    def figures(self, threshold_ms: int) -> Figures:
        """Of the chats whose wait has ended."""
        offered = len(self.answered) + len(self.abandoned) + len(self.timed_out)
        if not offered:
            return {}
        every = sorted([*self.answered, *self.abandoned, *self.timed_out])
        answered = sorted(self.answered)
        in_time = sum(wait <= threshold_ms for wait in answered)
        short = sum(wait < SHORT_ABANDON_MS for wait in self.abandoned)
        told: Figures = {
            "offered": offered,
            "service_level": in_time / offered,
            "abandonment": len(self.abandoned) / offered,
            "timed_out": len(self.timed_out) / offered,
            "wait_all": sum(every) / offered / 1000,
            "wait_all_p90": rank(every, 0.9) / 1000,
        }
        if offered > short:
            told["service_level_without_short"] = in_time / (offered - short)
        if answered:
            told["wait"] = sum(answered) / len(answered) / 1000
            told["wait_p90"] = rank(answered, 0.9) / 1000
        return told


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
    queues: dict[str, Queue] = field(default_factory=lambda: defaultdict(Queue))
    """By `POOL/QUEUE`."""
    assignments: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Chats accepted, by agent; one who was there has a row."""
    ended: Counter[str] = field(default_factory=Counter)
    """Offers that ended, by reason."""
    waits: list[tuple[int, int]] = field(default_factory=list)
    """Of all chats: when it arrived, since the start, and how long it waited. In ms."""
    end: int = 0
    _waiting: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    """Chats nobody has answered yet: their queue of arrival and when they came."""
    _hours: dict[tuple[str, str], _Hours] = field(default_factory=dict)

    def step(self, engine: Engine, frame: Frame, decisions: Sequence[Decision]) -> None:
        """Take note of one frame."""
        self.end = max(self.end, frame.at)
        for decision in decisions:
            match decision.type:
                case "chat-queued":
                    came = max(self.start, parse_ms(decision.arrived_at))
                    self._waiting[decision.pool, decision.chat_id] = (f"{decision.pool}/{decision.queue}", came)
                case "assignment-confirmed":
                    self.assignments[decision.pool, decision.agent_id] += 1
                    self._waited(decision.pool, decision.chat_id, decision.at, "answered")
                case "assignment-ended":
                    self.ended[decision.reason] += 1
                case "chat-closed":
                    how = "timed_out" if decision.reason == "queue-timed-out" else "abandoned"
                    self._waited(decision.pool, decision.chat_id, decision.at, how)
        for pool in engine.pools.values():
            for agent_id in pool.changed_agents:
                self._agent((pool.id, agent_id), pool.agents.get(agent_id), frame.at)

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
        whole = Queue()
        for queue in self.queues.values():
            whole.answered += queue.answered
            whole.abandoned += queue.abandoned
            whole.timed_out += queue.timed_out
        told = whole.figures(threshold_ms)
        told |= {"missed": self.ended["missed"], "declined": self.ended["declined"], "left_waiting": len(self._waiting)}
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

    def _waited(self, pool: str, chat_id: str, at: str, how: str) -> None:
        known = self._waiting.pop((pool, chat_id), None)
        if known is not None:
            queue, came = known
            wait = max(0, parse_ms(at) - came)
            getattr(self.queues[queue], how).append(wait)
            self.waits.append((came - self.start, wait))

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
