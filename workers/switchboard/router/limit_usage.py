"""The usage of each limit of a shard, for the gauges."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.events import DEFAULT_POOL
from switchboard.domain.pool import Pool
from switchboard.journal.limits import (
    MAX_PAIRS,
    MAX_SHARD_PAIRS,
    MAX_SHARD_ROWS,
    UNCONFIGURED_SHARE,
    ConfiguredPools,
    Limit,
    Limits,
)
from switchboard.router.shard_limits import Totals, add, held_by, made_up_pools, nothing

Usage = dict[Limit, tuple[int, int]]
"""Limit → (present count, highest count allowed)."""

_PAUSE_POOLS: Final = 500
"""Pools between two pauses. A pool takes about 1 us."""


@dataclass(slots=True)
class _Counts:
    """The highest counts of a single pool, and the totals of all pools."""

    agents: int = 0
    chats: int = 0
    remembered: int = 0
    early_endings: int = 0
    all: Totals = field(default_factory=nothing)
    unconfigured: Totals = field(default_factory=nothing)

    def add(self, pool: Pool, *, is_configured: bool) -> None:
        """Count a pool."""
        self.agents = max(self.agents, len(pool.agents), len(pool.index.passings))
        self.chats = max(self.chats, len(pool.chats))
        self.remembered = max(self.remembered, len(pool.chats) + len(pool.remembered))
        self.early_endings = max(self.early_endings, len(pool.index.early_forgets))
        held = held_by(pool)
        add(self.all, held)
        if not is_configured:
            add(self.unconfigured, held)


def limit_usage(pools: Mapping[str, Pool], configured: ConfiguredPools, limits: Limits) -> Generator[None, None, Usage]:
    """The usage of each limit; for a limit by pool, the usage of the fullest pool.

    Yields every 500 pools, so that other tasks may run; pools may change meanwhile.

    Args:
        pools: of the shard, by id.
        configured: which of the pools are configured.
        limits: of the shard.
    """
    counts = _Counts()
    for number, pool in enumerate(list(pools.values())):
        counts.add(pool, is_configured=pool.id in configured)
        if number % _PAUSE_POOLS == 0:
            yield
    # The pools that were never configured may use half of each limit, so each of their counts is doubled.
    shard = {each: max(held, UNCONFIGURED_SHARE * counts.unconfigured[each]) for each, held in counts.all.items()}
    most_pairs = max((size.pairs for size in configured.sizes.values()), default=0)
    made_up = made_up_pools(len(pools), configured, has_default=DEFAULT_POOL in pools)
    return {
        "pools": (max(len(configured), made_up), limits.max_pools),
        "agents": (counts.agents, limits.max_agents),
        "chats": (counts.chats, limits.max_chats),
        "remembered-chats": (counts.remembered, limits.max_remembered),
        "early-endings": (counts.early_endings, limits.max_early_endings),
        "shard-agents": (shard["agents"], limits.shard_agents),
        "shard-chats": (shard["chats"], limits.shard_chats),
        "shard-remembered-chats": (shard["remembered"], limits.shard_remembered),
        "shard-declines": (shard["passes"], limits.shard_declines),
        "configuration": (most_pairs, MAX_PAIRS),
        "shard-configuration": (
            max(configured.pairs, configured.rows * (MAX_SHARD_PAIRS // MAX_SHARD_ROWS)),
            MAX_SHARD_PAIRS,
        ),
    }
