"""Offline replay: the frames of a recorded log are applied to the same engine as in a router."""

from collections.abc import Callable, Iterator
from pathlib import Path

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.errors import RecordedLogError
from switchboard.journal.codec import encode
from switchboard.journal.log_frames import LoggedRows, Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Kind, kind_of, read_log, refuse


def replay(
    path: Path, write: Callable[[bytes], object], tally: Tally, progress: Callable[[], None], *, skip_bad: bool = False
) -> int:
    """Write the decision log of a recorded log, a decision a line. Returns the number of decisions.

    Args:
        path: the recorded log.
        write: called with the lines of each frame that has decisions.
        tally: counts the log's lines by what they are.
        progress: called every 1,000 frames.
        skip_bad: count damaged lines, and frames out of order, instead of refusing the log.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    written = 0
    for number, decisions in enumerate(decide(path, tally, skip_bad=skip_bad)):
        if decisions:
            written += len(decisions)
            write(b"".join([encode(decision) + b"\n" for decision in decisions]))
        if not number % 1000:
            progress()
    return written


def decide(path: Path, tally: Tally, *, skip_bad: bool = False) -> Iterator[list[Decision]]:
    """The decisions of each frame of a log, in the order in which they are made. Memory does not grow with the log.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    for engine, frame in steps(path, tally, skip_bad=skip_bad):
        yield engine.apply(frame).decisions


def steps(path: Path, tally: Tally, *, skip_bad: bool = False) -> Iterator[tuple[Engine, Frame]]:
    """Each frame of a log with its shard's engine, in the state before the frame. The caller applies each frame.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    engines: dict[int, Engine] = {}
    rows = LoggedRows()
    for shard, frame in frames_of(path, tally, rows, skip_bad=skip_bad):
        engine = engines.get(shard)
        if engine is None:
            engine = engines[shard] = _restored(path, shard, rows)
        yield engine, frame


def frames_of(
    path: Path, tally: Tally, rows: LoggedRows | None = None, *, skip_bad: bool = False
) -> Iterator[tuple[int, Frame]]:
    """The frames of a log, each with its shard. The frames of a bus log are all of shard 0.

    Args:
        path: the log.
        tally: counts the log's lines by what they are.
        rows: takes the rows at the beginning of a journal log.
        skip_bad: count damaged lines, and frames out of order, instead of refusing the log.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    skip = tally.skip_damaged if skip_bad else refuse
    records = read_log(path, skip)
    # `kind_of` and `read_log` both meet the damaged lines. Only `read_log` counts them.
    tally.kind = kind_of(path, _ignore if skip_bad else refuse)
    match tally.kind:
        case Kind.JOURNAL:
            return journal_frames(records, tally, rows, skip)
        case Kind.BUS:
            return ((0, frame) for frame in bus_frames(records, tally))


def _ignore(error: RecordedLogError) -> None:
    del error


def _restored(path: Path, shard: int, rows: LoggedRows) -> Engine:
    """The engine of a shard before its first frame in the log: restored from the log's rows, or new."""
    try:
        return Engine.restore(shard, rows.take(shard))
    # Rows come from a file that anyone can write; the engine does not check them.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise RecordedLogError(str(path), None, f"the rows of shard {shard} are damaged: {what}") from error
