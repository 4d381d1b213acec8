"""The day of an agent, as an observer records it: status, sessions, requests, offers with their results, totals."""

from collections import Counter
from dataclasses import dataclass, field

from switchboard.domain.decisions import (
    AssignmentConfirmed,
    AssignmentEnded,
    ChatAssigned,
    ChatClosed,
    Decision,
    RequestRejected,
)
from switchboard.domain.events import Event
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat, Request
from switchboard.domain.step import Step
from switchboard.tools.chat_story import Cause, DecisionCursor, event_cause, timer_cause


@dataclass(slots=True)
class AgentState:
    """The state of an agent. The JSON output of `explain` has the field names of this file's classes."""

    status: str
    """`logged-out`, `available`, `unavailable` or `absent`."""
    profile: str | None = None
    mode: str | None = None
    sessions: int = 0
    max_sessions: int = 0
    request: str | None = None
    """Origin of the outstanding request; None without one."""
    requested_at: str | None = None
    """Time of the outstanding request."""


@dataclass(slots=True)
class AgentMoment:
    """An event or timer that changed the agent's state, or led to a decision about the agent."""

    at: str
    shard: int
    frame: int
    cause: Cause
    decisions: list[Decision]
    """The decisions of this moment that name the agent."""
    before: AgentState
    after: AgentState


@dataclass(slots=True)
class Totals:
    """Totals of an agent's day. Durations are seconds of the log's clock."""

    logged_in: float = 0
    available: float = 0
    occupied: float = 0
    """Time with one session or more."""
    full: float = 0
    """Time with as many sessions as allowed."""
    asking: float = 0
    """Time with an outstanding request."""
    sessions: float = 0
    """Sum of the durations of all sessions."""
    offers: int = 0
    accepted: int = 0
    accepted_by_itself: int = 0
    """Offers of `accepted` that were accepted by expiry (R10)."""
    seconds_to_accept: float = 0
    """Sum over the accepted offers."""
    ended: Counter[str] = field(default_factory=Counter)
    """Offers that ended without acceptance, by reason."""
    chats_closed: int = 0
    rejected_requests: Counter[str] = field(default_factory=Counter)
    """By reason."""


@dataclass(slots=True)
class AgentStory:
    """The day of an agent in one pool."""

    agent_id: str
    pool: str
    moments: list[AgentMoment] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    ends_at: str = ""
    """Clock at the end of the log."""


_LOGGED_OUT = AgentState("logged-out")


class AgentObserver:
    """Records the day of an agent, in one pool or in all.

    Attributes:
        stories: pool id → story.
        elsewhere: pools that know the agent and were excluded.
    """

    def __init__(self, agent_id: str, pool: str | None) -> None:
        self._agent_id = agent_id
        self._pool = pool
        self.stories: dict[str, AgentStory] = {}
        self.elsewhere: set[str] = set()
        self._cursor = DecisionCursor()
        self._states: dict[str, tuple[int, AgentState]] = {}
        """Pool id → (clock of the latest change or addition to the totals in ms, state)."""

    def offering(self, pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Do nothing: the decision follows with the event or timer."""

    def happened(self, pool: Pool, step: Step, event: Event, ignored: str | None) -> None:
        """Record an event that concerns the agent."""
        own = self._own(self._cursor.new(step))
        named = self._agent_id in (event.data.get("agent_id"), event.data.get("to_agent"))
        self._record(pool, step, own, event_cause(event, ignored) if named or own else None, event)

    def time_passed(self, pool: Pool, step: Step) -> None:
        """Record a timer that concerns the agent."""
        decisions = self._cursor.new(step)
        own = self._own(decisions)
        self._record(pool, step, own, timer_cause(decisions) if own else None, None)

    def finish(self, clock: int, at: str) -> None:
        """Complete the totals at the end of the log.

        Args:
            clock: the log's last clock, ms.
            at: the same as RFC 3339 text.
        """
        for pool_id, story in self.stories.items():
            since, state = self._states[pool_id]
            _add_time(story.totals, state, (clock - since) / 1000)
            story.ends_at = at

    def _own(self, decisions: list[Decision]) -> list[Decision]:
        return [decision for decision in decisions if getattr(decision, "agent_id", None) == self._agent_id]

    def _record(self, pool: Pool, step: Step, own: list[Decision], cause: Cause | None, event: Event | None) -> None:
        """Add the time since the last change to the totals, and a moment if anything about the agent changed.

        Args:
            pool: the pool of the event or timer.
            step: the pool's current step.
            own: the decisions about the agent.
            cause: None if neither the event nor a decision names the agent; the state may still have changed.
            event: None for a timer.
        """
        agent = pool.agents.get(self._agent_id)
        known = self._states.get(pool.id)
        # The pool does not know the agent.
        if agent is None and known is None and cause is None:
            return
        if self._pool is not None and pool.id != self._pool:
            self.elsewhere.add(pool.id)
            return
        since, before = known if known is not None else (step.clock, _LOGGED_OUT)
        after = _state_of(agent)
        if cause is None and before == after:
            return
        story = self.stories.setdefault(pool.id, AgentStory(self._agent_id, pool.id))
        _add_time(story.totals, before, (step.clock - since) / 1000)
        self._states[pool.id] = (step.clock, after)
        _count(story.totals, own)
        # A heartbeat alone is no moment: an agent sends thousands a day.
        if before == after and not own and (cause is None or cause.type == "agent-heartbeat"):
            return
        if cause is None:
            cause = _silence_cause(agent) if event is None else event_cause(event, None)
        story.moments.append(AgentMoment(step.at, pool.shard, step.frame, cause, own, before, after))


def _silence_cause(agent: Agent | None) -> Cause:
    """R18: the only timer that changes an agent's state without a decision about the agent."""
    return Cause("timer", "agent-lost" if agent is None else "agent-absent", None, None)


def _state_of(agent: Agent | None) -> AgentState:
    if agent is None:
        return _LOGGED_OUT
    request = agent.request
    return AgentState(
        "absent" if agent.absent else "available" if agent.available else "unavailable",
        agent.profile.config.name,
        agent.mode,
        len(agent.sessions),
        agent.max_sessions,
        None if request is None else request.origin,
        None if request is None else request.at_text,
    )


def _add_time(totals: Totals, state: AgentState, seconds: float) -> None:
    """Add the seconds that an agent was in a state."""
    if state.status == "logged-out":
        return
    totals.logged_in += seconds
    totals.available += seconds * (state.status == "available")
    totals.occupied += seconds * (state.sessions > 0)
    totals.full += seconds * (state.sessions >= state.max_sessions)
    totals.asking += seconds * (state.request is not None)
    totals.sessions += seconds * state.sessions


def _count(totals: Totals, decisions: list[Decision]) -> None:
    for decision in decisions:
        match decision:
            case ChatAssigned():
                totals.offers += 1
            case AssignmentConfirmed():
                totals.accepted += 1
                totals.accepted_by_itself += decision.automatic
                totals.seconds_to_accept += decision.seconds_to_accept
            case AssignmentEnded():
                totals.ended[decision.reason] += 1
            case ChatClosed():
                totals.chats_closed += 1
            case RequestRejected():
                totals.rejected_requests[decision.reason] += 1
            case _:
                pass
