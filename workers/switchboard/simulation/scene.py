"""The state of a simulation: what its customers and agents know of themselves and of each other.

It is their view, not the router's: an agent has gone away from the moment it says so, whatever is still on its way.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeAlias

from switchboard.simulation.behaviour import Away, Dice
from switchboard.simulation.cast import Cast, Mode, Post
from switchboard.simulation.diary import Diary
from switchboard.simulation.people import People

Stage: TypeAlias = Literal["waiting", "offered", "active", "wrapping"]
Presence: TypeAlias = Literal["out", "here", "sidelined", "break", "absent"]
"""`out` is logged out or lost; `sidelined` was made unavailable by missed offers."""


@dataclass(slots=True)
class Chat:
    """One open chat."""

    chat_id: str
    pool: str
    ours: bool
    """Whether its customer is one of ours; the agents answer other people's chats as well."""
    stage: Stage = "waiting"
    agent_id: str | None = None
    """Who was offered it or holds it."""
    waits: int = 0
    """How often it has come (back) to a queue: the mark of its customer's patience."""
    stint: int = 0
    """How many agents have accepted it: the mark of what its talk and wrap-up end."""
    transfers: int = 0
    refused: bool = False
    """The last transfer came to nothing: it stays where it is."""


@dataclass(slots=True)
class Agent:
    """One agent."""

    post: Post
    dice: Random
    mode: Mode
    presence: Presence = "out"
    stretch: int = 0
    """Grows whenever the presence changes: the mark of stepping away and coming back."""
    away: Away = "log-out"
    """How it went away last."""
    leaving: bool = False
    """Logs out as soon as its last chat is done."""
    offers: dict[str, str] = field(default_factory=dict)
    """chat_id to offer_id of what it has not decided on."""
    chats: set[str] = field(default_factory=set)
    """The chats it has accepted and not closed."""
    max_sessions: int | None = None
    """Known from its first assignment."""
    asking: bool = False
    """A request of its own is with the router."""
    reaching: bool = False
    """About to click Request Chat."""
    clicks: int = 0


@dataclass(slots=True)
class Scene:
    """Everyone and everything."""

    people: People
    dice: Dice
    cast: Cast
    label: str
    """What our chats' ids begin with."""
    diary: Diary = field(default_factory=Diary)
    chats: dict[str, Chat] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """By agent id, in the order of the cast."""
    arrived: int = 0
    started: int = 0
    """When, in ms since 1970."""
