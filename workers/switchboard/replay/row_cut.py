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
    while (cut := await _look(conn, names, shard)) is None:
        if time.monotonic() > until:
            raise ReadingError(
                f"the rows of shard {shard} could not be told apart by frame within {WITHIN_SECONDS:g} s: are the "
                "timestamps of its row topics the router's (message.timestamp.type=CreateTime)? Else stop the router"
            )
    return cut


async def _look(conn: Connection, names: TopicNames, shard: int) -> RowCut | None:
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
