"""A pool: its state, the indexes over the state, and how chats move between waiting lines and agents."""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappush
from typing import Final, Protocol

from switchboard.domain import configuration
from switchboard.domain.decisions import ChatClosed, Closing
from switchboard.domain.events import Event
from switchboard.domain.state import Agent, Chat, Profile, Remembered, Request, RequestLine, WaitingLine
from switchboard.domain.step import Step

CLOSED_REMEMBERED: Final = 10 * 60_000
"""R13: how long the id of a closed chat is remembered, ms of service time."""
ENDING_REMEMBERED: Final = 60_000
"""R13: how long an ending without a chat is remembered, ms of service time."""


class Observer(Protocol):
    """Called at each event, timer and offer of a pool, to explain decisions. An observer changes nothing.

    A router has no observer; one comparison with None at each such place is all that this costs.
    """

    def offering(self, pool: "Pool", step: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """Called before an offer changes anything (R9). The request is None for a transfer to an agent (R16)."""

    def happened(self, pool: "Pool", step: Step, event: Event, ignored: str | None) -> None:
        """Called after an event and its settle (R3). `ignored` is the reason if the event changed nothing (R21)."""

    def time_passed(self, pool: "Pool", step: Step) -> None:
        """Called after a timer, or all delays and cool-downs that end at one time, and the settle."""


@dataclass(slots=True, eq=False)
class Index:
    """Look-ups and timers of a pool. They can be computed from its state, so that no row holds them."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    waiting: dict[str, WaitingLine] = field(default_factory=dict)
    """Queue → waiting line."""
    request_lines: dict[str, list[RequestLine]] = field(default_factory=dict)
    """Queue → request lines of the profiles that serve the queue."""
    passings: dict[str, dict[str, int]] = field(default_factory=dict)
    """Agent id → chat id → service time of the latest decline or miss; open chats only (R5)."""
    timers: list[tuple[int, int, str]] = field(default_factory=list)
    """Heap of (due, kind, id). Stale entries are recognized when they become due."""
    wakes: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (due, agent id): a delay ends, or a re-offer cool-down ends."""
    forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """(due, chat id) of closed chats, ascending."""
    early_forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """(due, chat id) of remembered endings whose chat never arrived, ascending."""

    passed: int = 0
    """Number of pairs (agent, chat) in `passings`."""
    requests: int = 0
    """Number of outstanding requests, eligible or not."""
    silent: int = 0
    """Number of agents that are absent by silence."""


@dataclass(slots=True, eq=False)
class Pool:
    """One routing domain. Pools share nothing but time.

    Rows persist the fields up to `remembered`; `index` is computed from them. A `Step` holds what lives for one frame.
    """

    id: str
    shard: int
    config: configuration.PoolConfig
    configured_at: int | None = None
    """Service time of the latest configuration; None: never configured."""
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    remembered: dict[str, Remembered] = field(default_factory=dict)

    index: Index = field(default_factory=Index)
    observer: Observer | None = None
    """None in a router."""

    def wait(self, step: Step, chat: Chat) -> None:
        """Put a chat into the waiting line of its queue."""
        chat.stage = "waiting"
        chat.agent = None
        chat.offer_id = None
        self.index.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))
        step.fresh.append(chat)
        step.changed_chats[chat.id] = chat

    def leave_line(self, chat: Chat) -> None:
        """Remove a waiting chat from the waiting line of its queue."""
        self.index.waiting[chat.queue].chats.remove((chat.arrived_at, *chat.position, chat))

    def free_session(self, step: Step, chat: Chat) -> None:
        """Remove a chat from the sessions of its agent, if it has one."""
        agent = chat.agent
        if agent is None:
            return
        del agent.sessions[chat.id]
        if chat.stage == "offered":
            agent.undecided -= 1
        chat.agent = None
        step.touch(agent)

    def pass_over(self, step: Step, agent: Agent, chat: Chat) -> None:
        """R5: start the re-offer cool-down of an agent that declined or missed the chat."""
        if chat.passed is None:
            chat.passed = {}
        index = self.index
        index.passed += agent.id not in chat.passed
        chat.passed[agent.id] = step.service
        index.passings.setdefault(agent.id, {})[chat.id] = step.service
        if agent.profile.config.reoffer_after:
            heappush(index.wakes, (step.service + agent.profile.config.reoffer_after, agent.id))

    def forget_passings(self, chat: Chat) -> None:
        """End all re-offer cool-downs of a chat that is closed or transferred."""
        index = self.index
        index.passed -= len(chat.passed or ())
        for agent_id in chat.passed or ():
            of_agent = index.passings[agent_id]
            del of_agent[chat.id]
            if not of_agent:
                del index.passings[agent_id]
        chat.passed = None

    def close(self, step: Step, chat: Chat, reason: Closing) -> None:
        """Close a chat that is in no waiting line. The decision names the agent of an active or wrapping chat."""
        agent = chat.agent if chat.stage in ("active", "wrapping") else None
        self.free_session(step, chat)
        self.forget_passings(chat)
        step.mark(chat, "closed")
        step.decide(ChatClosed, chat.id, chat.queue, None if agent is None else agent.id, reason)
        del self.chats[chat.id]
        until = step.service + CLOSED_REMEMBERED
        self.remembered[chat.id] = Remembered(until, arrived=True)
        self.index.forgets.append((until, chat.id))

    def remember_ending(self, step: Step, chat_id: str) -> None:
        """R13: remember the ending of a chat that has not arrived."""
        until = step.service + ENDING_REMEMBERED
        self.remembered[chat_id] = Remembered(until, arrived=False)
        self.index.early_forgets.append((until, chat_id))
        step.changed_chats[chat_id] = None

    def forget(self, step: Step) -> None:
        """Forget the remembered chats that are due by the present service time."""
        for due in (self.index.forgets, self.index.early_forgets):
            while due and due[0][0] <= step.service:
                until, chat_id = due.popleft()
                found = self.remembered.get(chat_id)
                if found is not None and found.until == until:
                    del self.remembered[chat_id]
                    if chat_id not in self.chats:
                        step.changed_chats[chat_id] = None
