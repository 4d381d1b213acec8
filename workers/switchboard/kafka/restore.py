"""A shard's rows as they were last committed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from switchboard.kafka.clients import TRANSACTION_TIMEOUT_MS, Connection, learn, reader
from switchboard.kafka.topics import ROWS, Topic, TopicNames

STABLE_SECONDS: Final = TRANSACTION_TIMEOUT_MS / 1000 + 20
"""A hung transaction ends within its timeout and the 10 s that the broker takes to notice; then as much again."""

STALLED_SECONDS: Final = 30
"""A restore that got no further for so long is given up."""

Rows = dict[Topic, dict[bytes, bytes]]
"""For each topic of rows: the latest value of each key that has one."""


class RestoreError(Exception):
    """The rows could not be read to their end; the message says how far it got."""


async def restore(conn: Connection, names: TopicNames, shard: int, *, stable_within: float = STABLE_SECONDS) -> Rows:
    """Read all rows of a shard. Open its ledger first: that ends what its last owner left open.

    1. see how far each partition reaches, committed or not;
    2. wait until all up to there is decided: the last stable offset has come up to it;
    3. read from the beginning up to there, what is committed; the latest value of a key wins, a tombstone drops it.

    Args:
        conn: the cluster.
        names: the topics' names on the bus.
        shard: the partition to read.
        stable_within: seconds to wait for others' open transactions.

    Raises:
        RestoreError: a transaction stayed open, or the reading stalled.
    """
    topics = {TopicPartition(names.of(topic), shard): topic for topic in ROWS}
    try:
        async with _started(reader(conn, committed=False), topics) as all_there_is:
            ends = await all_there_is.end_offsets(list(topics))
        async with _started(reader(conn), topics) as consumer:
            await _until_stable(consumer, ends, stable_within)
            return await _read(consumer, topics, ends)
    except (KafkaError, TimeoutError) as cause:
        raise RestoreError(f"the rows of shard {shard} could not be read: {cause!r}") from cause


@asynccontextmanager
async def _started(consumer: AIOKafkaConsumer, topics: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    try:
        await consumer.start()
        await learn(consumer, {tp.topic for tp in topics})
        yield consumer
    finally:
        await consumer.stop()


async def _until_stable(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], within: float) -> None:
    until = time.monotonic() + within
    while True:
        # Asked with read_committed, the end is the last stable offset.
        stable = await consumer.end_offsets(list(ends))
        behind = [tp for tp, end in ends.items() if stable[tp] < end]
        if not behind:
            return
        if time.monotonic() > until:
            told = ", ".join(f"{tp.topic}/{tp.partition} at {stable[tp]} of {ends[tp]}" for tp in behind)
            raise RestoreError(f"a transaction stayed open for {within:g} s: {told}")
        await asyncio.sleep(0.05)


async def _read(
    consumer: AIOKafkaConsumer,
    topics: dict[TopicPartition, Topic],
    ends: dict[TopicPartition, int],
) -> Rows:
    rows: Rows = {topic: {} for topic in topics.values()}
    begins = await consumer.beginning_offsets(list(topics))
    consumer.assign(list(topics))
    for tp in topics:
        # Besides auto_offset_reset="earliest": without it a restore could race with the reset and read nothing.
        consumer.seek(tp, begins[tp])
    reached = dict(begins)
    moved_at = time.monotonic()
    # Positions are compared, not offsets of records: control records and compaction leave holes, also at the end.
    while any(reached[tp] < end for tp, end in ends.items()):
        for tp, records in (await consumer.getmany(timeout_ms=100)).items():
            table = rows[topics[tp]]
            for record in records:
                if record.value is None:
                    table.pop(record.key, None)
                else:
                    table[record.key] = record.value
        before, reached = reached, {tp: await consumer.position(tp) for tp in topics}
        now = time.monotonic()
        if reached != before:
            moved_at = now
        elif now - moved_at > STALLED_SECONDS:
            told = ", ".join(f"{tp.topic}/{tp.partition} at {reached[tp]} of {end}" for tp, end in ends.items())
            raise RestoreError(f"reading stalled for {STALLED_SECONDS} s: {told}")
    return rows
