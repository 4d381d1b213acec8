"""Which partitions there are."""

from collections.abc import Iterable

from aiokafka import TopicPartition

from switchboard.errors import WrongTopicsError
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


async def require_partitions(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of topics that have to be there, before a client waits for them in vain.

    Raises:
        WrongTopicsError: some are not; the message names them.
        BrokerAwayError, NotAllowedError: as `partitions_of`.
    """
    wanted = list(dict.fromkeys(topics))
    tps = await partitions_of(conn, wanted)
    if missing := missing_from(wanted, tps):
        raise no_such_topic(missing)
    return tps


def missing_from(topics: Iterable[str], tps: Iterable[TopicPartition]) -> list[str]:
    """Those of the topics of which there is no partition."""
    there = {tp.topic for tp in tps}
    return [name for name in topics if name not in there]


def no_such_topic(missing: Iterable[str]) -> WrongTopicsError:
    """The error that names topics that are missing, and says what to do."""
    return WrongTopicsError(
        f"no such topic: {', '.join(sorted(missing))}; are topic_prefix and source_prefix right? What is missing is "
        "made with: switchboard topics create (the bus's too: switchboard topics create --sources)"
    )
