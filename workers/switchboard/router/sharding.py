"""Which shard a pool belongs to."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def shard_of(pool: str, shards: int) -> int:
    """As Kafka's default partitioner places a key, so that other clients can tell it as well."""
    place: int = murmur2(pool.encode()) & 0x7FFFFFFF
    return place % shards
