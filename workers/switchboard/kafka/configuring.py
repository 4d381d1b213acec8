"""The pools' configuration on the bus: written whole or not at all, and read back."""

from typing import Any, Final

import orjson

from switchboard.kafka.clients import Connection, reader, transactional_producer
from switchboard.kafka.partitions import partitions_of
from switchboard.kafka.topics import Topic, TopicNames

EVENT_TYPE: Final = b"pool-configured"


async def write_configuration(conn: Connection, names: TopicNames, group: str, pools: list[dict[str, Any]]) -> None:
    """Publish `{"pool": ..., "config": {...}}` events, all in one transaction.

    Raises:
        KafkaError: the broker refused it; nothing was applied.
    """
    producer = transactional_producer(conn, f"{group}-config")
    await producer.start()
    try:
        async with producer.transaction():
            sent = [
                await producer.send(
                    names.of(Topic.ROUTING_CONFIG),
                    key=pool["pool"].encode(),
                    value=orjson.dumps(pool),
                    headers=[("ce_type", EVENT_TYPE)],
                )
                for pool in pools
            ]
            for each in sent:
                await each
    finally:
        await producer.stop()


async def read_configuration(conn: Connection, names: TopicNames) -> dict[str, Any]:
    """What was last published for each pool: pool -> config."""
    tps = await partitions_of(conn, [names.of(Topic.ROUTING_CONFIG)])
    if not tps:
        return {}
    consumer = reader(conn)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(tps)
        begins = await consumer.beginning_offsets(tps)
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, begins[tp])
        found: dict[str, Any] = {}
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    body = orjson.loads(record.value) if record.value is not None else {}
                    if "pool" in body:
                        found[body["pool"]] = body.get("config")
        return found
    finally:
        await consumer.stop()
