"""Waiting until the routers have taken all that was published."""

import asyncio
import time
from typing import Final

import orjson
from aiokafka import TopicPartition

from switchboard.kafka.clients import Connection
from switchboard.kafka.partitions import partitions_of
from switchboard.kafka.reading import ends_of, opened
from switchboard.kafka.restore import restore
from switchboard.kafka.topics import Topic, TopicNames

LOOK_SECONDS: Final = 0.25


async def caught_up(conn: Connection, names: TopicNames, shards: int, *, within: float) -> bool:
    """Whether within so many seconds every shard has read all records that are in the source topics now.

    Raises:
        ReadingError, RestoreError: a topic can't be read.
    """
    until = time.monotonic() + within
    ends = await ends_of(conn, await partitions_of(conn, names.sources))
    for shard in range(shards):
        while await _is_behind(conn, names, shard, ends):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(LOOK_SECONDS)
    return True


async def _is_behind(conn: Connection, names: TopicNames, shard: int, ends: dict[TopicPartition, int]) -> bool:
    rows = (await restore(conn, names, shard))[Topic.SHARD_PROGRESS]
    for tp, end in ends.items():
        row = rows.get(f"source/{tp.topic}/{tp.partition}".encode())
        reached = 0 if row is None else orjson.loads(row)["offset"]
        if reached < end:
            # What is left may be a transaction's marker, which no reader is ever given.
            async with opened(conn, tp, end, begin=reached) as left:
                if await left.next() is not None:
                    return True
    return False
