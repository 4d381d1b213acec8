"""A pool: its state, the indexes over the state, the work of the present step, and the basic operations on them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappush
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from switchboard.domain import configuration
from switchboard.domain.decisions import TYPE_OF, ChatClosed, Closing, Decision
from switchboard.domain.events import Event
from switchboard.domain.rfc3339 import format_ms
from switchboard.domain.state import Agent, AskingLine, Chat, Position, Profile, Remembered, Request, Stage, WaitingLine

Fields = ParamSpec("Fields")
Type = TypeVar("Type", bound=str)


class Observer(Protocol):
    """Called at each step of a pool, to explain decisions. An observer may read the whole pool, and changes nothing.

    A router has no observer, and pays one comparison with None for each event and each offer.
    """

    def offering(self, pool: "Pool", agent: Agent, chat: Chat, request: Request | None) -> None:
        """Called before an offer (R9), with nothing changed yet. The request is None for a transfer to an agent."""

    def happened(self, pool: "Pool", event: Event, ignored: str | None) -> None:
        """Called after an event and its settle (R3). `ignored` is the reason if the event changed nothing (R21)."""

    def time_passed(self, pool: "Pool") -> None:
        """Called after a timer and its settle."""


CLOSED_REMEMBERED: Final = 10 * 60_000
"""R13: how long the id of a closed chat is remembered, ms of service time."""
ENDING_REMEMBERED: Final = 60_000
"""R13: how long an ending without a chat is remembered, ms of service time."""


@dataclass(slots=True, eq=False)
class Pool:
    """One routing domain. Pools share nothing but time.

    The fields have four groups: the state that rows persist, the indexes over it, the present step, and the changes of
    the frame.
    """

    id: str
    shard: int
    config: configuration.PoolConfig
    configured_at: int | None = None
    """Service time of the latest configuration; None: never configured."""

    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    remembered: dict[str, Remembered] = field(default_factory=dict)
    passings: dict[str, dict[str, int]] = field(default_factory=dict)
    """Agent id → chat id → service time of the latest decline or miss; open chats only (R5)."""
    passed: int = 0
    """Number of pairs (agent, chat) in `passings`."""
    requests: int = 0
    """Number of outstanding requests, eligible or not."""
    silent: int = 0
    """Number of agents that are absent by silence."""

    # Indexes over the state, rebuilt by a restore.
    profiles: dict[str, Profile] = field(default_factory=dict)
    waiting: dict[str, WaitingLine] = field(default_factory=dict)
    asking: dict[str, list[AskingLine]] = field(default_factory=dict)
    """Queue → request lines of the profiles that serve the queue."""
    timers: list[tuple[int, int, str]] = field(default_factory=list)
    """Heap of (due, kind, id). Stale entries are recognized when they become due."""
    wakes: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (due, agent id): a delay ends, or a re-offer cool-down ends."""
    forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """(due, chat id) of closed chats, ascending."""
    early_forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """(due, chat id) of remembered endings whose chat never arrived, ascending."""

    # The present step: set before each event and timer.
    frame: int = -1
    clock: int = 0
    service: int = 0
    at: str = ""
    """The clock as RFC 3339 text."""
    position: Position = (0, 0)
    prefix: str = ""
    count: int = 0
    """Number of decisions of this pool in the frame so far."""
    decisions: list[Decision] = field(default_factory=list)
    """Decisions of the frame, of all pools."""

    # Work for the settle of the present step.
    touched: dict[str, Agent] = field(default_factory=dict)
    trying: dict[str, Agent] = field(default_factory=dict)
    """Agents whose request has become eligible, or whose re-offer cool-down for a chat has ended."""
    fresh: list[Chat] = field(default_factory=list)
    """Chats that have started to wait."""
    ended: list[Chat] = field(default_factory=list)
    """Chats whose offer has ended."""
    rematch: bool = False
    """True: match all requests, since any of them may be served now."""

    # Changes of the frame, for the rows.
    changed_agents: dict[str, None] = field(default_factory=dict)
    changed_chats: dict[str, Chat | None] = field(default_factory=dict)
    """Chat id → the chat, also once it is closed; None for an id without a chat."""
    configured: bool = False

    observer: Observer | None = None
    """None in a router."""

    def begin_frame(self, frame: int, decisions: list[Decision]) -> None:
        """Reset the count of decisions."""
        self.frame = frame
        self.prefix = f"{self.id}/{self.shard}/{frame}/"
        self.count = 0
        self.decisions = decisions

    def set_time(self, clock: int, service: int) -> None:
        """Set the clock (ms) and the service time (ms)."""
        self.service = service
        if clock != self.clock or not self.at:
            self.clock = clock
            self.at = format_ms(clock)

    def next_id(self) -> str:
        """The id of the next decision of this frame, `POOL/SHARD/FRAME/N`."""
        return f"{self.prefix}{self.count}"

    def decide(
        self,
        kind: Callable[Concatenate[str, Type, str, str, Fields], Decision],
        *args: Fields.args,
        **fields: Fields.kwargs,
    ) -> None:
        """Make a decision: fill in its id, type, pool and time, and append it to the decisions of the frame.

        Args:
            kind: the class of the decision.
            args: its own fields, in order, without id, type, pool and time.
            fields: likewise, by name.
        """
        decision = kind(f"{self.prefix}{self.count}", TYPE_OF[kind], self.id, self.at, *args, **fields)
        self.count += 1
        self.decisions.append(decision)

    def touch(self, agent: Agent) -> None:
        """Have the settle check the agent, and mark its row as changed."""
        self.touched[agent.id] = agent
        self.changed_agents[agent.id] = None

    def change(self, chat: Chat) -> None:
        """Mark the chat's row as changed."""
        self.changed_chats[chat.id] = chat

    def mark(self, chat: Chat, stage: Stage) -> None:
        """Move a chat to a stage; the next decision is the reason."""
        chat.stage = stage
        chat.stage_mark = (self.frame, self.count)
        self.changed_chats[chat.id] = chat

    def watches_silence(self) -> bool:
        """True if the pool treats silent agents as absent or lost (R18)."""
        return bool(self.config.absent_after or self.config.lost_after)

    def draw_lot(self, agent_id: str) -> int:
        """R7: the lot of an agent that logs in now, for the order among agents without an offer."""
        text = f"{agent_id}@{self.position[0]}.{self.position[1]}"
        return int.from_bytes(blake2b(text.encode(), key=self.config.seed, digest_size=8).digest(), "big")

    def wait(self, chat: Chat) -> None:
        """Put a chat into the waiting line of its queue."""
        chat.stage = "waiting"
        chat.agent = None
        chat.offer_id = None
        self.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))
        self.fresh.append(chat)
        self.changed_chats[chat.id] = chat

    def leave_line(self, chat: Chat) -> None:
        """Remove a waiting chat from the waiting line of its queue."""
        self.waiting[chat.queue].chats.remove((chat.arrived_at, *chat.position, chat))

    def enter_queue(self, chat: Chat, queue: str) -> None:
        """Assign a chat to a queue and restart the limits of the queue (R17)."""
        chat.queue = chat.entered_queue = queue
        chat.entered_at = self.service
        chat.overflowed = False
        chat.armed = False

    def free_session(self, chat: Chat) -> None:
        """Remove a chat from the sessions of its agent."""
        agent = chat.agent
        if agent is None:
            return
        del agent.sessions[chat.id]
        if chat.stage == "offered":
            agent.undecided -= 1
        chat.agent = None
        self.touch(agent)

    def pass_over(self, agent: Agent, chat: Chat) -> None:
        """R5: start the re-offer cool-down of an agent that declined or missed the chat."""
        if chat.passed is None:
            chat.passed = {}
        self.passed += agent.id not in chat.passed
        chat.passed[agent.id] = self.service
        self.passings.setdefault(agent.id, {})[chat.id] = self.service
        if agent.profile.config.reoffer_after:
            heappush(self.wakes, (self.service + agent.profile.config.reoffer_after, agent.id))

    def forget_passings(self, chat: Chat) -> None:
        """End all re-offer cool-downs of a chat that is closed or transferred."""
        self.passed -= len(chat.passed or ())
        for agent_id in chat.passed or ():
            of_agent = self.passings[agent_id]
            del of_agent[chat.id]
            if not of_agent:
                del self.passings[agent_id]
        chat.passed = None

    def close(self, chat: Chat, reason: Closing) -> None:
        """Close a chat that is in no waiting line. The decision names its agent, whose session ends."""
        agent = chat.agent if chat.stage in ("active", "wrapping") else None
        self.free_session(chat)
        self.forget_passings(chat)
        self.mark(chat, "closed")
        self.decide(ChatClosed, chat.id, chat.queue, None if agent is None else agent.id, reason)
        del self.chats[chat.id]
        until = self.service + CLOSED_REMEMBERED
        self.remembered[chat.id] = Remembered(until, arrived=True)
        self.forgets.append((until, chat.id))

    def remember_ending(self, chat_id: str) -> None:
        """R13: remember an ending that came before its chat."""
        until = self.service + ENDING_REMEMBERED
        self.remembered[chat_id] = Remembered(until, arrived=False)
        self.early_forgets.append((until, chat_id))
        self.changed_chats[chat_id] = None

    def forget(self) -> None:
        """Forget the remembered chats that are due by the present service time."""
        for due in (self.forgets, self.early_forgets):
            while due and due[0][0] <= self.service:
                until, chat_id = due.popleft()
                found = self.remembered.get(chat_id)
                if found is not None and found.until == until:
                    del self.remembered[chat_id]
                    if chat_id not in self.chats:
                        self.changed_chats[chat_id] = None
