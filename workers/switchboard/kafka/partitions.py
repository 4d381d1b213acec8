"""Which partitions there are."""

from collections.abc import Iterable

from aiokafka.structs import TopicPartition

from switchboard.kafka.admin import describe, session
from switchboard.kafka.clients import Connection


async def partitions_of(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of those of the topics that there are: topics in the order given, partitions ascending.

    An admin client is asked, since a consumer's `partitions_for_topic` knows only topics it was told of before:
    `topics()` does not tell it.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: some we may not see.
    """
    wanted = list(topics)
    async with session(conn) as client:
        there = await describe(client, wanted)
    return [
        TopicPartition(name, partition)
        for name in wanted
        for partition in sorted(told["partition"] for told in there.get(name, ()))
    ]
