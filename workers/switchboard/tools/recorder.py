"""A shard's rows as they stood after one frame, read while a router may be committing all the time.

A frame's rows and its `clock` row, which alone holds the frame's number, are one transaction, and the transactions of a
shard follow one another strictly: the next begins when the last has its markers on every partition. But no reader is
given a view of several partitions at one moment. So:

1. see where `shard-progress` ends (A), then where the two tables end, then where `shard-progress` ends (B); each time
   all up to there is decided before it goes on.
2. The last `clock` row before A is frame N. All its rows are in the tables as they were seen after A.
3. Whatever else is in the tables as they were seen has its `clock` row before B. If there is none between A and B, the
   tables hold frame N and nothing later.
4. Otherwise what is later is dropped, told by its timestamp: all records of a commit have the same one. That is done
   only where the timestamps around the cut leave no doubt: N's is the largest so far, all later ones are larger, and in
   each partition the records that stay are a beginning of it. Commits take some milliseconds, so there is no doubt
   unless the clock was set back just now; then it looks again.

It relies on compaction leaving alone what was superseded only after the reading began. Kafka compacts no active
segment, and ours roll at 16 MiB or after 10 min; the reading takes about 3 s for 100,000 chats.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, ReadingError
from switchboard.journal import bounded_json
from switchboard.journal.codec import UnreadValue
from switchboard.journal.frames import decode_frame
from switchboard.journal.recorded_log import Record, bare_topic
from switchboard.kafka.acl import Operation, Resource, Right, on_topics, require_rights
from switchboard.kafka.broker_wait import BrokerWait, may_pass
from switchboard.kafka.clients import Connection, in_words, reader, unless_stopped
from switchboard.kafka.merged_reader import MergedReader
from switchboard.kafka.positions import Start, offsets_at
from switchboard.kafka.reading import Offsets, ends_of, missing_from, no_such_topic, partitions_of, read_to, started
from switchboard.kafka.topics import ROWS, Topic, TopicNames

WITHIN_SECONDS: Final = 60.0
"""For all looks; the first one nearly always does."""

CLOCK: Final = b"clock"


@dataclass(slots=True)
class RowCut:
    """The rows of a shard after a frame; an empty one is that of a shard that has made none."""

    frame: int = -1
    at: int = 0
    """The timestamp of the frame's commit, ms since 1970."""
    rows: list[ConsumerRecord] = field(default_factory=list)
    """The latest record of each key that has a value, topic by topic."""


async def cut_rows(conn: Connection, names: TopicNames, shard: int) -> RowCut:
    """The rows of a shard after one of its last frames.

    Raises:
        ReadingError: a topic can't be read, or no look told the frames apart.
    """
    until = time.monotonic() + WITHIN_SECONDS
    while (cut := await _read_once(conn, names, shard)) is None:
        if time.monotonic() > until:
            raise ReadingError(
                f"the rows of shard {shard} could not be told apart by frame within {WITHIN_SECONDS:g} s: are the "
                "timestamps of its row topics the router's (message.timestamp.type=CreateTime)? Else stop the router"
            )
    return cut


async def _read_once(conn: Connection, names: TopicNames, shard: int) -> RowCut | None:
    """One look; None: it left doubt."""
    progress, *tables = (TopicPartition(names.of(topic), shard) for topic in (Topic.SHARD_PROGRESS, *_TABLES))
    first_end = (await ends_of(conn, [progress]))[progress]
    ends = await ends_of(conn, tables)
    ends |= await ends_of(conn, [progress])
    found: dict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
    async with read_to(conn, ends) as batches:
        async for tp, records in batches:
            found[tp].extend(records)
    return cut_at(first_end, found[progress], [found[tp] for tp in tables])


def cut_at(first_end: int, progress: list[ConsumerRecord], tables: list[list[ConsumerRecord]]) -> RowCut | None:
    """The cut at the last frame before an end of `shard-progress` (steps 2 to 4); None: there is doubt.

    Args:
        first_end: where `shard-progress` ended before the tables' ends were seen.
        progress: its records up to where it ended after they were seen.
        tables: the records of each table up to its end.
    """
    clocks = [record for record in progress if record.key == CLOCK and record.value is not None]
    before = [clock for clock in clocks if clock.offset < first_end]
    after = clocks[len(before) :]
    if not before:
        return None if after else RowCut()
    last = before[-1]
    partitions = [progress, *tables]
    if after:
        if last.timestamp < max(each.timestamp for each in before):
            return None
        if last.timestamp >= min(each.timestamp for each in after):
            return None
        whole, partitions = partitions, [[r for r in each if r.timestamp <= last.timestamp] for each in partitions]
        if any(kept and kept[-1] is not each[len(kept) - 1] for kept, each in zip(partitions, whole, strict=True)):
            return None
    rows = [record for records in partitions for record in _latest(records)]
    return RowCut(_frame_of(last), last.timestamp, rows)


def _frame_of(clock: ConsumerRecord) -> int:
    try:
        frame = bounded_json.loads(clock.value)["frame"]
    except (LookupError, TypeError, ValueError):
        frame = None
    if type(frame) is not int:
        raise ReadingError(
            f"{clock.topic}/{clock.partition}@{clock.offset}: expected the row of a shard's clock, with its frame"
        )
    return frame


_TABLES: Final = tuple(topic for topic in ROWS if topic is not Topic.SHARD_PROGRESS)


def _latest(records: list[ConsumerRecord]) -> list[ConsumerRecord]:
    latest: dict[bytes, ConsumerRecord] = {}
    for record in records:
        latest.pop(record.key, None)
        if record.value is not None:
            latest[record.key] = record
    return list(latest.values())


log = logging.getLogger(__name__)

RELIST_SECONDS: Final = 30
"""How often a recording that follows looks for new partitions."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be recorded."""

    topics: Mapping[str, str]
    """Name on the bus -> plain name; of the records of one timestamp and rank those of the first topic come first."""
    begin: Start = Start("earliest")  # noqa: RUF009 - frozen
    """Each partition from its first record of that time or later; routing-config always from its first."""
    until: Start = Start("latest")  # noqa: RUF009 - frozen
    """Each partition up to before its first record of that time or later; "latest" is where it ends at the start."""
    follow: bool = False
    """Go on past the ends, until stopped."""
    from_rows: bool = False
    """The journal not from its beginning, but from the rows that the shards are restored from."""
    merge_wait: float = 0.5
    """Seconds for which a recording that follows waits for a partition that has more and delivers nothing."""


@dataclass(slots=True)
class Recorded:
    """What has been recorded so far."""

    by_topic: Counter[str] = field(default_factory=Counter)
    frames: dict[int, int] = field(default_factory=dict)
    """Shard -> the frame whose rows the log begins with."""
    missing: list[str] = field(default_factory=list)
    """Topics that there are not."""
    left_out: int = 0
    """Records that can't be recorded whole: one was not read for its size, or its line would be too long for a log."""
    first_left_out: str | None = None
    """The place of the first of them, `TOPIC/PARTITION@OFFSET`."""
    done: int = 0
    total: int = 0
    """Offsets passed, and to be passed: records, and the markers of transactions."""

    @property
    def records(self) -> int:
        """Lines written."""
        return self.by_topic.total()

    def leave_out(self, record: ConsumerRecord) -> None:
        """Count a record that was not written."""
        self.left_out += 1
        self.first_left_out = self.first_left_out or f"{record.topic}/{record.partition}@{record.offset}"


async def record(
    conn: Connection,
    names: TopicNames,
    wanted: Wanted,
    write: Callable[[Record], bool | None],
    stop: asyncio.Event,
    tell: Callable[[Recorded], None],
    wait: BrokerWait | None = None,
) -> Recorded:
    """Read what is wanted, committed records only, and write it in the router's merge order.

    Args:
        conn: the cluster.
        names: the topics' names.
        wanted: what to record.
        write: takes the records; one that it answers False to was left out, for its line would be too long to read.
        stop: once set, it ends; what was read until then is written.
        tell: called after some records, and some ten times a second while none come.
        wait: how long each step before the first record waits for brokers, its default unless given.

    Raises:
        NotAllowedError: the cluster does not allow reading one.
        WrongTopicsError: none of the topics is there.
        BrokerAwayError: a broker that is needed was away at the start for too long.
        ReadingError: a topic can't be read to its end, or the journal does not go on where the rows stand.
    """
    told = Recorded()
    found = await unless_stopped(_look(conn, names, wanted, told, wait or BrokerWait(conn)), stop)
    if found is None:
        return told
    tps, cuts, begins, ends = found
    _write_rows(cuts.values(), names, write, told)
    async with started(reader(conn), tps) as consumer:
        merged = MergedReader(consumer, wanted.topics, wanted.merge_wait, ends=ends)
        merged.assign(begins)
        ahead = {tp: cut.frame for tp, cut in cuts.items()}
        told.total = sum(ends.values()) - sum(begins.values()) if ends is not None else 0
        relisted = time.monotonic()
        async for records in merged.batches(stop):
            for each in records:
                tp = TopicPartition(each.topic, each.partition)
                if tp in ahead and not _follows(each, ahead, tp):
                    continue
                whole = not isinstance(each.value, UnreadValue)
                if not whole or write(as_logged(each, wanted.topics[each.topic])) is False:
                    told.leave_out(each)
                else:
                    told.by_topic[each.topic] += 1
            told.done = sum((await merged.positions()).values()) - sum(begins.values())
            tell(told)
            if wanted.follow and time.monotonic() - relisted > RELIST_SECONDS:
                await _begin_new(conn, consumer, merged, wanted)
                relisted = time.monotonic()
    return told


def as_logged(record: ConsumerRecord, topic: str) -> Record:
    """A record of the bus as a line of a log, where its topic must be known by its plain name.

    With a prefix that does not end with a dot the plain name takes the place of the topic's own.
    """
    name = record.topic if bare_topic(record.topic) == topic else topic
    tstype = "logappend" if record.timestamp_type else "create"
    place = (name, record.partition, record.offset, record.timestamp)
    return Record(*place, record.key, record.value, tuple(record.headers), tstype)


class _Found(NamedTuple):
    """What a recording finds at its start."""

    tps: list[TopicPartition]
    cuts: dict[TopicPartition, RowCut]
    """Of each partition of the journal, where the log is to begin with the shards' rows."""
    begins: Offsets
    ends: Offsets | None
    """None: the recording follows."""


async def _look(conn: Connection, names: TopicNames, wanted: Wanted, told: Recorded, wait: BrokerWait) -> _Found:
    rows = on_topics(names, Operation.READ, ROWS) if wanted.from_rows else []
    needed = [*(Right(Operation.READ, Resource.TOPIC, name) for name in wanted.topics), *rows]
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    tps = await wait.retry("looking at the topics", lambda: partitions_of(conn, wanted.topics))
    told.missing = missing_from(wanted.topics, tps)
    if not tps:
        raise no_such_topic(told.missing)
    cuts: dict[TopicPartition, RowCut] = {}
    if wanted.from_rows:
        journal = [tp for tp in tps if tp.topic == names.of(Topic.JOURNAL)]
        cuts = await wait.retry("reading the shards' rows", lambda: _cuts(conn, names, journal), long=True)
    begins, ends = await wait.retry(
        "looking where the topics begin and end", lambda: _bounds(conn, names, wanted, tps, cuts), long=True
    )
    return _Found(tps, cuts, begins, ends)


async def _cuts(conn: Connection, names: TopicNames, journal: list[TopicPartition]) -> dict[TopicPartition, RowCut]:
    return {tp: await cut_rows(conn, names, tp.partition) for tp in journal}


async def _bounds(
    conn: Connection,
    names: TopicNames,
    wanted: Wanted,
    tps: list[TopicPartition],
    cuts: dict[TopicPartition, RowCut],
) -> tuple[Offsets, Offsets | None]:
    """Where each partition is to be read from, and to; a recording that follows has no ends."""
    async with started(reader(conn), tps) as consumer:
        begins = await _begins(consumer, tps, wanted, cuts, names)
        return begins, None if wanted.follow else await _ends(conn, consumer, begins, wanted.until)


def _write_rows(
    cuts: Iterable[RowCut], names: TopicNames, write: Callable[[Record], bool | None], told: Recorded
) -> None:
    for cut in cuts:
        for row in cut.rows:
            topic = names.topic(row.topic)
            write(as_logged(row, str(topic)))
            told.by_topic[row.topic] += 1
            told.frames[row.partition] = cut.frame


async def _begins(
    consumer: AIOKafkaConsumer,
    tps: list[TopicPartition],
    wanted: Wanted,
    cuts: dict[TopicPartition, RowCut],
    names: TopicNames,
) -> Offsets:
    begins = await offsets_at(consumer, tps, wanted.begin)
    config = [tp for tp in tps if tp.topic == names.of(Topic.ROUTING_CONFIG)]
    begins |= await offsets_at(consumer, config, Start("earliest"))
    for tp, cut in cuts.items():
        # Not later than the frame of the rows, which has this timestamp; what stands before the next is dropped.
        if cut.rows:
            begins |= await offsets_at(consumer, [tp], Start(cut.at))
    return begins


async def _ends(conn: Connection, consumer: AIOKafkaConsumer, begins: Offsets, until: Start) -> Offsets:
    ends = await ends_of(conn, begins)
    if until.where != "latest":
        at = await offsets_at(consumer, list(begins), until)
        ends = {tp: min(end, at[tp]) for tp, end in ends.items()}
    return {tp: max(end, begins[tp]) for tp, end in ends.items()}


def _follows(record: ConsumerRecord, ahead: dict[TopicPartition, int], tp: TopicPartition) -> bool:
    """Whether a frame comes after the rows; once one has, the partition is looked at no more.

    Raises:
        ReadingError: frames between are missing, or the record is no frame.
    """
    try:
        number = decode_frame(record.value or b"").n
    except ValueError as error:
        raise ReadingError(f"{tp.topic}/{tp.partition}@{record.offset}: {error}") from None
    if number <= ahead[tp]:
        return False
    if number != ahead[tp] + 1:
        raise ReadingError(
            f"{tp.topic}/{tp.partition}: the rows are those of frame {ahead[tp]}, and the journal goes on with {number}"
        )
    del ahead[tp]
    return True


async def _begin_new(conn: Connection, consumer: AIOKafkaConsumer, merged: MergedReader, wanted: Wanted) -> None:
    """Read partitions that have been made meanwhile; where a broker is away, the next time will do."""
    positions = await merged.positions()
    try:
        new = [tp for tp in await partitions_of(conn, wanted.topics) if tp not in positions]
        begins: Offsets = await consumer.beginning_offsets(new) if new else {}
    except (BrokerAwayError, KafkaError, TimeoutError) as error:
        if not may_pass(error):
            raise
        told = "new partitions can't be looked for now, the next look is in %s s: %s"
        log.warning(told, RELIST_SECONDS, in_words(error))
        return
    if new:
        merged.assign(positions | begins)
