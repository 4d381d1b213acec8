"""A recorded log as the frames that the engine applies."""

from collections.abc import Iterable, Iterator

from switchboard.contracts.codec import SOURCE_TOPICS, BadInput, Mapping, decode_event
from switchboard.contracts.frames import OtherVersionError, check_versions, decode_frame
from switchboard.contracts.log_rows import LoggedRows
from switchboard.contracts.log_tally import Tally
from switchboard.contracts.recorded_log import JOURNAL, Record, Skip, bare_topic, refuse
from switchboard.domain.events import Frame
from switchboard.domain.rows import TABLES
from switchboard.errors import RecordedLogError

__all__ = ["OtherVersionLogError", "Tally", "bus_frames", "journal_frames"]


class OtherVersionLogError(RecordedLogError):
    """A journal log, from this line on, was decided under other rules or is in another format."""

    def __init__(self, record: Record, other: OtherVersionError) -> None:
        super().__init__(record.file, record.line, str(other))
        self.other = other


def bus_frames(records: Iterable[Record], tally: Tally, mapping: Mapping | None = None) -> Iterator[Frame]:
    """Each line of a bus log as a frame of one event; its number is the line's, from 0.

    Time moves to the larger of the line's timestamp and the time of the frame before; `run` is how far it moved. A bad
    or skipped line has a number but is no frame, and moves no time. Bad input is what the router sets aside; so a line
    whose timestamp is outside the years 0001 to 9999 is `bad-time`.
    """
    at: int | None = None
    for record in records:
        topic = bare_topic(record.topic)
        if topic not in SOURCE_TOPICS:
            tally.skipped += 1
            continue
        source = (record.topic, record.partition, record.offset)
        event = decode_event(topic, record.headers, record.payload, source=source, timestamp=record.ts, mapping=mapping)
        if isinstance(event, BadInput):
            tally.set_aside(record, event)
            continue
        before = record.ts if at is None else at
        if record.ts < before:
            tally.went_back(record, before - record.ts)
        at = max(record.ts, before)
        frame = Frame(record.line - 1, at, at - before, [event])
        tally.count(frame)
        yield frame


def journal_frames(
    records: Iterable[Record], tally: Tally, rows: LoggedRows | None = None, skip: Skip = refuse
) -> Iterator[tuple[int, Frame]]:
    """The frames of a journal log, each with its shard, in the log's order.

    A shard's frames count from 0, or go on from the rows that stand before them: then `rows` has them for that shard
    when its first frame comes. Where they count from 0 all the same, its rows are skipped, as other topics' lines are.

    Args:
        records: the log's.
        tally: what became of them.
        rows: takes the rows; None refuses a log that begins with some.
        skip: told of each line that can't be taken. A line of the journal that is none costs a gap as well, which is
            told of too: the frames go on after it, and what they decide may differ from what was decided live. A frame
            that was had already is dropped.

    Raises:
        OtherVersionLogError: a line was written under other rules, or in another format.
        RecordedLogError: a line is no frame, or a shard's frames have a gap or a step back; unless `skip` takes it.
    """
    following: dict[int, int] = {}
    for record in records:
        topic = bare_topic(record.topic)
        if topic != JOURNAL:
            if topic not in TABLES or rows is None or record.partition in following:
                tally.skipped += 1
            elif (wrong := rows.add(topic, record)) is not None:
                skip(_error(record, wrong))
            continue
        frame = _frame(record)
        if isinstance(frame, str):
            skip(_error(record, frame))
            continue
        shard = record.partition
        expected = following.get(shard)
        if expected is None:
            expected = 0 if rows is None else rows.begin(shard, frame.n, tally)
        if frame.n != expected:
            skip(_error(record, _out_of_order(shard, expected, frame.n, takes_rows=rows is not None)))
            if frame.n < expected:
                continue
            tally.gaps += 1
        following[shard] = frame.n + 1
        tally.count(frame)
        yield shard, frame


def _frame(record: Record) -> Frame | str:
    """The frame that a line holds, or what is wrong with it.

    Raises:
        OtherVersionLogError: it is no fault that it can't be taken, so that it is never skipped.
    """
    if record.payload is None:
        return "a line of the journal has no payload"
    try:
        check_versions(record.headers)
        return decode_frame(record.payload)
    except OtherVersionError as error:
        raise OtherVersionLogError(record, error) from None
    except ValueError as error:
        return str(error)


def _out_of_order(shard: int, expected: int, number: int, *, takes_rows: bool) -> str:
    told = f"shard {shard}: expected its frame {expected}, got {number}: "
    if expected == 0 and takes_rows:
        return told + (
            "a journal log begins with each shard's frame 0, or with its rows, as switchboard record --from-rows "
            "writes them"
        )
    if expected == 0:
        return told + "the log has to begin with each shard's frame 0; rows in place of the frames before won't do here"
    return told + "a journal log holds each shard's frames in order and without a gap"


def _error(record: Record, message: str) -> RecordedLogError:
    return RecordedLogError(record.file, record.line, message)
