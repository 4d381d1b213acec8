"""The configuration of the pools on `routing-config`: published in one transaction, and read back."""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiokafka import ConsumerRecord

from switchboard.journal.codec import BadInput, decode_event
from switchboard.kafka.acl import Operation, configurer, configuring_rights, on_topics, require_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.reading import read_to_now, require_partitions
from switchboard.kafka.topics import Topic, TopicNames

EVENT_TYPE: Final = b"pool-configured"
ONLY_PARTITION: Final = 0
"""The one partition of `routing-config`."""


async def write_configuration(
    conn: Connection,
    names: TopicNames,
    group: str,
    pools: list[dict[str, Any]],
    wait: BrokerWait | None = None,
) -> None:
    """Publish `pool-configured` events, all in one transaction.

    If a transaction fails in its last step, its outcome is unknown, and all events are published again. A second copy
    of the same configuration has one effect: silence counts from then on (R20).

    Args:
        conn: the cluster.
        names: the topics' names.
        group: the installation's group id.
        pools: the events, each `{"pool": ..., "config": {...}}`.
        wait: retries of each step; the default wait if None.

    Raises:
        NotAllowedError: rights are missing.
        WrongTopicsError: the topic is missing.
        BrokerAwayError: a broker that is needed was away for too long.
        FencedError: another process is publishing a configuration at the same time.
        LedgerLostError: the broker refused the transaction; nothing was applied.
        ValueError: a pool's configuration is too large for a record batch; nothing was applied.
    """
    wait = wait or BrokerWait(conn)
    needed, topic = configuring_rights(names, group), names.of(Topic.ROUTING_CONFIG)
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    await wait.retry(f"looking at {topic}", lambda: require_partitions(conn, [topic]))
    await wait.retry(f"publishing to {topic}", lambda: _publish(conn, names, group, pools), long=True)


async def _publish(conn: Connection, names: TopicNames, group: str, pools: list[dict[str, Any]]) -> None:
    """Publish the events once, in one transaction."""
    batch = CommitBatch()
    for pool in pools:
        batch.add(Topic.ROUTING_CONFIG, pool["pool"].encode(), orjson.dumps(pool), [("ce_type", EVENT_TYPE)])
    ledger = Ledger(conn, configurer(group), names, ONLY_PARTITION)
    await ledger.open()
    try:
        await ledger.commit(batch)
    finally:
        await ledger.close()


@dataclass(slots=True)
class Applied:
    """The configuration as routers read it from `routing-config`."""

    pools: dict[str, Any] = field(default_factory=dict)
    """Pool → its latest valid config."""
    bad: int = 0
    """Number of bad records; routers put them on `dead-letter`."""
    first_bad: str | None = None
    """Place and fault of the first bad record."""

    def take(self, record: ConsumerRecord) -> None:
        """Add one record, decoded as a router decodes it."""
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
    """The latest configuration of each pool.

    Raises:
        NotAllowedError: rights are missing.
        WrongTopicsError: the topic is missing.
        ReadingError: a transaction stayed open, or reading stalled.
        BrokerAwayError, KafkaError, TimeoutError: a broker went away meanwhile.
    """
    await require_rights(conn, on_topics(names, Operation.READ, (Topic.ROUTING_CONFIG,)))
    found = Applied()
    tps = await require_partitions(conn, [names.of(Topic.ROUTING_CONFIG)])
    async with read_to_now(conn, tps) as batches:
        async for _, records in batches:
            for record in records:
                found.take(record)
    return found
