"""A consumer that is only asked how far partitions reach, by a deadline: a broker may be there and say nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from switchboard.kafka.clients import Connection, reader


@asynccontextmanager
async def asking(conn: Connection, within: float) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader, started, and stopped at the end; each within so many seconds.

    Raises:
        KafkaError, OSError, TimeoutError: it could not be started.
    """
    consumer = reader(conn)
    try:
        async with asyncio.timeout(within):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(within):
                await consumer.stop()
