"""A log replayed, and its decisions held against those that were made, byte for byte (I10)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from switchboard.journal.decision_log import DifferenceKind, Key
from switchboard.journal.frames import OtherVersionError
from switchboard.journal.log_frames import OtherVersionLogError, Tally
from switchboard.replay.against import Against, Place
from switchboard.replay.circumstances import Circumstances, circumstances
from switchboard.replay.offline import steps


@dataclass(slots=True)
class FirstDifference:
    """The first difference, and what led to it."""

    place: Place
    circumstances: Circumstances | None
    """None: it is of no frame of the log."""


@dataclass(slots=True)
class Verified:
    """What came of it."""

    decisions: int = 0
    """That the replay made."""
    same: int = 0
    """Of them, those that were found just so."""
    frames_differ: int = 0
    """Frames with a difference, up to where either side ended."""
    frames_unmatched: int = 0
    """Frames with decisions after all that was found had ended."""
    left_over: int = 0
    """Decisions found that belong to no frame of the log, and should."""
    before: int = 0
    beyond: int = 0
    """Decisions on the live topics before the log's first frame and after its last: no fault."""
    gone: int = 0
    """Frames whose decisions retention has deleted from the live topics: not compared."""
    other_version: OtherVersionError | None = None
    """From some line on the log was decided under other rules, or is in another format; up to there it was compared."""
    other_version_line: int | None = None
    first: FirstDifference | None = None

    @property
    def nothing_compared(self) -> bool:
        """Whether retention has deleted all that the log's decisions could have been held against."""
        return self.gone > 0 and self.same == 0 and self.first is None

    @property
    def equal(self) -> bool:
        """Whether there is no difference, and there was something to compare up to the log's end."""
        return self.first is None and self.other_version is None and not self.nothing_compared


async def verify(log: Path, against: Against, tally: Tally, progress: Callable[[], None]) -> Verified:
    """Replay a log and hold its decisions against others; what led to the first difference is replayed once more.

    Raises:
        RecordedLogError: the log or the decision log can't be read; the message names the line.
        OSError: likewise.
        ReadingError: a live topic can't be read.
        NoSuchShardError: the log is of a shard that the live topics don't have.
    """
    verified = Verified()
    first: tuple[Key | None, Place] | None = None
    try:
        for number, (engine, frame) in enumerate(steps(log, tally)):
            decisions = engine.apply(frame).decisions
            verified.decisions += len(decisions)
            key = (engine.shard, frame.n)
            place = await against.hold(key, decisions)
            if place is not None:
                first = first or (key, place)
                if place.difference.kind is DifferenceKind.DECISIONS_END:
                    verified.frames_unmatched += 1
                else:
                    verified.frames_differ += 1
            if not number % 1000:
                progress()
    except OtherVersionLogError as error:
        verified.other_version, verified.other_version_line = error.other, error.line
    else:
        rest = await against.rest()
        verified.beyond, verified.left_over = rest.beyond, rest.count
        if rest.strange is not None:
            first = first or (None, rest.strange)
    verified.same, verified.before, verified.gone = against.same, against.before, against.gone
    if first is not None:
        key_or_none, place = first
        led = None if key_or_none is None else circumstances(log, key_or_none, place.difference, progress)
        verified.first = FirstDifference(place, led)
    return verified
