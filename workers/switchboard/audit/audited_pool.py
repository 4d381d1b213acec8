"""State of one pool as the auditor knows it: chats, agents, requests and timers, from the routing rules alone.

Clocks are ms since 1970 UTC, service times are ms. Decisions and events write times as RFC 3339 text.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappush
from typing import Any, Final, TypeAlias

from switchboard.audit.configured import Configured, Profile, never_configured

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def time_text(ms: int) -> str:
    """Return a time in ms since 1970 as RFC 3339 text, as decisions write times: UTC, with milliseconds."""
    whole = (_EPOCH + timedelta(seconds=ms // 1000)).replace(tzinfo=None).isoformat()
    return f"{whole}.{ms % 1000:03d}Z"


def parse_time(text: str) -> int:
    """Return the time of an event in ms since 1970; digits below the millisecond are cut.

    A leap second is the first instant of the next minute. The codec has checked the text.
    """
    leap = text[17:19] == "60"
    if leap:
        text = f"{text[:17]}59{text[19:].lstrip('.0123456789')}"
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    return since // _MS + 1000 * leap


CLOSED_REMEMBERED: Final = 600_000
"""R13: a closed chat is remembered for 10 minutes, in ms."""
ENDING_REMEMBERED: Final = 60_000
"""R13: an ending before its arrival is remembered for one minute, in ms."""

EXPIRY, OVERFLOW, TIMEOUT, WRAP_UP, ABSENT, LOST = 0, 3, 4, 5, 6, 7
"""Kinds of timers, numbered as in R1's list; 1 and 2, delays and re-offer cool-downs, are in `Pool.wakes`."""
DELAY_OVER: Final = 1

Place: TypeAlias = tuple[int, int, int, str]
"""(arrived_at, frame, index in the frame, chat id): the waiting order (R4)."""


@dataclass(slots=True, eq=False)
class Chat:
    """An open chat."""

    id: str
    queue: str
    arrived_at: int
    place: Place
    entered_queue: str
    """The queue whose limits apply to the chat (R17)."""
    entered_at: int
    """Service time of the entry into `entered_queue`."""
    overflowed: bool = False
    stage: str = "waiting"
    """`waiting`, `offered`, `active`, `wrapping`, `closed`, or `ended`.

    `ended`: the chat's offer has ended, and the decision that follows from the end is not booked yet.
    """
    turn: int = 0
    """Number of the last change of stage within the pool: orders an agent's chats of one stage."""
    agent: "Agent | None" = None
    offer_id: str | None = None
    """Id of the current offer, or of the accepted offer."""
    attempt: int = 0
    offered_at: int = 0
    expires: int = 0
    """Service time at which the offer expires."""
    wrapping_since: int = 0
    """Service time at which the wrap-up began."""
    passed: dict[str, int] = field(default_factory=dict)
    """Agent id -> service time at which the agent declined or missed the chat (R5)."""


@dataclass(slots=True)
class Request:
    """An agent's outstanding request."""

    origin: str
    """`push` or `manual`."""
    at: int
    """Clock of the request."""
    position: tuple[int, int]
    """(frame number, index in the frame)."""


@dataclass(slots=True, eq=False)
class Agent:
    """An agent who is logged in."""

    id: str
    profile: Profile
    tie_break: int
    """Drawn at login from the pool's seed (R7)."""
    last_sign: int
    """Service time of the last event that names the agent (R18)."""
    own_mode: str | None = None
    own_max_sessions: int | None = None
    status: str = "available"
    absent: str = ""
    """Empty, `reported` (by `agent-absent`) or `silent` (too long without an event)."""
    returns: bool = False
    """True if missed offers made the agent unavailable: the next `request-chat` ends the unavailability (R12)."""
    missed: int = 0
    request: Request | None = None
    request_ids: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    last_offer: int | None = None
    """Service time of the last offer; None: no offer since the login."""
    sessions: dict[str, Chat] = field(default_factory=dict)
    request_line_key: "RequestKey | None" = None
    """The agent's key in `Pool.request_lines`; None while the agent is not eligible."""
    absent_hint: int = -1
    """Service time of the pending absence timer; -1: no timer is pending."""
    lost_hint: int = -1
    """Service time of the pending loss timer; -1: no timer is pending."""

    @property
    def available(self) -> bool:
        """True if the agent can take chats; an absent agent counts as unavailable (R18)."""
        return self.status == "available" and not self.absent

    @property
    def mode(self) -> str:
        """`push` or `pull`: the mode of the login, else of the profile."""
        return self.own_mode or self.profile.mode

    @property
    def max_sessions(self) -> int:
        """The limit of the login, else of the profile."""
        return self.own_max_sessions or self.profile.max_sessions

    @property
    def has_room(self) -> bool:
        """True if the agent holds fewer sessions than the limit."""
        return len(self.sessions) < self.max_sessions

    def held(self, stage: str) -> list[Chat]:
        """Return the agent's chats of a stage, in the order in which the chats reached the stage."""
        return sorted((chat for chat in self.sessions.values() if chat.stage == stage), key=lambda chat: chat.turn)

    def has_open_offer(self) -> bool:
        """True if the agent has an offer that is neither accepted nor ended."""
        return any(chat.stage == "offered" for chat in self.sessions.values())

    def request_key(self) -> "RequestKey":
        """Return the place in the agent order: by tie-break before the first offer, then by the request's age (R7)."""
        if self.last_offer is None or self.request is None:
            return (0, self.tie_break, 0, 0, self.id)
        return (1, self.request.at, *self.request.position, self.id)

    def may_take(self, chat: Chat, service: int) -> bool:
        """True if the re-offer cool-down of the agent for the chat is over (R5). The queue is not checked."""
        passed = chat.passed.get(self.id) if chat.passed else None
        return passed is None or service >= passed + self.profile.reoffer_after

    def rested(self, service: int) -> bool:
        """True if the delay between chats has passed (R5)."""
        return self.last_offer is None or service >= self.last_offer + self.profile.delay

    def eligible(self, service: int) -> bool:
        """True if the agent has a request that can be served (R5)."""
        return self.request is not None and self.available and self.has_room and self.rested(service)


RequestKey: TypeAlias = tuple[int, int, int, int, str]
"""Place in the agent order (R7): (had an offer, tie-break or clock, frame, index in the frame, agent id)."""


@dataclass(slots=True, eq=False)
class Pool:
    """A pool of a shard, with the indexes and timers that the rules need."""

    id: str
    config: Configured = field(default_factory=never_configured)
    configured_at: int = 0
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    """Closed chat id -> service time at which the chat is forgotten (R13)."""
    ended_early: dict[str, int] = field(default_factory=dict)
    """Id of a chat that ended before its arrival -> service time at which the ending is forgotten (R13)."""
    passes: dict[str, set[str]] = field(default_factory=dict)
    """Agent id -> ids of open chats that the agent declined or missed, also before a logout (R5)."""
    requests: int = 0
    """Number of outstanding requests."""
    turns: int = 0
    """The last number that `next_turn` gave."""
    logins: int = 0
    """Logins since the last report."""

    # An insertion into a sorted list moves memory: 10 us at 100,000 waiting chats, which is acceptable.
    waiting: dict[str, list[Place]] = field(default_factory=dict)
    """Queue -> places of the queue's waiting chats, in waiting order (R4)."""
    request_lines: dict[tuple[str, ...], list[RequestKey]] = field(default_factory=dict)
    """Queues of a profile -> eligible requests of agents with such a profile, in agent order (R7)."""

    timers: list[tuple[int, int, str]] = field(default_factory=list)
    """Heap of (due, kind, chat or agent id). An entry may be stale: its validity is checked when due."""
    wakes: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (due, agent id): a delay between chats or a re-offer cool-down ends."""
    scheduled: int = -1
    """The pool's entry in the shard's heap of due pools; -1: no entry."""

    clock: int = 0
    """Clock of the current step, ms since 1970."""
    service: int = 0
    """Service time of the current step, ms."""
    position: tuple[int, int] = (0, 0)
    """(frame number, index in the frame) of the current event; index -1 while time passes."""

    touched: dict[str, Agent] = field(default_factory=dict)
    """Agents whose eligibility may have changed: the next settle checks these agents."""
    fresh: list[Chat] = field(default_factory=list)
    """Chats that began to wait after the last settle."""
    ended: list[Chat] = field(default_factory=list)
    """Chats whose offer ended after the last settle (R3)."""

    doubtful_chats: dict[str, int] = field(default_factory=dict)
    """Chat id -> frame of the last finding that names the chat.

    Decisions about a doubtful chat or agent are booked as logged, and none is expected.
    """
    doubtful_agents: dict[str, int] = field(default_factory=dict)
    """Agent id -> frame of the last finding that names the agent."""

    def next_turn(self) -> int:
        """Return a number larger than all numbers returned before."""
        self.turns += 1
        return self.turns

    def add_waiting(self, chat: Chat) -> None:
        """Add a chat to the waiting line of its queue."""
        chat.stage = "waiting"
        insort(self.waiting.setdefault(chat.queue, []), chat.place)
        self.fresh.append(chat)

    def detach(self, chat: Chat) -> None:
        """Remove a chat from its waiting line or from its agent."""
        if chat.stage == "waiting":
            line = self.waiting[chat.queue]
            del line[bisect_left(line, chat.place)]
        elif chat.agent is not None:
            del chat.agent.sessions[chat.id]
            self.touched[chat.agent.id] = chat.agent
            chat.agent = None

    def add_request(self, agent: Agent, origin: str) -> None:
        """Give the agent a request of this moment; a request that exists is replaced."""
        if agent.request is None:
            self.requests += 1
        agent.request = Request(origin, self.clock, self.position)
        self.touched[agent.id] = agent

    def withdraw_request(self, agent: Agent) -> None:
        """Remove the agent's request, if any."""
        if agent.request is not None:
            agent.request = None
            self.requests -= 1
            self.touched[agent.id] = agent

    def refresh_request_line(self, agent: Agent) -> bool:
        """Update the agent's place in the request lines.

        Returns:
            True if the agent is eligible.
        """
        key = agent.request_key() if self.agents.get(agent.id) is agent and agent.eligible(self.service) else None
        if key != agent.request_line_key:
            self.leave_request_line(agent)
            if key is not None:
                insort(self.request_lines.setdefault(agent.profile.queues, []), key)
                agent.request_line_key = key
        return key is not None

    def leave_request_line(self, agent: Agent) -> None:
        """Remove the agent from the request lines.

        Call before the agent's profile changes, for the line is found by the profile's queues.
        """
        if agent.request_line_key is not None:
            line = self.request_lines[agent.profile.queues]
            del line[bisect_left(line, agent.request_line_key)]
            agent.request_line_key = None
            if not line:
                del self.request_lines[agent.profile.queues]

    def forget_passes(self, chat: Chat) -> None:
        """Forget who declined or missed the chat (R16)."""
        for agent_id in chat.passed:
            of_agent = self.passes[agent_id]
            of_agent.discard(chat.id)
            if not of_agent:
                del self.passes[agent_id]
        chat.passed.clear()

    def next_chat_by_queue(self, agent: Agent) -> Iterator[Chat]:
        """Yield the first waiting chat that the agent may take, for each queue of the agent, best queue first (R5)."""
        for queue in agent.profile.queues:
            for place in self.waiting.get(queue, ()):
                chat = self.chats[place[3]]
                if chat.id not in self.doubtful_chats and agent.may_take(chat, self.service):
                    yield chat
                    break

    def next_chat(self, agent: Agent) -> Chat | None:
        """Return the chat that the agent must get next (R8); None if the agent may take none."""
        heads = list(self.next_chat_by_queue(agent))
        if not heads:
            return None
        first = min(heads, key=lambda chat: chat.place)
        limit = agent.profile.starvation
        if agent.profile.pull_policy == "first-due" or (limit and self.clock - first.arrived_at >= limit):
            return first
        return heads[0]

    def remembers(self, memory: dict[str, int], chat_id: str) -> bool:
        """True if the chat is in `closed` or `ended_early` and not forgotten yet."""
        return memory.get(chat_id, self.service) > self.service

    def remember(self, memory: dict[str, int], chat_id: str, span: int) -> None:
        """Add a chat to `closed` or `ended_early` for `span` ms of service time, and drop forgotten chats."""
        # Times in a memory ascend, for the span is always the same: forgotten chats come first.
        while memory and memory[first := next(iter(memory))] <= self.service:
            del memory[first]
        memory.pop(chat_id, None)
        memory[chat_id] = self.service + span

    def wake_at(self, due: int, agent_id: str) -> None:
        """Check the agent again at the service time `due`, if `due` is in the future."""
        if due > self.service:
            heappush(self.wakes, (due, agent_id))

    def summary(self, chat: Chat) -> str:
        """Describe the state of a chat, for findings."""
        words = {"waiting": f"waits in {chat.queue}", "ended": "has neither queue nor agent"}
        with_agent = f"is {chat.stage} with {chat.agent.id if chat.agent else 'nobody'} (offer {chat.offer_id})"
        return words.get(chat.stage, with_agent)


Expected: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]
"""(rules, decision): a decision that the rules call for now, without its id, and the numbers of these rules."""
