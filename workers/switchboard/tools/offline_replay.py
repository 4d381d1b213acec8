"""A recorded log to its decisions, offline: the same engine that routes live, fed from a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.errors import RecordedLogError
from switchboard.journal.codec import encode
from switchboard.journal.log_frames import LoggedRows, Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Kind, kind_of, read_log, refuse


def frames_of(
    path: Path, tally: Tally, rows: LoggedRows | None = None, *, skip_bad: bool = False
) -> Iterator[tuple[int, Frame]]:
    """The frames of a log, each with its shard: a bus log's are all of shard 0.

    Args:
        path: the log.
        tally: what became of its lines.
        rows: takes the rows that a journal log may begin with.
        skip_bad: count lines that are damaged, and frames that are out of order, instead of refusing them.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    skip = tally.skip_damaged if skip_bad else refuse
    records = read_log(path, skip)
    tally.kind = kind_of(path, _pass_over if skip_bad else refuse)
    match tally.kind:
        case Kind.JOURNAL:
            return journal_frames(records, tally, rows, skip)
        case Kind.BUS:
            return ((0, frame) for frame in bus_frames(records, tally))


def _pass_over(error: RecordedLogError) -> None:
    """What is looked at twice is counted once: when it is read."""
    del error


def steps(path: Path, tally: Tally, *, skip_bad: bool = False) -> Iterator[tuple[Engine, Frame]]:
    """Each frame of a log with the engine of its shard, as it stood before: apply the one to the other, in order.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    engines: dict[int, Engine] = {}
    rows = LoggedRows()
    for shard, frame in frames_of(path, tally, rows, skip_bad=skip_bad):
        engine = engines.get(shard)
        if engine is None:
            engine = engines[shard] = _restored(path, shard, rows)
        yield engine, frame


def _restored(path: Path, shard: int, rows: LoggedRows) -> Engine:
    try:
        return Engine.restore(shard, rows.take(shard))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise RecordedLogError(str(path), None, f"the rows of shard {shard} are damaged: {what}") from error


def decide(path: Path, tally: Tally, *, skip_bad: bool = False) -> Iterator[list[Decision]]:
    """The decisions of each frame of a log, in the order in which they are made, in constant memory.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    for engine, frame in steps(path, tally, skip_bad=skip_bad):
        yield engine.apply(frame).decisions


def replay(
    path: Path, write: Callable[[bytes], object], tally: Tally, progress: Callable[[], None], *, skip_bad: bool = False
) -> int:
    """Write the decision log of a recorded log: a decision a line. How many there were.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    written = 0
    for number, decisions in enumerate(decide(path, tally, skip_bad=skip_bad)):
        if decisions:
            written += len(decisions)
            write(b"".join([encode(decision) + b"\n" for decision in decisions]))
        if not number % 1000:
            progress()
    return written
