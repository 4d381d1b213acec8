"""A witness: who wants to see a pool's state at the moment something is decided.

Routing has none, and pays one look at None for each event and each offer. Afterwards, over a recorded log, an
explanation of a decision is made of what a witness saw.
"""

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


class Witness(Protocol):
    """Told of what happens in a pool, while it happens. It may look at everything, and must change nothing."""

    def offering(self, pool: "Pool", agent: Agent, chat: Chat, request: Request | None) -> None:
        """An offer is about to be made (R9), for this request or, by transfer, for none; nothing has changed yet."""

    def happened(self, pool: "Pool", event: Event, ignored: str | None) -> None:
        """An event has happened and all that follows from it is settled (R3); `ignored` says why it changed nothing."""

    def time_passed(self, pool: "Pool") -> None:
        """A timer has fired and all that follows from it is settled."""


CLOSED_REMEMBERED: Final = 10 * 60_000
"""R13: so long is a closed chat's id remembered, in ms of service time."""
ENDING_REMEMBERED: Final = 60_000
"""R13: likewise an ending whose chat was never heard of."""


@dataclass(slots=True, eq=False)
class Pool:
    """One routing domain. Pools share nothing but time."""

    id: str
    shard: int
    config: configuration.PoolConfig
    configured_at: int | None = None
    """Service time of the latest configuration; None: never configured."""

    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    remembered: dict[str, Remembered] = field(default_factory=dict)
    passings: dict[str, dict[str, int]] = field(default_factory=dict)
    """agent id -> chat id -> service time at which it declined or missed the chat; of open chats only (R5)."""
    passed: int = 0
    """How many pairs of an agent and a chat `passings` holds."""
    requests: int = 0
    """Outstanding requests, eligible or not."""
    silent: int = 0
    """Agents absent by silence."""

    # Indexes, rebuilt from the above.
    profiles: dict[str, Profile] = field(default_factory=dict)
    waiting: dict[str, WaitingLine] = field(default_factory=dict)
    asking: dict[str, list[AskingLine]] = field(default_factory=dict)
    """queue -> the lines of agents who serve it."""
    timers: list[tuple[int, int, str]] = field(default_factory=list)
    """Heap of (due, kind, id); stale entries are told when they come up."""
    wakes: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (due, agent id): a delay is over, or a chat may be offered again."""
    forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """(due, chat id) of closed chats, ascending."""
    early_forgets: deque[tuple[int, str]] = field(default_factory=deque)
    """Likewise of endings without a chat."""

    # The moment: set before each piece of work.
    frame: int = -1
    clock: int = 0
    service: int = 0
    at: str = ""
    """The clock, as text."""
    position: Position = (0, 0)
    prefix: str = ""
    count: int = 0
    """Decisions of this frame so far."""
    decisions: list[Decision] = field(default_factory=list)
    """The frame's, of all pools together."""

    # What the settle has to look at.
    touched: dict[str, Agent] = field(default_factory=dict)
    trying: dict[str, Agent] = field(default_factory=dict)
    """Agents whose request has become eligible, or who may take a chat that they could not."""
    fresh: list[Chat] = field(default_factory=list)
    """Chats that have begun to wait."""
    ended: list[Chat] = field(default_factory=list)
    """Chats whose offer ended."""
    rematch: bool = False
    """Everything may have changed: look at all requests."""

    # What the frame changed, for the rows.
    changed_agents: dict[str, None] = field(default_factory=dict)
    changed_chats: dict[str, Chat | None] = field(default_factory=dict)
    """The chat as it was last, for a closed one's row."""
    configured: bool = False

    witness: Witness | None = None
    """Nobody looks on while chats are routed."""

    def begin_frame(self, frame: int, decisions: list[Decision]) -> None:
        """Start counting decisions anew."""
        self.frame = frame
        self.prefix = f"{self.id}/{self.shard}/{frame}/"
        self.count = 0
        self.decisions = decisions

    def set_time(self, clock: int, service: int) -> None:
        """Step to this time."""
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
        """The settle must look at this agent, and its row has changed."""
        self.touched[agent.id] = agent
        self.changed_agents[agent.id] = None

    def change(self, chat: Chat) -> None:
        """The chat's row has changed."""
        self.changed_chats[chat.id] = chat

    def mark(self, chat: Chat, stage: Stage) -> None:
        """Put a chat in a stage by the decision that is about to be made."""
        chat.stage = stage
        chat.stage_mark = (self.frame, self.count)
        self.changed_chats[chat.id] = chat

    def watches_silence(self) -> bool:
        """Whether signs matter (R18)."""
        return bool(self.config.absent_after or self.config.lost_after)

    def draw_lot(self, agent_id: str) -> int:
        """R7: the place of an agent who logs in now among those who have had no offer."""
        text = f"{agent_id}@{self.position[0]}.{self.position[1]}"
        return int.from_bytes(blake2b(text.encode(), key=self.config.seed, digest_size=8).digest(), "big")

    def wait(self, chat: Chat) -> None:
        """Let a chat wait in its queue, at its place in the waiting order."""
        chat.stage = "waiting"
        chat.agent = None
        chat.offer_id = None
        self.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))
        self.fresh.append(chat)
        self.changed_chats[chat.id] = chat

    def leave_line(self, chat: Chat) -> None:
        """Take a waiting chat out of its queue."""
        self.waiting[chat.queue].chats.remove((chat.arrived_at, *chat.position, chat))

    def enter_queue(self, chat: Chat, queue: str) -> None:
        """Start the queue's limits anew (R17)."""
        chat.queue = chat.entered_queue = queue
        chat.entered_at = self.service
        chat.overflowed = False
        chat.armed = False

    def free_session(self, chat: Chat) -> None:
        """Take a chat from the agent who holds it."""
        agent = chat.agent
        if agent is None:
            return
        del agent.sessions[chat.id]
        if chat.stage == "offered":
            agent.undecided -= 1
        chat.agent = None
        self.touch(agent)

    def pass_over(self, agent: Agent, chat: Chat) -> None:
        """R5: the agent declined or missed the chat; it is offered to others first."""
        if chat.passed is None:
            chat.passed = {}
        self.passed += agent.id not in chat.passed
        chat.passed[agent.id] = self.service
        self.passings.setdefault(agent.id, {})[chat.id] = self.service
        if agent.profile.config.reoffer_after:
            heappush(self.wakes, (self.service + agent.profile.config.reoffer_after, agent.id))

    def forget_passings(self, chat: Chat) -> None:
        """The chat is over or transferred: who passed it over no longer matters."""
        self.passed -= len(chat.passed or ())
        for agent_id in chat.passed or ():
            of_agent = self.passings[agent_id]
            del of_agent[chat.id]
            if not of_agent:
                del self.passings[agent_id]
        chat.passed = None

    def close(self, chat: Chat, reason: Closing) -> None:
        """Close a chat that is in no line. The holder, if it has one, is named and freed."""
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
        """R13: an ending came before its chat."""
        until = self.service + ENDING_REMEMBERED
        self.remembered[chat_id] = Remembered(until, arrived=False)
        self.early_forgets.append((until, chat_id))
        self.changed_chats[chat_id] = None

    def forget(self) -> None:
        """Forget the chats whose time has come, by the service time now."""
        for due in (self.forgets, self.early_forgets):
            while due and due[0][0] <= self.service:
                until, chat_id = due.popleft()
                found = self.remembered.get(chat_id)
                if found is not None and found.until == until:
                    del self.remembered[chat_id]
                    if chat_id not in self.chats:
                        self.changed_chats[chat_id] = None
