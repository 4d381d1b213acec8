"""Where reading begins: today's decisions are read anew at each start, so that the bus is the only memory."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import TopicPartition

from switchboard.kafka.clients import Connection, reader

LOOK_SECONDS: Final = 30

LEAD_SECONDS: Final = 60 * 60
"""How long before midnight the reading begins: what waited across it is then known. Offers stand for minutes."""


async def first_offsets(
    conn: Connection, partitions: Iterable[TopicPartition], since: float
) -> dict[TopicPartition, int]:
    """The first offset of each partition whose record is no older than `since` (seconds since 1970), else its end.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    wanted = list(partitions)
    consumer = reader(conn)
    async with asyncio.timeout(LOOK_SECONDS):
        await consumer.start()
        try:
            ends = await consumer.end_offsets(wanted)
            found = await consumer.offsets_for_times(dict.fromkeys(wanted, int(since * 1000)))
        finally:
            await consumer.stop()
    return {place: ends[place] if told is None else told.offset for place, told in found.items()}
