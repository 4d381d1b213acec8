"""The state of a pool: chats, agents, their requests, and the lines they wait in. Data only.

Times are ms: of service time where the docstring says so, otherwise since 1970 on the journal's clock (R1).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from switchboard.domain import configuration
from switchboard.domain.decisions import Mode, Origin
from switchboard.domain.ordered import Ordered

Stage: TypeAlias = Literal["waiting", "offered", "active", "wrapping", "closed"]

Position: TypeAlias = tuple[int, int]
"""(frame number, index of the event in the frame); the index is -1 for a timer (R2)."""

RECENT_REQUESTS: Final = 8
"""Number of request ids that are remembered for an agent, to recognize repeats (R12)."""


@dataclass(slots=True, eq=False)
class Chat:
    """One chat from arrival to closing."""

    id: str
    queue: str
    arrived_at: int
    arrived_text: str
    position: Position
    """Position of the arrival. Waiting chats are ordered by `arrived_at`, then by `position` (R4)."""

    entered_queue: str
    """The queue whose limits apply (R17). Differs from `queue` after an overflow."""
    entered_at: int
    """Service time of the entry into `entered_queue`."""
    overflowed: bool = False
    """True if the chat has overflowed since it entered `entered_queue`. A chat overflows once for each entry."""

    stage: Stage = "waiting"
    stage_mark: Position = (0, 0)
    """(frame, number) of the decision that put the chat in its stage. Orders acceptances and conclusions."""
    agent: "Agent | None" = None
    """The agent whose session the chat is; None while the chat waits."""
    offer_id: str | None = None
    attempt: int = 0
    """Number of offers so far."""
    offered_at: int = 0
    """The clock at the latest offer."""
    expires: int = 0
    """Service time at which the present offer expires."""
    wrapping_since: int = 0
    """Service time of the start of the wrap-up."""
    passed: dict[str, int] | None = None
    """Agent id → service time of the agent's latest decline or miss (R5); None if there is none."""
    armed: bool = False
    """True if the queue timers of the present entry are in the heap."""


@dataclass(slots=True, eq=False)
class Request:
    """An agent's outstanding request for one chat (R11, R12)."""

    origin: Origin
    at: int
    at_text: str
    position: Position


@dataclass(slots=True, eq=False)
class WaitingLine:
    """The chats that wait in one queue, in waiting order (R4)."""

    chats: Ordered[tuple[int, int, int, Chat]] = field(default_factory=Ordered)


@dataclass(slots=True, eq=False)
class RequestLine:
    """The request line of profiles with the same queues: agents with an eligible request, in agent order (R7)."""

    queues: frozenset[str]
    agents: "Ordered[AgentKey]" = field(default_factory=Ordered)


@dataclass(slots=True, eq=False)
class Profile:
    """A profile with the waiting lines that its agents serve, and the request line that they wait in."""

    config: configuration.Profile
    lines: list[WaitingLine]
    """The waiting lines of its queues, in the order of priority."""
    request_line: RequestLine


@dataclass(slots=True, eq=False)
class Agent:
    """One agent from login to logout."""

    id: str
    profile: Profile
    lot: int
    """Drawn at login. Agents without an offer since login are ordered by it, smallest first (R7)."""
    last_sign: int
    """Service time of the latest event of the agent; kept only in pools that watch for silence (R18)."""

    own_mode: Mode | None = None
    """The mode that the login sets; None: the profile's mode."""
    own_max_sessions: int | None = None
    mode: Mode = "push"
    """The mode in effect."""
    max_sessions: int = 0

    available: bool = True
    """The status, without regard to absence."""
    absent: bool = False
    silent: bool = False
    """True if absent by silence. The agent's next event ends such an absence."""
    returns: bool = False
    """True if missed offers made the agent unavailable. The next `request-chat` makes it available (R12)."""

    sessions: dict[str, Chat] = field(default_factory=dict)
    """Chat id → chat, in the order of the offers."""
    undecided: int = 0
    """Number of sessions in the stage `offered`."""
    request: Request | None = None
    had_offer: bool = False
    """True if the agent has had an offer since login, and is ordered by its request, not by lot (R7)."""
    last_offer: int | None = None
    """Service time of the latest offer."""
    missed: int = 0
    """Number of offers missed in a row (R10)."""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_REQUESTS))
    """Ids of the latest requests (R12)."""

    key: "AgentKey | None" = None
    """The agent's key in the request line; None if the agent is not in the line."""
    wake: int = -1
    """Service time for which the timer of the delay between chats was last set; -1: none since the heap was built."""
    absent_due: int = -1
    """Service time at which the timer of absence is due; -1: none is in the heap."""
    lost_due: int = -1
    """Service time at which the timer of loss is due; -1: none is in the heap."""

    @property
    def ready(self) -> bool:
        """Available and not absent."""
        return self.available and not self.absent


AgentKey: TypeAlias = tuple[int, int, str, Agent] | tuple[int, int, int, int, str, Agent]
"""(0, lot, id, agent) before the first offer since login; (1, clock, frame, index, id, agent) afterwards."""


@dataclass(slots=True)
class Remembered:
    """A chat id that is remembered although no such chat is open (R13)."""

    until: int
    """Service time at which the id is forgotten."""
    arrived: bool
    """True: the chat is closed. False: its ending came before its arrival."""
