"""The size of a pool's configuration, and the bounds on it.

A router applies a configuration in one step, in which nothing else is routed. Measured on one core of the build
machine, that step takes 0.15 to 0.45 us for each pair of a profile and a queue that it serves, and 7 us for each queue
and each profile. A profile that lists no queues serves all of the pool's: 64 KiB can hold 4.2 million pairs (1.1 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

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
