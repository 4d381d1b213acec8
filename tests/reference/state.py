"""What the reference model keeps: a pool's chats and agents, as plain records, and the moment at which it stands."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from switchboard.domain.rfc3339 import format_ms
from tests.reference.configuration import Configuration, Profile, unconfigured

Position: TypeAlias = tuple[int, int]
"""(frame number, index in the frame): R2."""


@dataclass(slots=True)
class Chat:
    """An open chat. `since` fields are in service time (ms)."""

    id: str
    arrived_at: int
    position: Position
    queue: str
    entered_queue: str
    """The queue whose wait limit holds (R17)."""
    entered_since: int
    overflowed: bool = False
    stage: str = "waiting"
    attempt: int = 0
    passed: dict[str, int] = field(default_factory=dict)
    """When each agent last declined or missed this chat, in service time (R5)."""
    agent_id: str | None = None
    """Who holds it: offered, active or wrapping."""
    offer_id: str | None = None
    """The standing offer, or the one that made it active."""
    offered_clock: int = 0
    expires: int = 0
    """When the standing offer expires, in service time."""
    turn: int = 0
    """Counts up with each change of stage: orders an agent's offers, its active chats, its wrapping chats."""
    wrapping_since: int = 0


@dataclass(slots=True)
class Request:
    """An agent's outstanding wish for one chat (R7, R12)."""

    origin: str
    clock: int
    position: Position


@dataclass(slots=True)
class Agent:
    """An agent who is logged in."""

    id: str
    profile: str
    lot: int
    last_sign: int
    mode_override: str | None = None
    max_sessions_override: int | None = None
    status: str = "available"
    """The status apart from absence: `available` or `unavailable`."""
    absent: bool = False
    absent_by_silence: bool = False
    unavailable_by_misses: bool = False
    missed: int = 0
    request: Request | None = None
    last_offer: int | None = None
    """When the last offer was made, in service time; None: none since the login."""
    request_ids: list[str] = field(default_factory=list)

    @property
    def available(self) -> bool:
        """Absent agents are treated as unavailable (R18)."""
        return self.status == "available" and not self.absent


@dataclass(slots=True)
class Pool:
    """A pool, and the moment at which its next decision is made."""

    id: str
    shard: int
    config: Configuration = field(default_factory=unconfigured)
    configured_since: int = 0
    chats: dict[str, Chat] = field(default_factory=dict)
    """The open ones."""
    agents: dict[str, Agent] = field(default_factory=dict)
    """Those logged in."""
    closed: dict[str, int] = field(default_factory=dict)
    """When a chat that is remembered was closed, in service time (R13)."""
    ended_early: dict[str, int] = field(default_factory=dict)
    """When the first ending of a chat never heard of came, in service time (R13)."""
    turns: int = 0
    offer_ended: list[str] = field(default_factory=list)
    """The chats whose offer ended in the work that is being done (R3)."""
    clock: int = 0
    service: int = 0
    position: Position = (0, 0)
    decided: int = 0
    """Decisions made so far in this frame."""
    out: list[dict[str, Any]] = field(default_factory=list)

    def next_id(self) -> str:
        """The id of the decision to be made next."""
        return f"{self.id}/{self.shard}/{self.position[0]}/{self.decided}"

    def decide(self, kind: str, **fields: Any) -> None:
        """Make a decision: its fields stand in the order given."""
        self.out.append(
            {"id": self.next_id(), "type": kind, "pool": self.id, "at": format_ms(self.clock), **fields},
        )
        self.decided += 1

    def take_out(self) -> list[dict[str, Any]]:
        """The decisions made since the last call."""
        taken, self.out = self.out, []
        return taken

    def next_turn(self) -> int:
        """A number larger than all before."""
        self.turns += 1
        return self.turns

    def profile(self, agent: Agent) -> Profile:
        """The agent's profile as it is configured now."""
        return self.config.profiles[agent.profile]

    def mode(self, agent: Agent) -> str:
        """`push` or `pull`, as the login or the profile has it."""
        return agent.mode_override or self.profile(agent).mode

    def max_sessions(self, agent: Agent) -> int:
        """The limit, as the login or the profile has it."""
        return agent.max_sessions_override or self.profile(agent).max_sessions

    def held(self, agent: Agent, stage: str | None = None) -> list[Chat]:
        """The chats that the agent holds (in that stage), in the order in which they came to it."""
        chats = [c for c in self.chats.values() if c.agent_id == agent.id and stage in (None, c.stage)]
        return sorted(chats, key=lambda chat: chat.turn)

    def waiting(self) -> list[Chat]:
        """The waiting chats in waiting order (R4)."""
        chats = [chat for chat in self.chats.values() if chat.stage == "waiting"]
        return sorted(chats, key=lambda chat: (chat.arrived_at, chat.position))
