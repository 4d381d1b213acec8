"""The frames of a recorded log, its rows, and the counts of its lines."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from switchboard.domain.events import Frame
from switchboard.domain.rows import ROW_FORMAT, TABLES, Row, Table
from switchboard.errors import RecordedLogError
from switchboard.journal import bounded_json
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, Mapping, decode_event
from switchboard.journal.frames import OtherVersionError, check_versions, decode_frame
from switchboard.journal.recorded_log import JOURNAL, MAX_OFFSET, PROGRESS, Kind, Record, Skip, bare_topic, refuse

DAMAGED: Final = "damaged"
"""The reason in a tally for damaged lines, and for frames out of order."""


class OtherVersionLogError(RecordedLogError):
    """From this line on a journal log has other rules or another format."""

    def __init__(self, record: Record, other: OtherVersionError) -> None:
        super().__init__(record.file, record.line, str(other))
        self.other = other


@dataclass(slots=True)
class Tally:
    """Counts of a log's lines, which grow while its frames are read."""

    kind: Kind | None = None
    """The kind of the log; None before its frames are asked for."""
    frames: int = 0
    events: int = 0
    rows: int = 0
    """Lines of rows used to restore engines."""
    skipped: int = 0
    """Lines of unused topics."""
    bad: Counter[str] = field(default_factory=Counter)
    """Bad records by reason; under `DAMAGED` the lines skipped as damaged."""
    gaps: int = 0
    """Gaps between the frames of a journal. Decisions after the first gap may differ from those made live."""
    back: int = 0
    """Lines of a bus log with an earlier timestamp than the line before. Time does not advance for such a line."""
    furthest_back: int = 0
    """The largest such step back, in ms."""
    examples: dict[str, str] = field(default_factory=dict)
    """For each reason, and for `back`: the file and number of the first such line, and the detail."""

    def count(self, frame: Frame) -> None:
        """Count a frame."""
        self.frames += 1
        self.events += len(frame.events)

    def set_aside(self, record: Record, bad: BadInput) -> None:
        """Count a line that is no event."""
        self.bad[bad.reason] += 1
        self.examples.setdefault(bad.reason, f"{record.file}:{record.line}: {bad.detail}")

    def skip_damaged(self, error: RecordedLogError) -> None:
        """Count a damaged line. Passed as the `Skip` of a reader to go on after damaged lines."""
        self.bad[DAMAGED] += 1
        self.examples.setdefault(DAMAGED, str(error))

    def went_back(self, record: Record, ms: int) -> None:
        """Count a timestamp before the time of the line before."""
        self.back += 1
        self.furthest_back = max(self.furthest_back, ms)
        self.examples.setdefault("back", f"{record.file}:{record.line}: {ms} ms")


def bus_frames(records: Iterable[Record], tally: Tally, mapping: Mapping | None = None) -> Iterator[Frame]:
    """Each line of a bus log as a frame of one event. The frame's number is the line's, from 0.

    Time moves to the larger of the line's timestamp and the time of the frame before; `run` is the distance. A bad or
    skipped line has a number, but makes no frame and moves no time. Bad lines are the records that the router sets
    aside, so a line with a timestamp outside the years 0001 to 9999 is `bad-time`.

    Args:
        records: the log's records.
        tally: counts the lines.
        mapping: for the log of a foreign bus, as in `decode_event`.
    """
    at: int | None = None
    for record in records:
        topic = bare_topic(record.topic)
        if topic not in SOURCE_TOPICS:
            tally.skipped += 1
            continue
        # The topic keeps its prefix here: a source names a record on the bus.
        source = (record.topic, record.partition, record.offset)
        event = decode_event(topic, record.headers, record.payload, source=source, timestamp=record.ts, mapping=mapping)
        if isinstance(event, BadInput):
            tally.set_aside(record, event)
            continue
        before = record.ts if at is None else at
        if record.ts < before:
            tally.went_back(record, before - record.ts)
        # The engine takes no step back in time.
        at = max(record.ts, before)
        frame = Frame(record.line - 1, at, at - before, [event])
        tally.count(frame)
        yield frame


def journal_frames(
    records: Iterable[Record], tally: Tally, rows: "LoggedRows | None" = None, skip: Skip = refuse
) -> Iterator[tuple[int, Frame]]:
    """The frames of a journal log, each with its shard, in the log's order.

    A shard's frames begin with number 0, or continue from rows that stand before them in the log. In the second case
    `rows` has the shard's rows when its first frame is given. If the frames begin with 0 in spite of rows, the rows are
    skipped, as lines of other topics are.

    Args:
        records: the log's records.
        tally: counts the lines.
        rows: takes the rows; None refuses a log that begins with rows.
        skip: called for each line that can't be used. A damaged line of the journal leaves a gap, for which `skip` is
            called as well: the frames go on after the gap, and their decisions may differ from those made live. A frame
            that comes a second time is dropped.

    Raises:
        OtherVersionLogError: a line was written under other rules, or in another format.
        RecordedLogError: a line is no frame, or a shard's frames have a gap or a step back; unless `skip` returns.
    """
    next_numbers: dict[int, int] = {}
    for record in records:
        topic = bare_topic(record.topic)
        if topic != JOURNAL:
            # Rows after the first frame of their shard are newer than the engine: they are of no use.
            if topic not in TABLES or rows is None or record.partition in next_numbers:
                tally.skipped += 1
            elif (fault := rows.add(topic, record)) is not None:
                skip(_error(record, fault))
            continue
        frame = _frame(record)
        if isinstance(frame, str):
            skip(_error(record, frame))
            continue
        shard = record.partition
        expected = next_numbers.get(shard)
        if expected is None:
            expected = 0 if rows is None else rows.first_frame(shard, frame.n, tally)
        if frame.n != expected:
            skip(_error(record, _out_of_order(shard, expected, frame.n, takes_rows=rows is not None)))
            # An earlier frame is already given, or is in the rows. A later one goes on after a gap.
            if frame.n < expected:
                continue
            tally.gaps += 1
        next_numbers[shard] = frame.n + 1
        tally.count(frame)
        yield shard, frame


def _frame(record: Record) -> Frame | str:
    """The frame in a line, or the fault of the line in words.

    Raises:
        OtherVersionLogError: the line has another version; such a line is not damaged, and must not be skipped.
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
    message = f"shard {shard}: expected its frame {expected}, got {number}: "
    if expected == 0 and takes_rows:
        return message + (
            "a journal log begins with each shard's frame 0, or with its rows, as switchboard record --from-rows "
            "writes them"
        )
    if expected == 0:
        return (
            message + "the log has to begin with each shard's frame 0; rows in place of the frames before won't do here"
        )
    return message + "a journal log holds each shard's frames in order and without a gap"


def _error(record: Record, message: str) -> RecordedLogError:
    return RecordedLogError(record.file, record.line, message)


class LoggedRows:
    """The rows of each shard that a journal log begins with. The last row of a key counts; a tombstone deletes the row.

    Once the shard's first frame is given, `Engine.restore(shard, rows.take(shard))` restores its engine.
    """

    def __init__(self) -> None:
        self._shards: dict[int, dict[tuple[str, str], Row]] = {}
        """By shard, then by table and key."""
        self._lines: dict[int, int] = {}
        """Lines of rows by shard."""

    def add(self, table: str, record: Record) -> str | None:
        """Take a row; the fault of the line in words if the line is no row."""
        try:
            key = (record.key or b"").decode()
            value = None if record.payload is None else bounded_json.loads(record.payload)
        except ValueError as error:
            return f"no row of {table}: {error}"
        if not key or not (value is None or isinstance(value, dict)):
            return f"no row of {table}: expected a key, and a JSON object or nothing"
        if key == "clock" and value is not None:
            if value.get("format") != ROW_FORMAT:
                return f"rows of format {str(value.get('format'))[:60]}; this version reads format {ROW_FORMAT}"
            if table == PROGRESS and not _is_frame_number(value.get("frame")):
                return f"no row of {table}: frame: expected a whole number from 0 to {MAX_OFFSET}"
        self._lines[record.partition] = self._lines.get(record.partition, 0) + 1
        rows = self._shards.setdefault(record.partition, {})
        rows[table, key] = Row(cast("Table", table), key, value)
        return None

    def first_frame(self, shard: int, number: int, tally: Tally) -> int:
        """The required number of a shard's first frame: after the frame of the rows, or 0 without usable rows.

        Args:
            shard: the shard.
            number: the actual number of the first frame. With 0 the rows are not needed, and are dropped.
            tally: counts the rows as used or as skipped.
        """
        lines = self._lines.pop(shard, 0)
        clock = self._shards.get(shard, {}).get((PROGRESS, "clock"))
        if number == 0 or clock is None or clock.value is None:
            self._shards.pop(shard, None)
            tally.skipped += lines
            return 0
        tally.rows += lines
        frame: int = clock.value["frame"]
        return frame + 1

    def take(self, shard: int) -> list[Row]:
        """The rows that a shard continues from, removed from here; none if its frames begin with 0."""
        return list(self._shards.pop(shard, {}).values())


def _is_frame_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_OFFSET  # isinstance would take true for an int
