"""The pools' configuration on the bus: written whole or not at all, and read back."""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiokafka import ConsumerRecord

from switchboard.contracts.codec import BadInput, decode_event
from switchboard.kafka.allowed import require_rights
from switchboard.kafka.clients import Connection, transactional_producer
from switchboard.kafka.partitions import require_partitions
from switchboard.kafka.reading import read_to_now
from switchboard.kafka.rights import Operation, configurer, configuring_rights, on_topics
from switchboard.kafka.topics import Topic, TopicNames

EVENT_TYPE: Final = b"pool-configured"


async def write_configuration(conn: Connection, names: TopicNames, group: str, pools: list[dict[str, Any]]) -> None:
    """Publish `{"pool": ..., "config": {...}}` events, all in one transaction.

    Raises:
        NotAllowedError: the cluster does not allow it.
        WrongTopicsError: there is no such topic.
        KafkaError: the broker refused it; nothing was applied.
    """
    await require_rights(conn, configuring_rights(names, group))
    topic = names.of(Topic.ROUTING_CONFIG)
    await require_partitions(conn, [topic])
    producer = transactional_producer(conn, configurer(group))
    await producer.start()
    try:
        async with producer.transaction():
            sent = [
                await producer.send(
                    topic,
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


@dataclass(slots=True)
class Applied:
    """What routers take from `routing-config`."""

    pools: dict[str, Any] = field(default_factory=dict)
    """Pool -> its config, the last that can be taken."""
    bad: int = 0
    """Records that are no configuration: routers set them aside on `dead-letter`."""
    first_bad: str | None = None
    """The place of the first of them, and what is wrong with it."""

    def take(self, record: ConsumerRecord) -> None:
        """Read one record as a router does."""
        source = (record.topic, record.partition, record.offset)
        read = decode_event(
            Topic.ROUTING_CONFIG, record.headers, record.value, source=source, timestamp=record.timestamp
        )
        if isinstance(read, BadInput):
            self.bad += 1
            place = f"{record.topic}/{record.partition}@{record.offset}"
            self.first_bad = self.first_bad or f"{place}, {read.reason}: {read.detail}"
        elif read.type == "pool-configured":
            self.pools[read.pool] = read.data["config"]


async def read_configuration(conn: Connection, names: TopicNames) -> Applied:
    """What was last published for each pool.

    Raises:
        NotAllowedError: the cluster does not allow it.
        WrongTopicsError: the topic is missing.
        ReadingError: a transaction stayed open, or the reading stalled.
    """
    await require_rights(conn, on_topics(names, Operation.READ, (Topic.ROUTING_CONFIG,)))
    found = Applied()
    tps = await require_partitions(conn, [names.of(Topic.ROUTING_CONFIG)])
    async with read_to_now(conn, tps) as batches:
        async for _, records in batches:
            for record in records:
                found.take(record)
    return found
