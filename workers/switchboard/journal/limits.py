"""The size of a pool's configuration, and the limits of a shard.

A router applies a configuration in one step, and routes nothing else during the step. Measured on one core of the build
machine, the step takes 0.15 to 0.45 us for each pair of a profile and a queue that the profile serves, and 7 us for
each queue and each profile. A profile that lists no queues serves all queues of its pool, so 64 KiB can hold 4.2
million pairs (1.1 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

MAX_PAIRS: Final = 100_000
"""Pairs of a profile and a served queue, in one pool: at most 50 ms to apply. 500 queues times 200 profiles."""
MAX_SHARD_PAIRS: Final = 1_000_000
"""Pairs of a profile and a served queue, in all pools of a shard: about 30 MB."""
MAX_SHARD_ROWS: Final = 100_000
"""Queues and profiles of all pools of a shard: about 90 MB."""

SHARD_AGENTS: Final = 10
"""Agents of a shard, as a multiple of the agents of a pool."""
SHARD_CHATS: Final = 2
"""Chats of a shard, open and remembered, as a multiple of the chats of a pool."""
SHARD_DECLINES: Final = 5
"""Passes (pairs of an agent and an open chat) that a shard remembers, as a multiple of `max_chats`: 260 MB."""
UNCONFIGURED_SHARE: Final = 2
"""Divisor of a shard's limits for pools that were never configured. Anyone can make up names of pools; such pools must
not use up the space of configured ones."""
EARLY_ENDINGS_SHARE: Final = 10
"""Divisor of `max_remembered` for endings that came before their chats."""
MAX_DECLINES: Final = 1_000
"""Passes of an agent on open chats, and of agents on a chat; further declines are refused. Each search for an
agent's next chat reads all passes of the agent (0.1 us each), each search for a chat's next agent all passes on the
chat: 20,000 declines of one agent took 2 ms each, and a frame of 2,000 declines longer than the group's session."""

SizeLimit = Literal["pools", "configuration", "shard-configuration"]

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
"""The names of the limits in metrics and logs."""

UnconfiguredPools: TypeAlias = Literal["allow", "refuse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each shard of a router. The settings of the same names are documented in `settings`."""

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
        """Passes (pairs of an agent and an open chat) of all pools of a shard together."""
        return SHARD_DECLINES * self.max_chats


class Size(NamedTuple):
    """The size of a configuration. Memory and the time to apply a configuration grow with both fields."""

    rows: int
    """Queues and profiles."""
    pairs: int
    """Queues served, added up over the profiles."""


class Excess(NamedTuple):
    """The limit exceeded by a configuration, with an explanation."""

    limit: SizeLimit
    detail: str


def size_of(config: Mapping[str, Any]) -> Size:
    """The size of a valid configuration. A queue listed twice by a profile counts twice."""
    queues, profiles = len(config["queues"]), config["profiles"]
    pairs = sum(len(row["queues"]) if "queues" in row else queues for row in profiles)
    return Size(queues + len(profiles), pairs)


def too_many_pairs(size: Size) -> str | None:
    """The fault of a pool's configuration with more than `MAX_PAIRS`, in words; None below the limit."""
    if size.pairs <= MAX_PAIRS:
        return None
    return (
        f"expected at most {MAX_PAIRS} queues served, added up over the profiles, got {size.pairs}: "
        "list the queues of each profile (one without a list serves all of them), or use fewer profiles"
    )


@dataclass(slots=True)
class ConfiguredPools:
    """The sizes of the configured pools, checked against `max_pools` and the limits of a shard."""

    max_pools: int
    """The most pools of a shard."""
    shards: int = 1
    """The number of shards that share the pools."""
    sizes: dict[str, Size] = field(default_factory=dict)
    """By pool. Changed by the methods only."""
    rows: int = 0
    """Queues and profiles of all pools."""
    pairs: int = 0
    """Pairs of all pools."""

    def __contains__(self, pool: object) -> bool:
        return pool in self.sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def admit(self, pool: str, config: Mapping[str, Any]) -> Excess | None:
        """Note a pool's new configuration, or return the limit exceeded by the configuration.

        A shard may exceed the limits if an older version admitted the pools. Pools may still become smaller.
        """
        size = size_of(config)
        if (detail := too_many_pairs(size)) is not None:
            return Excess("configuration", detail)
        old = self.sizes.get(pool)
        if old is None and len(self.sizes) >= self.max_pools * self.shards:
            return Excess(
                "pools", f"{len(self.sizes)} pools are configured; at most {self.max_pools} are taken (max_pools)"
            )
        before = old or Size(0, 0)
        for name, now, was, in_all, most in (
            ("queues and profiles", size.rows, before.rows, self.rows, MAX_SHARD_ROWS * self.shards),
            ("queues served by profiles", size.pairs, before.pairs, self.pairs, MAX_SHARD_PAIRS * self.shards),
        ):
            # Only growth is refused, so that a shard beyond its limits can shrink.
            if now > was and in_all - was + now > most:
                detail = f"all pools together would have {in_all - was + now} {name}; at most {most} are taken"
                return Excess("shard-configuration", detail)
        self.set(pool, size)
        return None

    def set(self, pool: str, size: Size) -> None:
        """Note a pool's size, within the limits or not."""
        self.remove(pool)
        self.sizes[pool] = size
        self.rows += size.rows
        self.pairs += size.pairs

    def remove(self, pool: str) -> None:
        """Forget a pool; no error if the pool is unknown."""
        old = self.sizes.pop(pool, None)
        if old is not None:
            self.rows -= old.rows
            self.pairs -= old.pairs
