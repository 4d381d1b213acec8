"""Which partitions there are."""

from collections.abc import Iterable

from aiokafka.structs import TopicPartition

from switchboard.kafka.admin import WrongTopicsError, describe, session
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


async def require_partitions(conn: Connection, tps: Iterable[TopicPartition]) -> None:
    """Make sure that the topics of these partitions are there, before a client waits for them in vain.

    Raises:
        WrongTopicsError: some are not; the message names them.
        BrokerAwayError, NotAllowedError: as `partitions_of`.
    """
    names = sorted({tp.topic for tp in tps})
    there = {tp.topic for tp in await partitions_of(conn, names)}
    if missing := [name for name in names if name not in there]:
        raise WrongTopicsError(f"no such topic: {', '.join(missing)}; is topic_prefix or source_prefix right?")
