"""What became of the lines of a recorded log."""

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
"""The reason of lines that are no record, no frame or no row, or not the frame that was to come."""


@dataclass(slots=True)
class Tally:
    """Counts that grow while the frames are taken."""

    kind: Kind | None = None
    """What the log is, once its frames are asked for."""
    frames: int = 0
    events: int = 0
    rows: int = 0
    """Lines of rows that engines were restored from."""
    skipped: int = 0
    """Lines of topics that are not read."""
    bad: Counter[str] = field(default_factory=Counter)
    """Lines that were no event, by reason; `DAMAGED` are those that a reading that skips passed over."""
    gaps: int = 0
    """Places at which frames of a journal are missing: decisions after the first may differ from those made live."""
    back: int = 0
    """Lines of a bus log whose timestamp is before the time of the line before: they happen at that time."""
    furthest_back: int = 0
    """By how much at most, ms."""
    examples: dict[str, str] = field(default_factory=dict)
    """For each reason, and for `back`, the first such line: its file and number, and the detail."""

    def count(self, frame: Frame) -> None:
        """Counts a frame."""
        self.frames += 1
        self.events += len(frame.events)

    def set_aside(self, record: Record, bad: BadInput) -> None:
        """Counts a line that is no event."""
        self.bad[bad.reason] += 1
        self.examples.setdefault(bad.reason, f"{record.file}:{record.line}: {bad.detail}")

    def skip_damaged(self, error: RecordedLogError) -> None:
        """Counts a damaged line: the `skip` of a reading that passes over such."""
        self.bad[DAMAGED] += 1
        self.examples.setdefault(DAMAGED, str(error))

    def went_back(self, record: Record, ms: int) -> None:
        """Counts a timestamp that lies before the line before's."""
        self.back += 1
        self.furthest_back = max(self.furthest_back, ms)
        self.examples.setdefault("back", f"{record.file}:{record.line}: {ms} ms")


class LoggedRows:
    """Each shard's rows as far as they are read; of those of one key the last counts, and none if that is a tombstone.

    What an engine is restored from with `Engine.restore(shard, rows.take(shard))`, once the shard's first frame is
    there.
    """

    def __init__(self) -> None:
        self._shards: dict[int, dict[tuple[str, str], Row]] = {}
        self._lines: dict[int, int] = {}

    def add(self, table: str, record: Record) -> str | None:
        """Take a line; what is wrong with it, if something is."""
        try:
            key = (record.key or b"").decode()
            value = None if record.payload is None else bounded_json.loads(record.payload)
        except ValueError as error:
            return f"no row of {table}: {error}"
        if not key or not (value is None or isinstance(value, dict)):
            return f"no row of {table}: expected a key, and a JSON object or nothing"
        if key == "clock" and value is not None and value.get("format") != ROW_FORMAT:
            return f"rows of format {str(value.get('format'))[:60]}; this version reads format {ROW_FORMAT}"
        if table == PROGRESS and key == "clock" and value is not None and not _is_frame(value.get("frame")):
            return f"no row of {table}: frame: expected a whole number from 0 to {MAX_OFFSET}"
        self._lines[record.partition] = self._lines.get(record.partition, 0) + 1
        rows = self._shards.setdefault(record.partition, {})
        rows[table, key] = Row(cast("Table", table), key, value)
        return None

    def begin(self, shard: int, number: int, tally: Tally) -> int:
        """A shard's first frame has this number: the number that it was to have; rows of no use are dropped."""
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
        """The rows that a shard goes on from; none if its frames count from 0."""
        return list(self._shards.pop(shard, {}).values())


def _is_frame(value: object) -> bool:
    """Whether a value of a row is the number of a frame (true is an int to Python)."""
    return type(value) is int and 0 <= value <= MAX_OFFSET


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
