"""Which shard a pool belongs to is Kafka's own default, so that any client can tell."""

import pytest
from aiokafka.partitioner import DefaultPartitioner

from switchboard.router.pool_shards import shard_of


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [("21", -973932308), ("foobar", -790332482), ("abc", 479470107), ("a-little-bit-long-string", -985981536)],
)
def test_a_pool_is_placed_as_kafka_places_a_key(key: str, murmur2: int) -> None:
    """The hashes are those of the Java client's own tests; the sign is masked, not dropped."""
    for shards in (1, 2, 3, 64):
        assert shard_of(key, shards) == (murmur2 & 0x7FFFFFFF) % shards


def test_a_python_producer_agrees() -> None:
    """What aiokafka's partitioner says of the same key."""
    partitioner = DefaultPartitioner()
    for number in range(200):
        pool = f"pool-{number}"
        assert shard_of(pool, 7) == partitioner(pool.encode(), list(range(7)), list(range(7)))
