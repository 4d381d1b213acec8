"""What became of the lines of a recorded log."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from switchboard.contracts.codec import BadInput
from switchboard.contracts.recorded_log import Kind, Record
from switchboard.domain.events import Frame
from switchboard.errors import RecordedLogError

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
