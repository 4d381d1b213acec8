"""A step: the work of one pool in the present frame."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple

from switchboard.domain.decisions import TYPE_OF, Decision
from switchboard.domain.rfc3339 import format_ms
from switchboard.domain.state import Agent, Chat, Position, Stage

Fields = TypeVarTuple("Fields")
Type = TypeVar("Type", bound=str)


@dataclass(slots=True, eq=False)
class Step:
    """Time and position of the present event or timer, the work for the settle, and the changes of the frame.

    Each pool that a frame reaches has a step of its own. The content does not outlive the frame; the object is reused.
    """

    pool_id: str = ""
    frame: int = -1
    """Number of the frame."""
    prefix: str = ""
    """`POOL/SHARD/FRAME/`, the first part of the ids of decisions."""
    decisions: list[Decision] = field(default_factory=list)
    """The decisions of the frame so far, of all pools."""
    count: int = 0
    """Number of this pool's decisions among them."""

    # The present event or timer.
    clock: int = 0
    """ms since 1970."""
    service: int = 0
    """Service time, ms."""
    at: str = ""
    """The clock as RFC 3339 text."""
    position: Position = (0, 0)

    # Work for the settle.
    touched: dict[str, Agent] = field(default_factory=dict)
    """Agents to check for a follow-up request, and for their place in the request line."""
    trying: dict[str, Agent] = field(default_factory=dict)
    """Agents whose request has become eligible, or whose re-offer cool-down for a chat has ended."""
    fresh: list[Chat] = field(default_factory=list)
    """Chats that have started to wait."""
    ended: list[Chat] = field(default_factory=list)
    """Chats that wait again because their offer has ended."""
    rematch: bool = False
    """True: match all requests, since any of them may be served now."""

    # Changes of the frame, for the rows.
    changed_agents: dict[str, None] = field(default_factory=dict)
    changed_chats: dict[str, Chat | None] = field(default_factory=dict)
    """Chat id → the chat, also once it is closed; None for an id without a chat."""
    configured: bool = False
    """True if the pool's configuration has changed."""

    def begin(self, pool_id: str, shard: int, frame: int, decisions: list[Decision]) -> None:
        """Prepare for a pool and a frame."""
        self.pool_id = pool_id
        self.frame = frame
        self.prefix = f"{pool_id}/{shard}/{frame}/"
        self.decisions = decisions
        self.count = 0
        self.changed_agents.clear()
        self.changed_chats.clear()
        self.configured = False
        if self.touched or self.trying or self.fresh or self.ended or self.rematch:
            # Every settle ends with no work left, so the engine raised in the step's last frame, perhaps of another
            # pool.
            self.touched, self.trying, self.fresh, self.ended, self.rematch = {}, {}, [], [], False

    def set_time(self, clock: int, service: int) -> None:
        """Set the clock (ms) and the service time (ms)."""
        self.service = service
        if clock != self.clock or not self.at:
            self.clock = clock
            self.at = format_ms(clock)

    def next_id(self) -> str:
        """The id of the pool's next decision of this frame, `POOL/SHARD/FRAME/N`."""
        return f"{self.prefix}{self.count}"

    def decide(
        self,
        kind: Callable[[str, Type, str, str, *Fields], Decision],
        *fields: *Fields,
    ) -> None:
        """Make a decision: fill in its id, type, pool and time, and append it to the decisions of the frame.

        Args:
            kind: the class of the decision.
            fields: the fields that follow id, type, pool and time, in order.
        """
        decision = kind(f"{self.prefix}{self.count}", TYPE_OF[kind], self.pool_id, self.at, *fields)
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
        """Move a chat to a stage. Call just before the decision that says so: `stage_mark` is the decision's number."""
        chat.stage = stage
        chat.stage_mark = (self.frame, self.count)
        self.changed_chats[chat.id] = chat
