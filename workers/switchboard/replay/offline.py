"""A recorded log to its decisions, offline: the same engine that routes live, fed from a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from switchboard.contracts.decisions import encode
from switchboard.contracts.log_frames import Tally, bus_frames, journal_frames
from switchboard.contracts.recorded_log import Kind, kind_of, read_log
from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame


def frames_of(path: Path, tally: Tally) -> Iterator[tuple[int, Frame]]:
    """The frames of a log, each with its shard: a bus log's are all of shard 0.

    Raises:
        RecordedLogError: the log can't be read; the message names the line.
        OSError: the file can't be read.
    """
    records = read_log(path)
    match kind_of(path):
        case Kind.JOURNAL:
            return journal_frames(records, tally)
        case Kind.BUS:
            return ((0, frame) for frame in bus_frames(records, tally))


def steps(path: Path, tally: Tally) -> Iterator[tuple[Engine, Frame]]:
    """Each frame of a log with the engine of its shard, as it stood before: apply the one to the other, in order.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    engines: dict[int, Engine] = {}
    for shard, frame in frames_of(path, tally):
        engine = engines.get(shard)
        if engine is None:
            engine = engines[shard] = Engine(shard)
        yield engine, frame


def decide(path: Path, tally: Tally) -> Iterator[list[Decision]]:
    """The decisions of each frame of a log, in the order in which they are made, in constant memory.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    for engine, frame in steps(path, tally):
        yield engine.apply(frame).decisions


def replay(path: Path, write: Callable[[bytes], object], tally: Tally, progress: Callable[[], None]) -> int:
    """Write the decision log of a recorded log: a decision a line. How many there were.

    Raises:
        RecordedLogError, OSError: as `frames_of`.
    """
    written = 0
    for number, decisions in enumerate(decide(path, tally)):
        if decisions:
            written += len(decisions)
            write(b"".join([encode(decision) + b"\n" for decision in decisions]))
        if not number % 1000:
            progress()
    return written
