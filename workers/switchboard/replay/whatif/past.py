"""What a log tells of a day: who came when, what each chat and each agent brought along, and under which rules.

Spans are in ms; `after` is since the log's first frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from switchboard.simulation.cast import Planned

AgentKey: TypeAlias = tuple[str, str]
"""(pool, agent id)."""


@dataclass(slots=True)
class Stint:
    """A chat with one agent, from acceptance on."""

    lasts: int
    then: Literal["end", "to_queue", "to_agent", "cut"]
    """`cut`: it lasted at least so long, for the agent was lost or the log ends."""
    to: str = ""
    """The queue or the agent to which it was passed on."""


@dataclass(slots=True)
class ChatPast:
    """One chat."""

    chat_id: str
    pool: str
    queue: str
    """Where it arrived."""
    after: int
    waits: list[tuple[int, bool]] = field(default_factory=list)
    """How long each wait was, and whether the customer gave up at its end: else patience was longer than that."""
    stints: list[Stint] = field(default_factory=list)
    wrap_up: int | None = None
    """None: none was seen."""


@dataclass(slots=True)
class AgentPast:
    """One agent."""

    key: AgentKey
    plan: list[Planned] = field(default_factory=list)
    accepts: list[int] = field(default_factory=list)
    """From each offer to its acceptance."""
    declined: int = 0
    lapsed: int = 0
    """Offers that were left to expire."""
    clicks: list[int] = field(default_factory=list)
    """From each moment at which it could have asked, in pull mode, to Request Chat."""


@dataclass(slots=True)
class Past:
    """One day, or however long the log is."""

    start: int
    """The first frame's clock, ms since 1970."""
    end: int
    chats: list[ChatPast]
    """By arrival."""
    agents: dict[AgentKey, AgentPast]
    returns: list[int]
    """How long agents whom missed offers made unavailable took to come back."""
    configs: dict[str, Mapping[str, Any]]
    """The last configuration of each pool."""
    configured_again: tuple[str, ...]
    """Pools whose configuration changed with chats under way: the re-simulation has the last one throughout."""
