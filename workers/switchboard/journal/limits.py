"""The size of a pool's configuration, and the bounds on it.

A router applies a configuration in one step, in which nothing else is routed. Measured on one core of the build
machine, that step takes 0.15 to 0.45 us for each pair of a profile and a queue that it serves, and 7 us for each queue
and each profile. A profile that lists no queues serves all of the pool's: 64 KiB can hold 4.2 million pairs (1.1 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

MAX_PAIRS: Final = 100_000
"""Pairs of a profile and a queue that it serves, in one pool: at most 50 ms to apply. 500 queues times 200 profiles."""
MAX_SHARD_PAIRS: Final = 1_000_000
"""The same of all pools of a shard: about 30 MB."""
MAX_SHARD_ROWS: Final = 100_000
"""Queues and profiles of all pools of a shard: about 90 MB."""

SizeLimit = Literal["pools", "configuration", "shard-configuration"]


class Size(NamedTuple):
    """What a configuration costs in memory and time."""

    rows: int
    """Queues and profiles."""
    pairs: int
    """Queues served, added up over the profiles."""


class Excess(NamedTuple):
    """Why a configuration is beyond a bound."""

    limit: SizeLimit
    detail: str


def size_of(config: Mapping[str, Any]) -> Size:
    """The size of a configuration that keeps to the schema; a queue that is listed twice counts twice."""
    queues, profiles = len(config["queues"]), config["profiles"]
    pairs = sum(len(row["queues"]) if "queues" in row else queues for row in profiles)
    return Size(queues + len(profiles), pairs)


def too_many_pairs(size: Size) -> str | None:
    """What is wrong with the size of a single configuration, in words; None if it is within the bound."""
    if size.pairs <= MAX_PAIRS:
        return None
    return (
        f"expected at most {MAX_PAIRS} queues served, added up over the profiles, got {size.pairs}: "
        "list the queues of each profile (one without a list serves all of them), or use fewer profiles"
    )


@dataclass(slots=True)
class ConfiguredPools:
    """The pools that are configured, with their sizes, checked against `max_pools` and the bounds of a shard."""

    max_pools: int
    """The most pools."""
    shards: int = 1
    """How many shards these are the pools of."""
    sizes: dict[str, Size] = field(default_factory=dict)
    """By pool. Change it by the methods only."""
    rows: int = 0
    """Of all pools."""
    pairs: int = 0
    """Of all pools."""

    def __contains__(self, pool: object) -> bool:
        return pool in self.sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def set(self, pool: str, size: Size) -> None:
        """Note a pool's size, whether or not it is within the bounds."""
        self.remove(pool)
        self.sizes[pool] = size
        self.rows += size.rows
        self.pairs += size.pairs

    def remove(self, pool: str) -> None:
        """Forget a pool, if it is there."""
        old = self.sizes.pop(pool, None)
        if old is not None:
            self.rows -= old.rows
            self.pairs -= old.pairs

    def admit(self, pool: str, config: Mapping[str, Any]) -> Excess | None:
        """Note a pool's new configuration, unless it is beyond a bound; then say which.

        Where the bounds of a shard were exceeded before (by an older version), a pool may still shrink.
        """
        size = size_of(config)
        if (wrong := too_many_pairs(size)) is not None:
            return Excess("configuration", wrong)
        old = self.sizes.get(pool)
        if old is None and len(self.sizes) >= self.max_pools * self.shards:
            return Excess(
                "pools", f"{len(self.sizes)} pools are configured; at most {self.max_pools} are taken (max_pools)"
            )
        before = old or Size(0, 0)
        for what, now, was, in_all, most in (
            ("queues and profiles", size.rows, before.rows, self.rows, MAX_SHARD_ROWS * self.shards),
            ("queues served by profiles", size.pairs, before.pairs, self.pairs, MAX_SHARD_PAIRS * self.shards),
        ):
            if now > was and in_all - was + now > most:
                detail = f"all pools together would have {in_all - was + now} {what}; at most {most} are taken"
                return Excess("shard-configuration", detail)
        self.set(pool, size)
        return None


UnconfiguredPools: TypeAlias = Literal["allow", "refuse"]

Limit: TypeAlias = Literal[
    "unconfigured-pools",
    "pools",
    "agents",
    "agent-ids",
    "chats",
    "remembered-chats",
    "early-endings",
    "shard-agents",
    "shard-chats",
    "shard-remembered-chats",
    "declines",
    "shard-declines",
    "configuration",
    "shard-configuration",
]
"""What a limit is called in metrics and logs."""

SHARD_AGENTS: Final = 10
"""A shard takes so many times the agents of a pool."""
SHARD_CHATS: Final = 2
"""A shard takes so many times the chats of a pool, open and remembered."""
UNCONFIGURED_SHARE: Final = 2
"""Pools that were never configured take one part of so many of what a shard takes: names that anyone can make up never
use up what the configured pools need."""
MAX_DECLINES: Final = 1_000
"""Open chats that one agent passed over, and agents who passed one chat over, beyond which a decline is refused. Each
search for an agent's next chat looks at all chats that it passed over (0.1 us each), each search for a chat's next
agent at all agents who passed it over: 20,000 declines of one agent took 2 ms each, and a frame of 2,000 of them longer
than a session."""
SHARD_DECLINES: Final = 5
"""A shard remembers so many times `max_chats` pairs of an agent and an open chat that it passed over: 260 MB."""
EARLY_ENDINGS_SHARE: Final = 10
"""Endings that came before their chats take one part of so many of `max_remembered`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each shard of a router. The settings of the same names say more."""

    unconfigured_pools: UnconfiguredPools = "allow"
    max_pools: int = 10_000
    max_agents: int = 20_000
    max_chats: int = 200_000
    max_remembered: int = 500_000

    @property
    def max_early_endings(self) -> int:
        """Endings of a pool that came before their chats and are remembered for a minute (R13)."""
        return max(1, self.max_remembered // EARLY_ENDINGS_SHARE)

    @property
    def shard_agents(self) -> int:
        """Agents of all pools of a shard together."""
        return SHARD_AGENTS * self.max_agents

    @property
    def shard_chats(self) -> int:
        """Open chats of all pools of a shard together."""
        return SHARD_CHATS * self.max_chats

    @property
    def shard_remembered(self) -> int:
        """Chats of all pools of a shard together, open and remembered."""
        return SHARD_CHATS * self.max_remembered

    @property
    def shard_declines(self) -> int:
        """Pairs of an agent and an open chat that it passed over, of all pools of a shard together."""
        return SHARD_DECLINES * self.max_chats
