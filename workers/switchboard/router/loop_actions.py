"""The actions that a shard's loop asks for, what the shell returns after each, and the bounds of a frame."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from switchboard.journal.frames import MAX_FRAME_BYTES
from switchboard.kafka.ledger import CommitBatch
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_merge import Taken
from switchboard.router.commits import MAX_ROW_BYTES, Visible

FRAME_BYTES: Final = 400_000
"""Bytes of record values that are read for a frame. Encoded, such a frame is nearly always below 900 KB; a larger one
is halved."""
MOST_DUE: Final = 1_000
"""Timers that become due in one frame at most, unless more are due within one ms. A timer makes 1 to 60 records:
200,000 offers that expired in one frame made 620,000 records, 6 s in which the event loop did not turn, and 2 GB."""
MOST_SESSIONS: Final = 5_000
"""Sessions and offers that the events of one frame may end at most; a frame with more is halved. 2,000 agents with 100
chats each who logged out in one frame made 402,000 records, 8 s in which the event loop did not turn, and 1.1 GB."""


@dataclass(slots=True, frozen=True)
class FrameLimits:
    """The bounds of one frame."""

    events: int
    """Records that are read for one frame at most."""
    value_bytes: int = FRAME_BYTES
    """Bytes of record values after which no more are read for the frame."""
    encoded_bytes: int = MAX_FRAME_BYTES
    """Bytes of the encoded frame; a larger frame of several events is halved."""
    sessions: int = MOST_SESSIONS
    """Sessions and offers that the frame's events may end; a frame with more is halved."""
    timers: int = MOST_DUE
    """Timers that may become due in the frame, unless more are due within one ms."""
    row_bytes: int = MAX_ROW_BYTES
    """Bytes of one changed row; a larger row is an engine failure."""


@dataclass(slots=True, frozen=True)
class Seen:
    """What the shell knows after an action: the time, the reader's state and the action's result."""

    now: float
    """Monotonic, s."""
    clock: int
    """ms since 1970."""
    read_to_end: bool = False
    """As `SourceProgress.read_to_end`: a condition of service time."""
    taken: list[Taken] = field(default_factory=list)
    """Result of `Read`: the records, in merged order."""
    passed: Offsets = field(default_factory=dict)
    """Result of `Read`: next offset of each partition of which only records of other shards were read."""
    first_offsets: Offsets = field(default_factory=dict)
    """Result of `FindFirstOffsets`."""
    markers: Offsets = field(default_factory=dict)
    """Result of `Report`: new offsets of fully read partitions whose tail is only transaction markers."""
    has_lag: bool = False
    """Result of `Report`: whether a source partition holds records that were not taken."""


# Actions that open a shard.


@dataclass(slots=True, frozen=True)
class FindFirstOffsets:
    """Find the offsets at which a shard without progress begins."""


@dataclass(slots=True, frozen=True)
class CommitFirstOffsets:
    """Commit the offsets of a first start, and wait until they are visible."""

    batch: CommitBatch


@dataclass(slots=True, frozen=True)
class OpenReader:
    """Begin to read the source partitions at these offsets."""

    offsets: Offsets


@dataclass(slots=True, frozen=True)
class Opened:
    """The shard is open: from now on ask for serving actions."""


# Actions that serve a shard.


@dataclass(slots=True, frozen=True)
class Read:
    """Wait for records, and return those that came in time."""

    records: int
    """The most records."""
    value_bytes: int
    """Bytes of record values after which no more records are returned."""
    wait: float
    """Seconds to wait for the first record."""


@dataclass(slots=True, frozen=True)
class Commit:
    """Begin to commit a batch in the background, and report its end to the loop."""

    batch: CommitBatch


@dataclass(slots=True, frozen=True)
class AwaitCommit:
    """Wait until the commit under way has ended."""

    within: float | None = None
    """Seconds to wait at most; None: without end."""


@dataclass(slots=True, frozen=True)
class Gather:
    """Wait before the next read, so that the records of that time make one frame."""

    seconds: float


@dataclass(slots=True, frozen=True)
class Pause:
    """Let other tasks of the process run once, above all the task of the commit under way."""


@dataclass(slots=True, frozen=True)
class Report:
    """Commit the visible offsets to the group, for lag tools and the monitor, and report lags and gauges."""

    offsets: Offsets


@dataclass(slots=True, frozen=True)
class CountStopped:
    """Count service time that stood still although a timer was pending."""

    seconds: float


@dataclass(slots=True, frozen=True)
class Stop:
    """Stop serving the shard. The last action."""

    error: Exception | None = None
    """Why the loop can't go on; None if the shell asked for the stop."""
    gave_up: bool = False
    """Whether the commit under way did not end in time; its records are read again."""


OpeningAction: TypeAlias = FindFirstOffsets | CommitFirstOffsets | OpenReader | Opened
ServingAction: TypeAlias = Read | Commit | AwaitCommit | Gather | Pause | Report | CountStopped | Stop


@dataclass(slots=True, frozen=True)
class CommitEnd:
    """What a commit made visible, and the next commit."""

    visible: list[Visible]
    """To count and log, in order."""
    following: Commit | None
    """The next commit, to begin at once; None: nothing waits."""
