"""`switchboard audit`: check decisions of files or of the live topics against the rules."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import click
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.audit.auditor import Auditor, Frame
from switchboard.audit.findings import Report
from switchboard.audit.inputs import (
    DecisionFeed,
    PlacedDecision,
    PlacedFrame,
    audit_files,
    follow_frames,
    read_decision,
)
from switchboard.cli.params import refuse_swapped
from switchboard.cli.process import relax_collector
from switchboard.cli.ui import broker_wait, say, say_json, say_lines, text_progress
from switchboard.errors import FAULT, AuditInputError
from switchboard.journal.frames import check_versions, decode_frame
from switchboard.journal.printable_text import counted
from switchboard.kafka.acl import AUDITED, Operation, on_topics, require_rights
from switchboard.kafka.reading import Partition, ends_of, opened, require_partitions
from switchboard.settings import Settings, load


@click.command()
@click.argument("log", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("decisions", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print figures and findings as JSON.")
def audit(log: Path | None, decisions: tuple[Path, ...], *, as_json: bool) -> None:
    """Check that what was decided keeps to the routing rules, invariants I1 to I8 first.

    The auditor shares no code with the engine. LOG is a journal log from its first frame, or a bus log; DECISIONS is
    its decision log, or several files, such as one a topic; plain, gzip or zstd. Without either it reads the live
    topics: journal, assignment and push-request of every shard, up to their ends at start.

    Ends with 0 where nothing was found, with 1 where something was.

    \b
    Example:
      switchboard audit journal.jsonl decisions.jsonl
      switchboard audit --json
    """
    if log is not None and not decisions:
        raise click.UsageError("LOG needs its DECISIONS beside it; without either the live topics are read")
    for file in decisions:
        if log is not None:
            refuse_swapped(log, file)
    relax_collector()
    began = time.monotonic()
    with text_progress("auditing") as update:

        def progress(report: Report) -> None:
            rate = report.events / max(time.monotonic() - began, 1e-3)
            update(f"{report.events:,} events, {rate:,.0f}/s, {report.found:,} findings")

        work = audit_files(log, decisions, progress) if log is not None else audit_live(load(), progress)
        report = asyncio.run(work)
    _print_report(report, time.monotonic() - began, as_json=as_json)
    sys.exit(FAULT if report.found else 0)


async def audit_live(settings: Settings, progress: Callable[[Report], None]) -> Report:
    """Audit every shard, up to the present end of each topic.

    Raises:
        BrokerAwayError: a broker that is needed was away at the start for too long.
        NotAllowedError: the cluster does not allow reading a topic.
        WrongTopicsError: a topic is missing.
        ReadingError: a partition can't be read to its end.
        AuditInputError: a journal does not begin with frame 0, or a record is no frame or no decision.
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
            # The journal is the first topic of AUDITED, the topics with decisions follow.
            journal, *decided = [
                await stack.enter_async_context(opened(conn, tp, ends[tp]))
                for tp in tps[len(AUDITED) * shard : len(AUDITED) * (shard + 1)]
            ]
            feed = DecisionFeed([_decisions(partition) for partition in decided])
            await follow_frames(auditor, _frames(journal, shard), feed, {shard: -1}, progress)
    return auditor.report


async def _frames(journal: Partition, shard: int) -> AsyncIterator[PlacedFrame]:
    """The frames of a shard's journal, from frame 0."""
    expected = 0
    async for record in journal:
        place = _place(record)
        yield shard, _frame(record, place, expected), place
        expected += 1


def _frame(record: ConsumerRecord, place: str, expected: int) -> Frame:
    """The frame of a journal record, whose number must be `expected`."""
    try:
        check_versions(record.headers)
        frame = decode_frame(record.value)
    except ValueError as error:
        raise AuditInputError(f"{place}: {error}") from None
    if frame.n != expected:
        raise AuditInputError(
            f"{place}: expected frame {expected}, got {frame.n}: the audit begins at a journal's first frame, and its "
            "topic must still hold it; audit a recorded log that does"
        )
    return frame


async def _decisions(partition: Partition) -> AsyncIterator[PlacedDecision]:
    async for record in partition:
        yield read_decision(record.value, _place(record))


def _place(record: ConsumerRecord) -> str:
    return f"{record.topic}/{record.partition}@{record.offset}"


def _print_report(report: Report, seconds: float, *, as_json: bool) -> None:
    if as_json:
        say_json(report.as_data() | {"seconds": round(seconds, 3)})
        return
    for finding in report.findings:
        say_lines(finding.line())
    if report.found > len(report.findings):
        say(f"... and {report.found - len(report.findings):,} more")
    verdict = counted(report.found, "finding") if report.found else "nothing found"
    rate = report.events / max(seconds, 1e-3)
    say(f"{verdict}; looked at {report.looked_at()} in {seconds:.1f} s ({rate:,.0f} events/s)")
