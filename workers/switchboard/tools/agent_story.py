"""An agent's day, as an observer sees it: status, sessions, requests, offers and what came of them, and the totals."""

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
from switchboard.tools.chat_story import Cause, StepsSeen, of_event, of_timer


@dataclass(slots=True)
class Standing:
    """How an agent stands."""

    status: str
    """`logged-out`, `available`, `unavailable` or `absent`."""
    profile: str | None = None
    mode: str | None = None
    sessions: int = 0
    max_sessions: int = 0
    request: str | None = None
    """The origin of its outstanding request."""
    requested_at: str | None = None


@dataclass(slots=True)
class AgentMoment:
    """One event or timer after which the agent stood otherwise, or that decided something about it."""

    at: str
    shard: int
    frame: int
    cause: Cause
    decisions: list[Decision]
    """That name the agent."""
    before: Standing
    after: Standing


@dataclass(slots=True)
class Totals:
    """Seconds of the log's clock, and counts."""

    logged_in: float = 0
    available: float = 0
    occupied: float = 0
    """With one session or more."""
    full: float = 0
    """With as many as it may have."""
    asking: float = 0
    """With a request outstanding."""
    sessions: float = 0
    """Each session counted by itself."""
    offers: int = 0
    accepted: int = 0
    accepted_by_itself: int = 0
    """Of them, those accepted by their expiry (R10)."""
    seconds_to_accept: float = 0
    """Of all that were accepted, together."""
    ended: Counter[str] = field(default_factory=Counter)
    """Offers that ended unaccepted, by reason."""
    chats_closed: int = 0
    rejected_requests: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class AgentStory:
    """What an agent did in one pool."""

    agent_id: str
    pool: str
    moments: list[AgentMoment] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    ends_at: str = ""
    """The clock at the end of the log."""


_OUT = Standing("logged-out")


class AgentObserver:
    """Writes down the day of an agent, in one pool or in all."""

    def __init__(self, agent_id: str, pool: str | None) -> None:
        self._agent_id = agent_id
        self._pool = pool
        self.stories: dict[str, AgentStory] = {}
        """By pool."""
        self.elsewhere: set[str] = set()
        """Pools that know the agent and were not asked for."""
        self._steps = StepsSeen()
        self._stood: dict[str, tuple[int, Standing]] = {}
        """By pool: since when (ms), and how."""

    def offering(self, pool: Pool, step: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Nothing: what comes of it is seen when it is settled."""

    def happened(self, pool: Pool, step: Step, event: Event, ignored: str | None) -> None:
        """Write down an event that had to do with the agent."""
        made = self._own(self._steps.made(step))
        named = self._agent_id in (event.data.get("agent_id"), event.data.get("to_agent"))
        self._look(pool, step, made, of_event(event, ignored) if named or made else None, event)

    def time_passed(self, pool: Pool, step: Step) -> None:
        """Write down a timer that had to do with the agent."""
        everything = self._steps.made(step)
        made = self._own(everything)
        self._look(pool, step, made, of_timer(everything) if made else None, None)

    def finish(self, clock: int, at: str) -> None:
        """The log has ended."""
        for pool, story in self.stories.items():
            since, standing = self._stood[pool]
            _add_time(story.totals, standing, (clock - since) / 1000)
            story.ends_at = at

    def _own(self, made: list[Decision]) -> list[Decision]:
        return [decision for decision in made if getattr(decision, "agent_id", None) == self._agent_id]

    def _look(self, pool: Pool, step: Step, made: list[Decision], cause: Cause | None, event: Event | None) -> None:
        agent = pool.agents.get(self._agent_id)
        stood = self._stood.get(pool.id)
        if agent is None and stood is None and cause is None:
            return
        if self._pool is not None and pool.id != self._pool:
            self.elsewhere.add(pool.id)
            return
        since, before = stood if stood is not None else (step.clock, _OUT)
        after = _standing(agent)
        if cause is None and before == after:
            return
        story = self.stories.setdefault(pool.id, AgentStory(self._agent_id, pool.id))
        _add_time(story.totals, before, (step.clock - since) / 1000)
        self._stood[pool.id] = (step.clock, after)
        _count(story.totals, made)
        if before == after and not made and (cause is None or cause.type == "agent-heartbeat"):
            return
        if cause is None:
            cause = _silence(agent) if event is None else of_event(event, None)
        story.moments.append(AgentMoment(step.at, pool.shard, step.frame, cause, made, before, after))


def _silence(agent: Agent | None) -> Cause:
    """R18: what changes an agent, and decides nothing about it, as time passes."""
    return Cause("timer", "agent-lost" if agent is None else "agent-absent", None, None)


def _standing(agent: Agent | None) -> Standing:
    if agent is None:
        return _OUT
    request = agent.request
    return Standing(
        "absent" if agent.absent else "available" if agent.available else "unavailable",
        agent.profile.config.name,
        agent.mode,
        len(agent.sessions),
        agent.max_sessions,
        None if request is None else request.origin,
        None if request is None else request.at_text,
    )


def _add_time(totals: Totals, stood: Standing, seconds: float) -> None:
    if stood.status == "logged-out":
        return
    totals.logged_in += seconds
    totals.available += seconds * (stood.status == "available")
    totals.occupied += seconds * (stood.sessions > 0)
    totals.full += seconds * (stood.sessions >= stood.max_sessions)
    totals.asking += seconds * (stood.request is not None)
    totals.sessions += seconds * stood.sessions


def _count(totals: Totals, made: list[Decision]) -> None:
    for decision in made:
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
