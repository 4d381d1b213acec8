"""Times as decisions and events tell them: RFC 3339 text to and from ms since 1970 UTC."""

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
    """`ms` since 1970 as decisions tell it: UTC, with milliseconds."""
    whole = (_EPOCH + timedelta(seconds=ms // 1000)).replace(tzinfo=None).isoformat()
    return f"{whole}.{ms % 1000:03d}Z"


def parse_time(text: str) -> int:
    """The time of an event, in ms since 1970; what is beyond the millisecond is cut. The codec has checked it.

    A leap second is the first instant of the next minute.
    """
    leap = text[17:19] == "60"
    if leap:
        text = f"{text[:17]}59{text[19:].lstrip('.0123456789')}"
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    return since // _MS + 1000 * leap


CLOSED_REMEMBERED: Final = 600_000
"""R13: 10 minutes."""
ENDING_REMEMBERED: Final = 60_000
"""R13: a minute."""

EXPIRY, OVERFLOW, TIMEOUT, WRAP_UP, ABSENT, LOST = 0, 3, 4, 5, 6, 7
"""Kinds of timers by their places in R1's list; 1 and 2, delays and passings, stand in `wakes`."""
DELAY_OVER: Final = 1

Place: TypeAlias = tuple[int, int, int, str]
"""(arrived_at, frame, index in the frame, chat): the waiting order (R4)."""


@dataclass(slots=True, eq=False)
class Chat:
    """An open chat."""

    id: str
    queue: str
    arrived_at: int
    place: Place
    entered_queue: str
    """Under whose limits it is (R17)."""
    entered_at: int
    """Service time."""
    overflowed: bool = False
    stage: str = "waiting"
    """`waiting`, `offered`, `ended` (its offer ended, and what follows is not yet told), `active` or `wrapping`."""
    turn: int = 0
    """Counts up with each change of stage: the order in which an agent's chats came to theirs."""
    agent: "Agent | None" = None
    offer_id: str | None = None
    """The standing offer's, or that of the offer that made it active."""
    attempt: int = 0
    offered_at: int = 0
    expires: int = 0
    """Service time."""
    wrapping_since: int = 0
    """Service time."""
    passed: dict[str, int] = field(default_factory=dict)
    """Who declined or missed it, and when in service time (R5)."""


@dataclass(slots=True)
class Request:
    """An agent's outstanding request."""

    origin: str
    at: int
    position: tuple[int, int]


@dataclass(slots=True, eq=False)
class Agent:
    """An agent who is logged in."""

    id: str
    profile: Profile
    lot: int
    last_sign: int
    own_mode: str | None = None
    own_max_sessions: int | None = None
    status: str = "available"
    absent: str = ""
    """Empty, `told` or `silent`."""
    returns: bool = False
    """Missed offers made it unavailable: its `request-chat` ends that (R12)."""
    missed: int = 0
    request: Request | None = None
    request_ids: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    last_offer: int | None = None
    """Service time; None: no offer since the login."""
    sessions: dict[str, Chat] = field(default_factory=dict)
    asks_as: "AskingKey | None" = None
    """Its place among those who ask, while it is eligible."""
    absent_hint: int = -1
    """Due time of its timer in the heap; -1: there is none."""
    lost_hint: int = -1

    @property
    def available(self) -> bool:
        """Absent agents count as unavailable (R18)."""
        return self.status == "available" and not self.absent

    @property
    def mode(self) -> str:
        """`push` or `pull`."""
        return self.own_mode or self.profile.mode

    @property
    def max_sessions(self) -> int:
        """The login's own limit, else the profile's."""
        return self.own_max_sessions or self.profile.max_sessions

    @property
    def has_room(self) -> bool:
        """Whether it holds fewer sessions than it may."""
        return len(self.sessions) < self.max_sessions

    def held(self, stage: str) -> list[Chat]:
        """Its chats of that stage, in the order in which they came to it."""
        return sorted((chat for chat in self.sessions.values() if chat.stage == stage), key=lambda chat: chat.turn)

    def undecided(self) -> bool:
        """Whether an offer to it stands."""
        return any(chat.stage == "offered" for chat in self.sessions.values())

    def asking_key(self) -> "AskingKey":
        """R7: by lot before the first offer, then by the request's age."""
        if self.last_offer is None or self.request is None:
            return (0, self.lot, 0, 0, self.id)
        return (1, self.request.at, *self.request.position, self.id)

    def may_take(self, chat: Chat, service: int) -> bool:
        """R5, the queue apart."""
        passed = chat.passed.get(self.id) if chat.passed else None
        return passed is None or service >= passed + self.profile.reoffer_after

    def rested(self, service: int) -> bool:
        """R5: whether the delay between chats has passed."""
        return self.last_offer is None or service >= self.last_offer + self.profile.delay

    def eligible(self, service: int) -> bool:
        """R5: whether its request could be served."""
        return self.request is not None and self.available and self.has_room and self.rested(service)


AskingKey: TypeAlias = tuple[int, int, int, int, str]


@dataclass(slots=True, eq=False)
class Pool:
    """A pool."""

    id: str
    config: Configured = field(default_factory=never_configured)
    configured_at: int = 0
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    """Until when a closed chat is remembered, in service time (R13)."""
    ended_early: dict[str, int] = field(default_factory=dict)
    """Likewise of an ending before its chat."""
    passings: dict[str, set[str]] = field(default_factory=dict)
    """Agent -> open chats that it passed over, also after its logout (R5)."""
    requests: int = 0
    turns: int = 0
    logins: int = 0

    # A sorted list costs a move of memory an insertion: 10 us at 100,000 waiting chats, which is borne.
    waiting: dict[str, list[Place]] = field(default_factory=dict)
    """Queue -> its waiting chats, in waiting order."""
    asking: dict[tuple[str, ...], list[AskingKey]] = field(default_factory=dict)
    """Queues of a profile -> the agents of such profiles with an eligible request, in agent order."""

    timers: list[tuple[int, int, str]] = field(default_factory=list)
    """Heap of (due, kind, id). An entry is a hint: the books say whether it is still meant when it comes up."""
    wakes: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (due, agent): a delay or a passing is over."""
    scheduled: int = -1
    """The earliest of these that the shard knows of."""

    clock: int = 0
    service: int = 0
    position: tuple[int, int] = (0, 0)

    touched: dict[str, Agent] = field(default_factory=dict)
    """Whom the settle has to look at."""
    fresh: list[Chat] = field(default_factory=list)
    """Chats that have begun to wait since."""
    ended: list[Chat] = field(default_factory=list)
    """Chats whose offer has ended since (R3)."""

    doubtful_chats: dict[str, int] = field(default_factory=dict)
    """Chats that a finding named, and its frame: of them the decisions are believed, nothing is expected."""
    doubtful_agents: dict[str, int] = field(default_factory=dict)

    def next_turn(self) -> int:
        """A number larger than all before."""
        self.turns += 1
        return self.turns

    def line_up(self, chat: Chat) -> None:
        """Let a chat wait in its queue."""
        chat.stage = "waiting"
        insort(self.waiting.setdefault(chat.queue, []), chat.place)
        self.fresh.append(chat)

    def take_away(self, chat: Chat) -> None:
        """Take a chat from where it is: its line, or its agent."""
        if chat.stage == "waiting":
            line = self.waiting[chat.queue]
            del line[bisect_left(line, chat.place)]
        elif chat.agent is not None:
            del chat.agent.sessions[chat.id]
            self.touched[chat.agent.id] = chat.agent
            chat.agent = None

    def ask(self, agent: Agent, origin: str) -> None:
        """The agent has a request from now on."""
        if agent.request is None:
            self.requests += 1
        agent.request = Request(origin, self.clock, self.position)
        self.touched[agent.id] = agent

    def withdraw(self, agent: Agent) -> None:
        """The agent has no request any more."""
        if agent.request is not None:
            agent.request = None
            self.requests -= 1
            self.touched[agent.id] = agent

    def refresh(self, agent: Agent) -> bool:
        """Give the agent its place among those who ask, or take it; whether it has one."""
        key = agent.asking_key() if self.agents.get(agent.id) is agent and agent.eligible(self.service) else None
        if key != agent.asks_as:
            self.stop_asking(agent)
            if key is not None:
                insort(self.asking.setdefault(agent.profile.queues, []), key)
                agent.asks_as = key
        return key is not None

    def stop_asking(self, agent: Agent) -> None:
        """Take the agent's place among those who ask. Also before its profile changes: the line is the profile's."""
        if agent.asks_as is not None:
            line = self.asking[agent.profile.queues]
            del line[bisect_left(line, agent.asks_as)]
            agent.asks_as = None
            if not line:
                del self.asking[agent.profile.queues]

    def forget_passings(self, chat: Chat) -> None:
        """R16: who passed the chat over no longer matters."""
        for agent_id in chat.passed:
            of_agent = self.passings[agent_id]
            of_agent.discard(chat.id)
            if not of_agent:
                del self.passings[agent_id]
        chat.passed.clear()

    def takeable(self, agent: Agent) -> Iterator[Chat]:
        """Of each queue of the agent, best first, the chat in it that the agent is to be given first (R5)."""
        for queue in agent.profile.queues:
            for place in self.waiting.get(queue, ()):
                chat = self.chats[place[3]]
                if chat.id not in self.doubtful_chats and agent.may_take(chat, self.service):
                    yield chat
                    break

    def next_chat(self, agent: Agent) -> Chat | None:
        """R8: the chat that the agent is to be given, if there is any that it may take."""
        heads = list(self.takeable(agent))
        if not heads:
            return None
        first = min(heads, key=lambda chat: chat.place)
        limit = agent.profile.starvation
        if agent.profile.pull_policy == "first-due" or (limit and self.clock - first.arrived_at >= limit):
            return first
        return heads[0]

    def remembers(self, memory: dict[str, int], chat_id: str) -> bool:
        """Whether the chat is in that memory and not yet forgotten."""
        return memory.get(chat_id, self.service) > self.service

    def remember(self, memory: dict[str, int], chat_id: str, span: int) -> None:
        """Put a chat in a memory; the times in it ascend, so what is over stands first."""
        while memory and memory[first := next(iter(memory))] <= self.service:
            del memory[first]
        memory.pop(chat_id, None)
        memory[chat_id] = self.service + span

    def wake_at(self, due: int, agent_id: str) -> None:
        """Look at the agent again then."""
        if due > self.service:
            heappush(self.wakes, (due, agent_id))

    def summary(self, chat: Chat) -> str:
        """Where a chat is, in words."""
        words = {"waiting": f"waits in {chat.queue}", "ended": "has neither queue nor agent"}
        with_agent = f"is {chat.stage} with {chat.agent.id if chat.agent else 'nobody'} (offer {chat.offer_id})"
        return words.get(chat.stage, with_agent)


Expected: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]
"""A decision that the rules call for now, its id apart, and the rules that call for it."""
