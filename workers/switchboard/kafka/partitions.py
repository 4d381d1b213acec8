"""Which partitions there are."""

from collections.abc import Iterable

from aiokafka.structs import TopicPartition

from switchboard.kafka.admin import session
from switchboard.kafka.clients import Connection


async def partitions_of(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of those of the topics that there are: topics in the order given, partitions ascending.

    An admin client is asked, since a consumer's `partitions_for_topic` knows only topics it was told of before:
    `topics()` does not tell it.

    Raises:
        BrokerAwayError: no broker answers.
    """
    async with session(conn) as client:
        there = {told["topic"]: told["partitions"] for told in await client.describe_topics(None)}
    return [
        TopicPartition(name, partition)
        for name in topics
        for partition in sorted(told["partition"] for told in there.get(name, ()))
    ]
