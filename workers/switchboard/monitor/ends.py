"""How far the topics reach: the offset of the last committed record of each partition."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from switchboard.kafka.clients import Connection, learn, reader
from switchboard.kafka.reading import read_between

READ_SECONDS: Final = 30
"""For the whole look. It reads a few records of each partition, so it is over in well under a second."""

FIRST_STEP: Final = 2
"""From the end back: the last record, then the marker of its commit, which is never handed out."""

GROWTH: Final = 16
"""How much farther back it looks next time, where all that was there is markers and aborted records."""


async def last_offsets(conn: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset of the last committed record of each partition that has one.

    Not the offset before the end: what stands there is nearly always the marker of a commit, and may be any number of
    aborted records. Who waits for that to be handed out waits for ever.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    consumer = reader(conn)
    async with asyncio.timeout(READ_SECONDS):
        await consumer.start()
        try:
            wanted = list(partitions)
            await learn(consumer, {place.topic for place in wanted})
            starts = await consumer.beginning_offsets(wanted)
            ends = await consumer.end_offsets(wanted)  # read_committed: the last stable offsets
            return await _look_back(consumer, starts, ends)
        finally:
            await consumer.stop()


async def _look_back(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = {}
    step = FIRST_STEP
    left = {place for place, end in ends.items() if end > starts[place]}
    while left:
        since = {place: max(starts[place], ends[place] - step) for place in left}
        async for place, records in read_between(consumer, since, {place: ends[place] for place in left}):
            found[place] = records[-1].offset
        left = {place for place in left if place not in found and since[place] > starts[place]}
        step *= GROWTH
    return found
