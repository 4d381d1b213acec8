"""Waiting until the routers have taken all that was published."""

import asyncio
import time
from typing import Final

import orjson

from switchboard.kafka.clients import Connection
from switchboard.kafka.partitions import partitions_of
from switchboard.kafka.restore import restore
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.replay.reading import ends_of

LOOK_SECONDS: Final = 0.25


async def caught_up(conn: Connection, names: TopicNames, shards: int, *, within: float) -> bool:
    """Whether within so many seconds every shard has read the sources to where they end now.

    The sources must have been written without transactions, whose markers no reader ever passes.

    Raises:
        ReadingError, RestoreError: a topic can't be read.
    """
    until = time.monotonic() + within
    sources = await partitions_of(conn, names.sources)
    ends = {f"source/{tp.topic}/{tp.partition}": end for tp, end in (await ends_of(conn, sources)).items()}
    while not await _all_read(conn, names, shards, ends):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


async def _all_read(conn: Connection, names: TopicNames, shards: int, ends: dict[str, int]) -> bool:
    for shard in range(shards):
        rows = (await restore(conn, names, shard))[Topic.SHARD_PROGRESS]
        read = {key.decode(): orjson.loads(value)["offset"] for key, value in rows.items() if key[:7] == b"source/"}
        if any(read.get(key, 0) < end for key, end in ends.items()):
            return False
    return True
