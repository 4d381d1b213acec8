"""A recorded log as the frames that the engine is told."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from switchboard.contracts.codec import SOURCE_TOPICS, BadInput, Mapping, decode_event
from switchboard.contracts.frames import OtherVersionError, check_versions, decode_frame
from switchboard.contracts.recorded_log import JOURNAL, Record, RecordedLogError, bare_topic
from switchboard.domain.events import Frame


class OtherVersionLogError(RecordedLogError):
    """A journal log, from this line on, was decided under other rules or is in another format."""

    def __init__(self, record: Record, other: OtherVersionError) -> None:
        super().__init__(record.file, record.line, str(other))
        self.other = other


@dataclass(slots=True)
class Tally:
    """What became of a log's lines; it grows while the frames are taken."""

    frames: int = 0
    events: int = 0
    skipped: int = 0
    """Lines of topics that are not read."""
    bad: Counter[str] = field(default_factory=Counter)
    """Lines that were no event, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """For each reason the first such line: its file and number, and the detail."""

    def count(self, frame: Frame) -> None:
        """Counts a frame."""
        self.frames += 1
        self.events += len(frame.events)

    def set_aside(self, record: Record, bad: BadInput) -> None:
        """Counts a bad line."""
        self.bad[bad.reason] += 1
        self.examples.setdefault(bad.reason, f"{record.file}:{record.line}: {bad.detail}")


def bus_frames(records: Iterable[Record], tally: Tally, mapping: Mapping | None = None) -> Iterator[Frame]:
    """Each line of a bus log as a frame of one event; its number is the line's, from 0.

    Time moves to the larger of the line's timestamp and the time of the frame before; `run` is how far it moved. A bad
    or skipped line has a number but is no frame, and moves no time.
    """
    at: int | None = None
    for record in records:
        topic = bare_topic(record.topic)
        if topic not in SOURCE_TOPICS:
            tally.skipped += 1
            continue
        source = (record.topic, record.partition, record.offset)
        event = decode_event(topic, record.headers, record.payload, source=source, mapping=mapping)
        if isinstance(event, BadInput):
            tally.set_aside(record, event)
            continue
        before = record.ts if at is None else at
        at = max(record.ts, before)
        frame = Frame(record.line - 1, at, at - before, [event])
        tally.count(frame)
        yield frame


def journal_frames(records: Iterable[Record], tally: Tally) -> Iterator[tuple[int, Frame]]:
    """The frames of a journal log, each with its shard, in the log's order; lines of other topics are skipped.

    Raises:
        OtherVersionLogError: a line was written under other rules, or in another format.
        RecordedLogError: a line is no frame, or a shard's frames don't count from 0 without a gap.
    """
    following: dict[int, int] = {}
    for record in records:
        if bare_topic(record.topic) != JOURNAL:
            tally.skipped += 1
            continue
        if record.payload is None:
            raise RecordedLogError(record.file, record.line, "a line of the journal has no payload")
        try:
            check_versions(record.headers)
            frame = decode_frame(record.payload)
        except OtherVersionError as error:
            raise OtherVersionLogError(record, error) from None
        except ValueError as error:
            raise RecordedLogError(record.file, record.line, str(error)) from None
        expected = following.get(record.partition, 0)
        if frame.n != expected:
            raise RecordedLogError(
                record.file,
                record.line,
                f"shard {record.partition}: expected its frame {expected}, got {frame.n}: "
                "a journal log holds each shard's frames from 0 on, in order and without a gap",
            )
        following[record.partition] = expected + 1
        tally.count(frame)
        yield record.partition, frame
