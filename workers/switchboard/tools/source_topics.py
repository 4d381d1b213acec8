"""Whether a router could do its work on a bus: looked at from outside, with no shard taken."""

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


DEADLINE_SECONDS: Final = 15.0


async def require_stopped(conn: Connection, group: str) -> None:
    """Make sure that no router runs.

    Raises:
        RoutersRunningError: some do, or did until a moment ago.
        BrokerAwayError, NotAllowedError, KafkaError: as `members_of`.
    """
    members = await members_of(conn, routers_group(group))
    if not members:
        return
    named = [
        f"  {each.id} on {each.host}" + (f", shards {', '.join(map(str, each.partitions))}" if each.partitions else "")
        for each in members
    ]
    first = f"nothing was reset: {counted(len(members), 'router runs', 'routers run')} in group {routers_group(group)}:"
    last = (
        "stop them first (one that was killed, or was stopped and has an instance_id, counts until its "
        "session_timeout_ms is over); --force resets all the same, and fences them"
    )
    raise RoutersRunningError("\n".join((first, *named, last)))


async def reset_source(
    conn: Connection,
    names: TopicNames,
    group: str,
    shards: int,
    topic: str,
    start: Start,
    wait: BrokerWait | None = None,
) -> dict[int, dict[int, int]]:
    """Set the offsets of a topic in every shard's progress: shard -> partition -> offset.

    It takes the shards' ledgers, so routers that still run are fenced: see `require_stopped`. A shard whose commit
    failed is done again with the same offsets, so that it makes no difference whether the first commit was made.

    Args:
        conn: the cluster.
        names: the topics' names.
        group: the installation's group id.
        shards: how many there are.
        topic: the source topic, by its name on the bus.
        start: where to go on reading it.
        wait: how long each step waits for brokers, its default unless given.

    Raises:
        NotAllowedError: the cluster does not allow it.
        NoSuchSourceError: the message names the topics there are.
        BrokerAwayError: a broker that is needed was away for too long; shards before the one named are reset.
        FencedError: a router that runs took a shard back.
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
        if not known:  # else this would pass for a first start, and all other topics be read from the beginning
            raise NoSuchSourceError(f"shard {shard} has never read the bus: say --from when the router first starts")
        batch = CommitBatch()
        commits.pack_offsets(batch, {(topic, partition): offset for partition, offset in offsets.items()})
        for name, partition in known:
            if name == topic and partition not in offsets:  # it had more partitions
                batch.add(Topic.SHARD_PROGRESS, commits.offset_key(name, partition), None)
        await ledger.commit(batch)
    finally:
        await ledger.close()


async def _offsets(conn: Connection, names: TopicNames, topic: str, start: Start) -> dict[int, int]:
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
