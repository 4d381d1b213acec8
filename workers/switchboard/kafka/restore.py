"""A shard's rows as they were last committed."""

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from switchboard.errors import ReadingError, RestoreError
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import STABLE_SECONDS, read_to_now
from switchboard.kafka.topics import ROWS, Topic, TopicNames
from switchboard.kafka.wording import in_words

Rows = dict[Topic, dict[bytes, bytes]]
"""For each topic of rows: the latest value of each key that has one."""


async def restore(conn: Connection, names: TopicNames, shard: int, *, stable_within: float = STABLE_SECONDS) -> Rows:
    """Read all rows of a shard. Open its ledger first: that ends what its last owner left open.

    The latest value of a key wins, a tombstone drops it.

    Args:
        conn: the cluster.
        names: the topics' names on the bus.
        shard: the partition to read.
        stable_within: seconds to wait for others' open transactions.

    Raises:
        RestoreError: a transaction stayed open, or the reading stalled.
    """
    topics = {TopicPartition(names.of(topic), shard): topic for topic in ROWS}
    rows: Rows = {topic: {} for topic in ROWS}
    try:
        async with read_to_now(conn, topics, stable_within=stable_within) as batches:
            async for tp, records in batches:
                table = rows[topics[tp]]
                for record in records:
                    if record.value is None:
                        table.pop(record.key, None)
                    else:
                        table[record.key] = record.value
    except ReadingError as cause:
        raise RestoreError(str(cause)) from cause
    except (KafkaError, TimeoutError) as cause:
        raise RestoreError(f"the rows of shard {shard} could not be read: {in_words(cause)}") from cause
    return rows
