"""The size of a configuration: what of it is counted, and which is taken."""

from collections.abc import Mapping
from typing import Any

from switchboard.journal.limits import MAX_SHARD_PAIRS, MAX_SHARD_ROWS, ConfiguredPools, Size, size_of


def config(queues: int, profiles: int, profile: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A configuration of so many queues and profiles, the latter with these fields."""
    return {
        "queues": [{"name": f"q{number}"} for number in range(queues)],
        "profiles": [{"name": f"p{number}", **profile} for number in range(profiles)],
    }


def test_a_profile_without_a_list_serves_all_queues() -> None:
    """And one with an empty list none."""
    assert size_of(config(3, 4)) == Size(rows=7, pairs=12)
    assert size_of(config(3, 4, {"queues": ["q1"]})) == Size(rows=7, pairs=4)
    assert size_of(config(3, 4, {"queues": []})) == Size(rows=7, pairs=0)


def test_a_pool_that_is_configured_anew_counts_once() -> None:
    """Sizes follow the latest configuration; a pool that is gone counts no more."""
    pools = ConfiguredPools(max_pools=2)
    for _ in range(3):
        assert pools.admit("a", config(10, 10)) is None
    assert pools.admit("b", config(1, 1)) is None
    assert (len(pools), pools.rows, pools.pairs) == (2, 22, 101)
    assert pools.admit("c", config(1, 1)) == (
        "pools",
        "2 pools are configured; at most 2 are taken (max_pools)",
    )
    pools.remove("a")
    assert (len(pools), pools.rows, pools.pairs, "a" in pools) == (1, 2, 1, False)


def test_beyond_the_bounds_of_a_shard_a_pool_may_still_shrink() -> None:
    """As when an older version took more: each step in the right direction is taken."""
    pools = ConfiguredPools(max_pools=9)
    pools.set("a", Size(2 * MAX_SHARD_ROWS, 2 * MAX_SHARD_PAIRS))
    pools.set("b", Size(200, 10_000))
    assert pools.admit("b", config(99, 100)) is None
    excess = pools.admit("b", config(101, 100))
    assert excess is not None
    assert excess.limit == "shard-configuration"
    assert "queues and profiles; at most 100000 are taken" in excess.detail


def test_the_bounds_grow_with_the_shards() -> None:
    """The monitor follows the pools of all of them."""
    pools = ConfiguredPools(max_pools=1, shards=2)
    assert [pools.admit(pool, config(1, 1)) is None for pool in "abc"] == [True, True, False]
