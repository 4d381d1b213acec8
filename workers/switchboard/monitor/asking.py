"""A consumer that is only asked how far partitions reach, by a deadline: a broker may be there and say nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from switchboard.kafka.clients import Connection, reader


@asynccontextmanager
async def asking(conn: Connection, within: float, *, committed: bool = True) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer, started, and stopped at the end.

    Args:
        conn: the cluster.
        within: seconds that the start may take, and the end.
        committed: whether the ends that it tells are last stable offsets; False: high watermarks.

    Raises:
        KafkaError, OSError, TimeoutError: it could not be started.
    """
    consumer = reader(conn, committed=committed)
    try:
        async with asyncio.timeout(within):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(within):
                await consumer.stop()
