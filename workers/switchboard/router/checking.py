"""Whether a router could do its work on a bus: looked at from outside, with no shard taken."""

from collections import defaultdict

from switchboard.kafka.acl import checking_rights, require_rights
from switchboard.kafka.admin import Difference, check_topics
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.positions import Gone, cut, not_there
from switchboard.kafka.reading import partitions_of, read_between, started
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from switchboard.router import commits


async def check_bus(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """All with which a router would not start, or that is not as planned; nothing if all is well.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: the cluster does not allow to look.
        ReadingError, KafkaError: what the shards have committed can't be read.
    """
    await require_rights(conn, checking_rights(plan.names))
    found = await check_topics(conn, plan)
    if any(difference.fatal for difference in found):
        return found  # what else there is would be told of topics that are wrong themselves
    return [*found, *await _check_sources(conn, plan.names)]


async def _check_sources(conn: Connection, names: TopicNames) -> list[Gone]:
    """The source topics in which a shard can't go on, each told once, in the words with which a router would stop."""
    progress = await partitions_of(conn, [names.of(Topic.SHARD_PROGRESS)])
    rows: defaultdict[int, dict[str, bytes | None]] = defaultdict(dict)
    async with started(reader(conn), progress) as consumer:
        begins, ends = await consumer.beginning_offsets(progress), await consumer.end_offsets(progress)
        async for tp, records in read_between(consumer, begins, ends):
            rows[tp.partition].update({record.key.decode(): record.value for record in records})
        # Only now: a router that runs meanwhile reads no further than what is there by then.
        sources = await partitions_of(conn, names.sources)
        begins, ends = await consumer.beginning_offsets(sources), await consumer.end_offsets(sources)
    found: dict[str, Gone] = {}
    for shard in sorted(rows):
        known = commits.offsets_in({key: value for key, value in rows[shard].items() if value is not None})
        for gone in (*not_there(known, sources), *cut(known, begins, ends)):
            found.setdefault(gone.topic, gone)
    return list(found.values())
