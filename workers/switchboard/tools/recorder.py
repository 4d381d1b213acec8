"""The recorder: reads topics in the router's merge order and writes their records to a log."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, ReadingError
from switchboard.journal.codec import UnreadValue
from switchboard.journal.frames import decode_frame
from switchboard.journal.recorded_log import Record, bare_topic
from switchboard.kafka.acl import Operation, Resource, Right, on_topics, require_rights
from switchboard.kafka.broker_wait import BrokerWait, may_pass
from switchboard.kafka.clients import in_words, reader, unless_stopped
from switchboard.kafka.merged_reader import MergedReader
from switchboard.kafka.positions import Start, offsets_at
from switchboard.kafka.reading import Offsets, ends_of, missing_from, no_such_topic, partitions_of, started
from switchboard.kafka.topics import ROWS, Topic, TopicNames
from switchboard.tools.row_cut import RowCut, cut_rows

log = logging.getLogger(__name__)

RELIST_SECONDS: Final = 30.0
"""How often a recording that follows looks for new partitions."""

Write = Callable[[Record], bool | None]
"""Writes a record to the log; False if the record was left out, since its line would be too long to read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to record."""

    topics: Mapping[str, str]
    """Name on the bus -> bare name. Of records with one timestamp and rank, those of the first topic come first."""
    begin: Start = Start("earliest")  # noqa: RUF009 - frozen
    """Where each partition begins; routing-config always begins at its first record."""
    until: Start = Start("latest")  # noqa: RUF009 - frozen
    """Where each partition ends: before its first record of that time or later; "latest" is its end at the start."""
    follow: bool = False
    """Read on past the ends, until stopped."""
    from_rows: bool = False
    """Begin the journal after the rows from which the shards would be restored now, and record these rows first."""
    merge_wait: float = 0.5
    """If `follow`: seconds to wait for a partition that has lag and delivers nothing."""
    relist_every: float = RELIST_SECONDS
    """If `follow`: seconds between two looks for new partitions."""


@dataclass(slots=True)
class Recorded:
    """The progress of a recording: records written and left out, and offsets passed."""

    by_topic: Counter[str] = field(default_factory=Counter)
    frames: dict[int, int] = field(default_factory=dict)
    """Shard -> the frame after whose rows its journal begins."""
    missing: list[str] = field(default_factory=list)
    """Topics that don't exist."""
    left_out: int = 0
    """Records that were not written whole: too large to be read, or too long for a line of a log."""
    first_left_out: str | None = None
    """The first of these, as `TOPIC/PARTITION@OFFSET`."""
    done: int = 0
    total: int = 0
    """Offsets passed, and offsets to pass: records and transaction markers."""

    @property
    def records(self) -> int:
        """Number of records written."""
        return self.by_topic.total()

    def leave_out(self, record: ConsumerRecord) -> None:
        """Count a record that was not written."""
        self.left_out += 1
        self.first_left_out = self.first_left_out or f"{record.topic}/{record.partition}@{record.offset}"


class _Found(NamedTuple):
    """The topics, partitions and offsets that the recorder finds at its start."""

    tps: list[TopicPartition]
    cuts: dict[TopicPartition, RowCut]
    """The rows after which each partition of the journal begins; empty without `from_rows`."""
    begins: Offsets
    ends: Offsets | None
    """None: the recording follows."""


class Recorder:
    """Records topics, committed records only.

    Args:
        names: the topics' names.
        wanted: what to record.
        wait: connects to the cluster; retries each step before the first record.
    """

    def __init__(self, names: TopicNames, wanted: Wanted, wait: BrokerWait) -> None:
        self._conn = wait.conn
        self._names = names
        self._wanted = wanted
        self._wait = wait

    async def record(self, write: Write, stop: asyncio.Event, report: Callable[[Recorded], object]) -> Recorded:
        """Write all that is wanted, or what was read until `stop` is set.

        Args:
            write: receives the records in merged order.
            stop: ends the recording.
            report: called after some records, and about ten times a second while none come.

        Raises:
            NotAllowedError: the right to read a topic is missing.
            WrongTopicsError: none of the topics exists.
            BrokerAwayError: a broker that is needed at the start was away for too long.
            ReadingError: a topic can't be read to its end, or the journal does not continue after the rows.
        """
        recorded = Recorded()
        found = await unless_stopped(self._look(recorded), stop)
        if found is None:
            return recorded
        self._write_rows(found.cuts.values(), write, recorded)
        ahead = {tp: cut.frame for tp, cut in found.cuts.items()}
        if found.ends is not None:
            recorded.total = sum(found.ends.values()) - sum(found.begins.values())
        async with started(reader(self._conn), found.tps) as consumer:
            merged = MergedReader(consumer, self._wanted.topics, self._wanted.merge_wait, ends=found.ends)
            merged.assign(found.begins)
            relisted = time.monotonic()
            async for records in merged.batches(stop):
                for each in records:
                    if _is_after_rows(each, ahead):
                        self._write(each, write, recorded)
                recorded.done = sum((await merged.positions()).values()) - sum(found.begins.values())
                report(recorded)
                if self._wanted.follow and time.monotonic() - relisted > self._wanted.relist_every:
                    await self._begin_new(consumer, merged)
                    relisted = time.monotonic()
        return recorded

    # The start

    async def _look(self, recorded: Recorded) -> _Found:
        """Check the rights and find where to begin and to end; sets `recorded.missing`."""
        wanted, wait = self._wanted, self._wait
        rows = on_topics(self._names, Operation.READ, ROWS) if wanted.from_rows else []
        needed = [*(Right(Operation.READ, Resource.TOPIC, name) for name in wanted.topics), *rows]
        await wait.retry("looking at the rights", lambda: require_rights(self._conn, needed))
        tps = await wait.retry("looking at the topics", lambda: partitions_of(self._conn, wanted.topics))
        recorded.missing = missing_from(wanted.topics, tps)
        if not tps:
            raise no_such_topic(recorded.missing)
        cuts: dict[TopicPartition, RowCut] = {}
        if wanted.from_rows:
            journal = [tp for tp in tps if tp.topic == self._names.of(Topic.JOURNAL)]
            cuts = await wait.retry("reading the shards' rows", lambda: self._cuts(journal), long=True)
        begins, ends = await wait.retry(
            "looking where the topics begin and end", lambda: self._bounds(tps, cuts), long=True
        )
        return _Found(tps, cuts, begins, ends)

    async def _cuts(self, journal: list[TopicPartition]) -> dict[TopicPartition, RowCut]:
        return {tp: await cut_rows(self._conn, self._names, tp.partition) for tp in journal}

    async def _bounds(
        self, tps: list[TopicPartition], cuts: dict[TopicPartition, RowCut]
    ) -> tuple[Offsets, Offsets | None]:
        """The first offset of each partition, and the offset before which it ends; no ends if the recording follows."""
        async with started(reader(self._conn), tps) as consumer:
            begins = await self._begins(consumer, tps, cuts)
            return begins, None if self._wanted.follow else await self._ends(consumer, begins)

    async def _begins(
        self, consumer: AIOKafkaConsumer, tps: list[TopicPartition], cuts: dict[TopicPartition, RowCut]
    ) -> Offsets:
        begins = await offsets_at(consumer, tps, self._wanted.begin)
        config = [tp for tp in tps if tp.topic == self._names.of(Topic.ROUTING_CONFIG)]
        begins |= await offsets_at(consumer, config, Start("earliest"))
        for tp, cut in cuts.items():
            # At the frame of the rows, which has this timestamp, or before it; `_is_after_rows` drops that frame.
            if cut.rows:
                begins |= await offsets_at(consumer, [tp], Start(cut.at))
        return begins

    async def _ends(self, consumer: AIOKafkaConsumer, begins: Offsets) -> Offsets:
        ends = await ends_of(self._conn, begins)
        if self._wanted.until.where != "latest":
            at = await offsets_at(consumer, begins, self._wanted.until)
            ends = {tp: min(end, at[tp]) for tp, end in ends.items()}
        return {tp: max(end, begins[tp]) for tp, end in ends.items()}

    # The records

    def _write_rows(self, cuts: Iterable[RowCut], write: Write, recorded: Recorded) -> None:
        for cut in cuts:
            for row in cut.rows:
                write(as_logged(row, str(self._names.topic(row.topic))))
                recorded.by_topic[row.topic] += 1
                recorded.frames[row.partition] = cut.frame

    def _write(self, record: ConsumerRecord, write: Write, recorded: Recorded) -> None:
        is_whole = not isinstance(record.value, UnreadValue)
        if is_whole and write(as_logged(record, self._wanted.topics[record.topic])) is not False:
            recorded.by_topic[record.topic] += 1
        else:
            recorded.leave_out(record)

    async def _begin_new(self, consumer: AIOKafkaConsumer, merged: MergedReader) -> None:
        """Begin to read partitions that were created meanwhile; if a broker is away, the next call does."""
        positions = await merged.positions()
        try:
            tps = await partitions_of(self._conn, self._wanted.topics)
            begins = await offsets_at(consumer, [tp for tp in tps if tp not in positions], Start("earliest"))
        except (BrokerAwayError, KafkaError, TimeoutError) as error:
            if not may_pass(error):
                raise
            message = "new partitions can't be looked for now, the next look is in %g s: %s"
            log.warning(message, self._wanted.relist_every, in_words(error))
            return
        if begins:
            merged.assign(positions | begins)


def as_logged(record: ConsumerRecord, topic: str) -> Record:
    """A record of the bus as a line of a log.

    A log's reader finds the bare name in a topic's name. Under a prefix that does not end with a dot it can't, so the
    bare name is written instead.

    Args:
        record: the record.
        topic: the topic's bare name.
    """
    name = record.topic if bare_topic(record.topic) == topic else topic
    tstype = "logappend" if record.timestamp_type else "create"
    place = (name, record.partition, record.offset, record.timestamp)
    return Record(*place, record.key, record.value, tuple(record.headers), tstype)


def _is_after_rows(record: ConsumerRecord, ahead: dict[TopicPartition, int]) -> bool:
    """Whether to record a record: not a frame of the journal that the shard's rows include already.

    Args:
        record: of any topic.
        ahead: by partition of the journal, the frame of the rows; the partition is removed at its first later frame.

    Raises:
        ReadingError: the first later frame is not the next one, or the record is no frame.
    """
    tp = TopicPartition(record.topic, record.partition)
    if tp not in ahead:
        return True
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
