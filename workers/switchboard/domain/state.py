"""What a pool remembers: chats, agents and their requests. Data only; the other modules change it.

Times called `service` are ms of service time, the others ms since 1970 on the journal's clock (R1).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from switchboard.domain import configuration
from switchboard.domain.decisions import Mode, Origin
from switchboard.domain.ordered import Ordered

Stage: TypeAlias = Literal["waiting", "offered", "active", "wrapping", "closed"]

Position: TypeAlias = tuple[int, int]
"""(frame number, index in the frame); a timer's work has index -1 (R2)."""

RECENT_REQUESTS: Final = 8
"""How many request ids of an agent are remembered (R12)."""


@dataclass(slots=True, eq=False)
class Chat:
    """One chat from arrival to closing."""

    id: str
    queue: str
    arrived_at: int
    arrived_text: str
    position: Position
    """Of its arrival; with `arrived_at` the waiting order (R4)."""

    entered_queue: str
    """The queue whose limits it is under (R17)."""
    entered_at: int
    """Service time at which it entered that queue."""
    overflowed: bool = False
    """It has used this entry's one overflow."""

    stage: Stage = "waiting"
    stage_mark: Position = (0, 0)
    """(frame, decision number) of the decision that put it in its stage: the order of acceptance and of conclusion."""
    agent: "Agent | None" = None
    """Who holds it: None while it waits."""
    offer_id: str | None = None
    attempt: int = 0
    """Offers so far."""
    offered_at: int = 0
    """The clock at its last offer."""
    expires: int = 0
    """Service time at which the standing offer expires."""
    wrapping_since: int = 0
    """Service time at which wrapping began."""
    passed: dict[str, int] | None = None
    """Agents who declined or missed it, and the service time at which they did (R5)."""
    armed: bool = False
    """Its queue timers of this entry are in the heap."""


@dataclass(slots=True, eq=False)
class Request:
    """An agent's standing wish for one chat (R12)."""

    origin: Origin
    at: int
    at_text: str
    position: Position


@dataclass(slots=True, eq=False)
class WaitingLine:
    """The chats that wait in one queue, in waiting order."""

    chats: Ordered[tuple[int, int, int, Chat]] = field(default_factory=Ordered)


@dataclass(slots=True, eq=False)
class AskingLine:
    """The agents with an eligible request whose profiles serve one same set of queues, in agent order (R7)."""

    queues: frozenset[str]
    agents: "Ordered[AgentKey]" = field(default_factory=Ordered)


@dataclass(slots=True, eq=False)
class Profile:
    """A profile with the lines that its agents draw on and stand in."""

    config: configuration.Profile
    lines: list[WaitingLine]
    """Of its queues, best first."""
    asking: AskingLine


@dataclass(slots=True, eq=False)
class Agent:
    """One agent from login to logout."""

    id: str
    profile: Profile
    lot: int
    """Drawn at login, smallest first (R7)."""
    last_sign: int
    """Service time of the last sign, kept only while the pool watches for silence (R18)."""

    own_mode: Mode | None = None
    """The login's override of the profile's."""
    own_max_sessions: int | None = None
    mode: Mode = "push"
    """What counts: the override, else the profile's."""
    max_sessions: int = 0

    available: bool = True
    """The status, but for absence."""
    absent: bool = False
    silent: bool = False
    """Absent by silence: the next sign ends it."""
    returns: bool = False
    """Made unavailable by missed offers: `request-chat` ends it (R12)."""

    sessions: dict[str, Chat] = field(default_factory=dict)
    """By chat id, in the order in which they were offered."""
    undecided: int = 0
    """Sessions that are offers still standing."""
    request: Request | None = None
    had_offer: bool = False
    """Since login: then it stands by request, not by lot (R7)."""
    last_offer: int | None = None
    """Service time of its last offer."""
    missed: int = 0
    """Offers missed in a row (R10)."""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_REQUESTS))

    key: "AgentKey | None" = None
    """Its place in its asking line, while it stands there."""
    wake: int = -1
    """The due time of its delay's timer."""
    absent_due: int = -1
    """Due time of its timer for absence that is in the heap; -1: none."""
    lost_due: int = -1

    @property
    def ready(self) -> bool:
        """Available and not absent."""
        return self.available and not self.absent


AgentKey: TypeAlias = tuple[int, int, str, Agent] | tuple[int, int, int, int, str, Agent]
"""(0, lot, id, agent) before the first offer since login, then (1, clock, frame, index, id, agent) of the request."""


@dataclass(slots=True)
class Remembered:
    """A chat id that is no longer, or not yet, an open chat (R13)."""

    until: int
    """Service time at which it is forgotten."""
    arrived: bool
    """It was a chat and is closed; else its ending came first."""
