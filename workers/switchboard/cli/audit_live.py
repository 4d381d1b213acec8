"""The auditor fed from the live topics: each shard's journal with its decisions."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.audit.auditor import Auditor, Frame
from switchboard.audit.findings import Report
from switchboard.audit.inputs import Feed, Placed, Source, read_decision
from switchboard.cli.broker_wait import broker_wait
from switchboard.errors import AuditInputError
from switchboard.journal.frames import check_versions, decode_frame
from switchboard.kafka.acl import AUDITED, Operation, on_topics, require_rights
from switchboard.kafka.reading import Partition, ends_of, opened, require_partitions
from switchboard.settings import Settings


async def audit_live(settings: Settings, progress: Callable[[Report], None]) -> Report:
    """Audit every shard, up to where its topics end now.

    Raises:
        BrokerAwayError: a broker that is needed was away at the start for too long.
        NotAllowedError: the cluster does not allow reading one.
        WrongTopicsError: a topic is missing.
        ReadingError: a partition can't be read to its end.
        AuditInputError: a journal does not begin with frame 0, or a record of it is no frame.
        AuditInputError: a record is no decision.
    """
    conn, names = settings.connection(), settings.topic_names()
    wait, needed = broker_wait(settings), on_topics(names, Operation.READ, AUDITED)
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    tps = [TopicPartition(names.of(topic), shard) for shard in range(settings.shards) for topic in AUDITED]
    await wait.retry("looking at the topics", lambda: require_partitions(conn, map(names.of, AUDITED)))
    ends = await wait.retry("looking where the topics end", lambda: ends_of(conn, tps), long=True)
    auditor = Auditor()
    for shard in range(settings.shards):
        async with AsyncExitStack() as stack:
            journal, *decided = [
                await stack.enter_async_context(opened(conn, tp, ends[tp]))
                for tp in tps[len(AUDITED) * shard : len(AUDITED) * (shard + 1)]
            ]
            await _follow(auditor, shard, journal, decided, progress)
    return auditor.report


async def _follow(
    auditor: Auditor, shard: int, journal: Partition, decided: list[Partition], progress: Callable[[Report], None]
) -> None:
    sources = [(Source(), partition) for partition in decided]
    feed = Feed([source for source, _ in sources])
    following = 0
    async for record in journal:
        place = _place(record)
        frame = _frame(record, place, following)
        for source, partition in sources:
            while source.lacks(shard, frame.n):
                source.put(await _next(partition))
        found, strays = feed.of(shard, frame.n)
        auditor.report.add(*strays)
        auditor.follow(shard, frame, found, place=place, is_last=feed.is_over(shard))
        if not following % 1000:
            progress(auditor.report)
        following += 1
    for source, partition in sources:
        while not source.has_ended:
            source.put(await _next(partition))
    auditor.report.add(*feed.rest({shard: following - 1}))


def _frame(record: ConsumerRecord, place: str, following: int) -> Frame:
    try:
        check_versions(record.headers)
        frame = decode_frame(record.value)
    except ValueError as error:
        raise AuditInputError(f"{place}: {error}") from None
    if frame.n != following:
        raise AuditInputError(
            f"{place}: expected frame {following}, got {frame.n}: the audit begins at a journal's first frame, and its "
            "topic must still hold it; audit a recorded log that does"
        )
    return frame


async def _next(partition: Partition) -> Placed | None:
    record = await partition.next()
    return read_decision(record.value, _place(record)) if record is not None else None


def _place(record: ConsumerRecord) -> str:
    return f"{record.topic}/{record.partition}@{record.offset}"
