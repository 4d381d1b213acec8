"""Checks of the topics that a router needs, and the reset of a source topic's offsets."""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Final

from switchboard.errors import NoSuchSourceError, RoutersRunningError
from switchboard.journal.printable_text import counted
from switchboard.kafka.acl import checking_rights, require_rights, resetting_rights
from switchboard.kafka.admin import Difference, check_topics
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.ownership import members_of
from switchboard.kafka.positions import Gone, Start, cut, not_there, offsets_at
from switchboard.kafka.reading import partitions_of, read_between, restore, started
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan, routers_group, shard_id
from switchboard.router import commits


async def check_bus(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """The faults of the topics, without taking a shard. A fatal one prevents the start of a router.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: the cluster does not allow the check.
        ReadingError, KafkaError: the shards' committed offsets can't be read.
    """
    await require_rights(conn, checking_rights(plan.names))
    found = await check_topics(conn, plan)
    # With a fatal difference the source topics or the committed offsets may be wrong as well.
    if any(difference.fatal for difference in found):
        return found
    return [*found, *await _check_sources(conn, plan.names)]


async def _check_sources(conn: Connection, names: TopicNames) -> list[Gone]:
    """The source topics that a shard can't go on reading: a partition or the next records are gone. Each topic once."""
    progress = await partitions_of(conn, [names.of(Topic.SHARD_PROGRESS)])
    rows: defaultdict[int, dict[str, bytes | None]] = defaultdict(dict)
    async with started(reader(conn), progress) as consumer:
        begins, ends = await consumer.beginning_offsets(progress), await consumer.end_offsets(progress)
        async for tp, records in read_between(consumer, begins, ends):
            rows[tp.partition].update({record.key.decode(): record.value for record in records})
        # After the committed offsets: those of a running router are then never beyond the ends read here.
        sources = await partitions_of(conn, names.sources)
        begins, ends = await consumer.beginning_offsets(sources), await consumer.end_offsets(sources)
    found: dict[str, Gone] = {}
    for shard in sorted(rows):
        known = commits.offsets_in({key: value for key, value in rows[shard].items() if value is not None})
        for gone in (*not_there(known, sources), *cut(known, begins, ends)):
            found.setdefault(gone.topic, gone)
    return list(found.values())


DEADLINE_SECONDS: Final = 15.0


async def require_stopped(conn: Connection, group: str) -> None:
    """Check that no router runs.

    Raises:
        RoutersRunningError: the consumer group of the routers has members.
        BrokerAwayError, NotAllowedError, KafkaError: the members can't be read.
    """
    members = await members_of(conn, routers_group(group))
    if not members:
        return
    routers = [
        f"  {each.id} on {each.host}" + (f", shards {', '.join(map(str, each.partitions))}" if each.partitions else "")
        for each in members
    ]
    first = f"nothing was reset: {counted(len(members), 'router runs', 'routers run')} in group {routers_group(group)}:"
    last = (
        "stop them first (one that was killed, or was stopped and has an instance_id, counts until its "
        "session_timeout_ms is over); --force resets all the same, and fences them"
    )
    raise RoutersRunningError("\n".join((first, *routers, last)))


async def reset_source(
    conn: Connection,
    names: TopicNames,
    group: str,
    shards: int,
    topic: str,
    start: Start,
    wait: BrokerWait | None = None,
) -> dict[int, dict[int, int]]:
    """Set the offsets of a source topic in the progress of every shard.

    This opens the ledger of each shard, which fences a running router: see `require_stopped`. A shard whose commit
    failed is reset again to the same offsets, so a commit that succeeded without an answer does no harm.

    Args:
        conn: the cluster.
        names: the topics' names.
        group: the installation's group id.
        shards: number of shards.
        topic: the source topic's name on the bus.
        start: where routers go on reading the topic.
        wait: how long each step waits for brokers.

    Returns:
        shard → partition → new offset.

    Raises:
        NotAllowedError: the cluster does not allow the reset.
        NoSuchSourceError: the topic is no source topic or is missing, or a shard has never read the bus.
        BrokerAwayError: a needed broker was away for too long; the shards before the named one are reset.
        FencedError: a running router took a shard back.
        RestoreError: a shard's rows can't be read to their end.
    """
    wait = wait or BrokerWait(conn)
    needed = resetting_rights(names, group, [names.sources[topic]] if topic in names.sources else [])
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    offsets = await wait.retry(f"looking at {topic}", lambda: _offsets(conn, names, topic, start), long=True)
    for shard in range(shards):
        step = partial(_reset_shard, conn, names, group, shard, topic, offsets)
        await wait.retry(f"resetting shard {shard}", step, long=True)
    return dict.fromkeys(range(shards), offsets)


async def _reset_shard(
    conn: Connection, names: TopicNames, group: str, shard: int, topic: str, offsets: dict[int, int]
) -> None:
    ledger = Ledger(conn, shard_id(group, shard), names, shard)
    await ledger.open()
    try:
        rows = await restore(conn, names, shard)
        known = commits.offsets_in({key.decode(): value for key, value in rows[Topic.SHARD_PROGRESS].items()})
        # With offsets of this topic alone, a router would take the shard as started before, and read all other topics
        # from their beginning.
        if not known:
            raise NoSuchSourceError(f"shard {shard} has never read the bus: say --from when the router first starts")
        batch = CommitBatch()
        commits.pack_offsets(batch, {(topic, partition): offset for partition, offset in offsets.items()})
        for name, partition in known:
            # Remove offsets of partitions that the topic no longer has.
            if name == topic and partition not in offsets:
                batch.add(Topic.SHARD_PROGRESS, commits.offset_key(name, partition), None)
        await ledger.commit(batch)
    finally:
        await ledger.close()


async def _offsets(conn: Connection, names: TopicNames, topic: str, start: Start) -> dict[int, int]:
    """The offset of each partition at `start`."""
    consumer = reader(conn)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await consumer.start()
        try:
            tps = await partitions_of(conn, [topic])
            if topic not in names.sources or not tps:
                raise NoSuchSourceError(
                    f"no source topic {topic} on the bus; the router reads {', '.join(names.sources)}"
                )
            return {tp.partition: offset for tp, offset in (await offsets_at(consumer, tps, start)).items()}
        finally:
            await consumer.stop()
