"""A shard's rows after one frame, read while a router may be committing.

A frame's rows and its `clock` row, which alone holds the frame's number, are written in one transaction. The
transactions of a shard are strictly successive: one begins when the previous one has its markers in every partition.
But a reader can't see several partitions at one moment. So:

1. Find the end of `shard-progress` (A), then the ends of the two tables, then the end of `shard-progress` again (B).
   Each time wait until every transaction before that end is committed or aborted.
2. The last `clock` row before A is that of frame N. All rows of frame N are before the ends of the tables.
3. Every later row before the ends of the tables has its `clock` row before B. If there is no `clock` row between A and
   B, the tables hold frame N and nothing later.
4. Otherwise drop the later rows by timestamp: all records of a commit have the same one. That is certain only if the
   timestamp of N is the largest so far, all later ones are larger, and the rows that are kept come before the dropped
   ones in each partition. A commit takes some milliseconds, so this holds unless the clock was just set back. If it
   does not hold, begin again at 1.

Compaction must not remove a row of frame N in favour of a later one meanwhile. Kafka compacts no active segment, and
ours are closed at 16 MiB or after 10 minutes; reading 100,000 chats takes about 3 s.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.errors import ReadingError
from switchboard.journal import bounded_json
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import ends_of, read_to
from switchboard.kafka.topics import ROWS, Topic, TopicNames

WITHIN_SECONDS: Final = 60.0
"""Time for all attempts; the first one nearly always succeeds."""
CLOCK: Final = b"clock"
"""Key of the row with the frame's number."""
_TABLES: Final = tuple(topic for topic in ROWS if topic is not Topic.SHARD_PROGRESS)


@dataclass(slots=True)
class RowCut:
    """The rows of a shard after a frame; without rows if the shard has made no frame."""

    frame: int = -1
    at: int = 0
    """The timestamp of the frame's commit, ms since 1970."""
    rows: list[ConsumerRecord] = field(default_factory=list)
    """The latest record of each key that has a value, topic by topic."""


async def cut_rows(conn: Connection, names: TopicNames, shard: int) -> RowCut:
    """The rows of a shard after one of its last frames.

    Raises:
        ReadingError: a topic can't be read, or no attempt was certain within WITHIN_SECONDS.
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
    """One attempt; None if it was not certain."""
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
    """The cut at the last frame before an end of `shard-progress` (steps 2 to 4); None if it is not certain.

    Args:
        first_end: the first end of `shard-progress` (A).
        progress: the records of `shard-progress` up to its second end (B).
        tables: the records of each table up to its end.
    """
    clocks = [record for record in progress if record.key == CLOCK and record.value is not None]
    before = [clock for clock in clocks if clock.offset < first_end]
    after = clocks[len(before) :]
    partitions = [progress, *tables]
    # 2. Frame N; without one the shard has made no frame, unless its first one came meanwhile.
    if not before:
        return None if after else RowCut()
    last = before[-1]
    # 3. and 4. Drop what is later.
    if after:
        kept = _up_to(last, before, after, partitions)
        if kept is None:
            return None
        partitions = kept
    return RowCut(_frame_of(last), last.timestamp, [record for records in partitions for record in _latest(records)])


def _up_to(
    last: ConsumerRecord,
    before: list[ConsumerRecord],
    after: list[ConsumerRecord],
    partitions: list[list[ConsumerRecord]],
) -> list[list[ConsumerRecord]] | None:
    """The records of each partition up to a commit, by timestamp; None if timestamps don't tell for certain.

    Args:
        last: the `clock` row of the commit.
        before: all `clock` rows up to that one.
        after: the `clock` rows after that one.
        partitions: the records.
    """
    if last.timestamp < max(each.timestamp for each in before):
        return None
    if last.timestamp >= min(each.timestamp for each in after):
        return None
    found = []
    for records in partitions:
        kept = [record for record in records if record.timestamp <= last.timestamp]
        if kept and kept[-1] is not records[len(kept) - 1]:
            return None
        found.append(kept)
    return found


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


def _latest(records: list[ConsumerRecord]) -> list[ConsumerRecord]:
    """The latest record of each key, in order; a record without value deletes its key."""
    latest: dict[bytes, ConsumerRecord] = {}
    for record in records:
        latest.pop(record.key, None)
        if record.value is not None:
            latest[record.key] = record
    return list(latest.values())
