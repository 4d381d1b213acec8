"""Which shard a pool belongs to."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def shard_of(pool: str, shards: int) -> int:
    """The shard of a pool: Kafka's default partitioner with the pool as key, so that any client can compute it."""
    place: int = murmur2(pool.encode()) & 0x7FFFFFFF
    return place % shards
