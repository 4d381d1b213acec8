"""A log of the source topics as `kcat -J` writes it, for commands that read one where `record` could not make it."""

from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

SOURCES: Final = (
    "routing-config",
    "chat-arrival",
    "request-chat",
    "chat-accepted",
    "chat-lifecycle",
    "agent-presence",
)


async def bus_log(bootstrap: str, prefix: str) -> bytes:
    """All that is committed on the source topics, a line a record, by timestamp."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        await consumer._client.set_topics([prefix + topic for topic in SOURCES])
        tps = [
            TopicPartition(prefix + topic, partition)
            for topic in SOURCES
            for partition in consumer.partitions_for_topic(prefix + topic) or ()
        ]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp in tps:
            consumer.seek(tp, 0)
        lines: list[tuple[int, bytes]] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                lines.extend((record.timestamp, _line(record)) for record in records)
    finally:
        await consumer.stop()
    lines.sort(key=lambda each: each[0])
    return b"".join(line + b"\n" for _, line in lines)


def _line(record: Any) -> bytes:
    return orjson.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "tstype": "create",
            "ts": record.timestamp,
            "headers": [word for name, value in record.headers for word in (name, (value or b"").decode())],
            "key": None if record.key is None else record.key.decode(),
            "payload": None if record.value is None else record.value.decode(),
        }
    )
