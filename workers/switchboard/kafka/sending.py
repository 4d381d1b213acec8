"""Any record that may stand on a topic, sent as it is."""

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer


async def send_as_is(
    writer: AIOKafkaProducer,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    *,
    timestamp_ms: int | None = None,
) -> "asyncio.Future[object]":
    """Hand a record to the client; what this gives is done once the broker has acknowledged it.

    aiokafka's own `send` refuses a record with neither key nor value, which other clients write.

    Args:
        writer: started.
        topic: its name on the bus.
        partition: of the topic.
        key: as all of these, bytes that nobody looks into.
        value: None is a tombstone.
        headers: in order.
        timestamp_ms: now, unless given.
    """
    told = list(headers)
    answer: asyncio.Future[object]
    if key is not None or value is not None:
        answer = await writer.send(topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms, headers=told)
        return answer
    batch = writer.create_batch()
    at = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
    batch.append(timestamp=at, key=None, value=None, headers=told)
    batch.close()
    answer = await writer.send_batch(batch, topic, partition=partition)
    return answer
