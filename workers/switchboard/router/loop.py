"""The loop of a shard as a pure state machine: given records, ends of commits and the time, returns what to do.

All decisions about reading, frames, commits and service time are made here. The loop does no I/O, reads no clock and
sets no metric: the shell (`shard.py`) does the actions and passes in the time and the results. So the same loop can run
in a simulation.
"""

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final

from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event, Frame
from switchboard.domain.timers import sessions_at_stake
from switchboard.journal.codec import BadInput
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.kafka.ledger import CLEAN_COMMIT_SECONDS, CommitBatch
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_merge import Taken
from switchboard.kafka.topics import Topic
from switchboard.router import commits
from switchboard.router.admission import Admission
from switchboard.router.commits import CommitQueue, Visible
from switchboard.router.loop_actions import (
    AwaitCommit,
    Commit,
    CommitEnd,
    CommitFirstOffsets,
    CountStopped,
    FindFirstOffsets,
    FrameLimits,
    Gather,
    Opened,
    OpeningAction,
    OpenReader,
    Pause,
    Read,
    Report,
    Seen,
    ServingAction,
    Stop,
)
from switchboard.router.shard_history import ShardHistory

TICK_SECONDS: Final = 1.0
"""While a timer is pending a frame is made at least so often. Moved offsets without records of this shard are committed
as often."""
GATHER_SECONDS: Final = 0.002
"""Wait from the end of a commit to the next small frame. Until the broker has written the transaction's markers it
refuses the next transaction. Records that come during the wait are in the next frame."""
SMALL_FRAME: Final = 100
"""Records of a frame below which the loop waits for the commit under way, so that the next frame gathers more."""
PAUSE_RECORDS: Final = 100
"""Records packed between two pauses, about 0.5 ms. A commit under way takes a dozen requests, one after another, and
without pauses each answer would wait until the next frame is made (drain: 20,400 events a second with pauses, 15,600
without)."""
MOST_UNMOVED: Final = 10_000
"""Decisions after which 1 ms of service time passes although service time stands still. So a catch-up of 100,000
decisions lets only 10 ms pass."""
OUTPUT_RECORDS: Final = 10
"""A batch counts as one source record for so many output records if that is more than its source records. An event
usually makes three output records."""
REPORT_SECONDS: Final = 1.0
"""How often lags and gauges are reported."""
STUCK_SECONDS: Final = 20.0
"""A shard with lag is stuck if it commits nothing for so long."""

_PAUSE: Final = Pause()
_AWAIT_COMMIT: Final = AwaitCommit()


class ShardLoop:
    """The loop of one shard.

    Call `open` until it returns `Opened`, then `advance` until it returns `Stop`; do each action, and pass the time
    and the result (`Seen`) to the next call. Meanwhile call `commit_made` or `commit_failed` when a commit ends. After
    an error make another loop with the same history.

    Args:
        engine: the shard's, as restored.
        admission: checks events against the limits of the shard.
        offsets: restored source offsets; empty before a first start.
        history: the state that is kept when the shard is closed and opened again.
        frames: the bounds of a frame.
    """

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        offsets: Offsets,
        history: ShardHistory,
        frames: FrameLimits,
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._history = history
        self._frames = frames
        self._seen = Seen(0.0, 0)
        """What was known when the shell last asked for an action."""
        self._offsets = offsets
        """Source offsets that are visible."""
        self._moved: Offsets = {}
        """Source offsets to commit with the next batch, together with their records' effects, never earlier."""
        self._queue = CommitQueue()
        self._unmoved = 0
        """Decisions made since service time last moved."""
        # When a frame was last made, a commit became visible, a report was made, no lag was seen; monotonic, s.
        self._framed = 0.0
        self._committed = 0.0
        self._reported = float("-inf")
        self._without_lag = 0.0
        self._opening = self._open()
        self._serving: Iterator[ServingAction] = self._serve()
        self._stopped: Stop | None = None

    def open(self, seen: Seen) -> OpeningAction:
        """The next action that opens the shard."""
        self._seen = seen
        return next(self._opening)

    def advance(self, seen: Seen) -> ServingAction:
        """The next action that serves the shard, now that the previous one is done. After `Stop` always `Stop`."""
        if self._stopped is not None:
            return self._stopped
        self._seen = seen
        action = next(self._serving)
        if isinstance(action, Stop):
            self._stopped = action
        return action

    def stop(self) -> None:
        """Read no more: the next actions finish the commit under way.

        May be called while an action is being done. Records that are in no commit are read again by the next owner.
        """
        self._serving = self._finish()

    def commit_made(self, now: float, clock: int) -> CommitEnd:
        """Note that the commit under way is visible.

        Args:
            now: monotonic, s.
            clock: ms since 1970.
        """
        self._committed = now
        self._history.service.committed(now)
        self._history.progress = clock / 1000
        visible, batch = self._queue.made()
        for part in visible:
            self._offsets.update(part.offsets)
            if part.outcome is not None:
                self._history.frame += 1
        return CommitEnd(visible, None if batch is None else Commit(batch))

    def commit_failed(self, error: Exception) -> None:
        """Note that the commit under way failed: the loop stops with this error before it puts anything more."""
        self._queue.failed(error)

    def is_stuck(self, now: float, *, has_lag: bool, broker_answers: bool, after: float = STUCK_SECONDS) -> bool:
        """Whether there is lag and the broker answers, but for `after` s nothing was committed and lag never ended."""
        # After an idle night the last commit is old; the shard has only been behind since it was last without lag.
        return has_lag and broker_answers and now - max(self._committed, self._without_lag) > after

    # Opening

    def _open(self) -> Iterator[OpeningAction]:
        """Find the offsets of a first start, then open the reader."""
        if not self._offsets:
            # Committed before anything is read: a restart must not find a later `latest`, and skip records.
            yield FindFirstOffsets()
            self._offsets = dict(self._seen.first_offsets)
            batch = CommitBatch()
            commits.pack_offsets(batch, self._offsets)
            yield CommitFirstOffsets(batch)
        yield OpenReader(dict(self._offsets))
        now = self._seen.now
        self._framed = self._committed = self._without_lag = now
        self._history.service.reopened(now)
        self._history.frame = self._engine.frame
        yield Opened()

    # Serving

    def _serve(self) -> Iterator[ServingAction]:
        """Take turns without end."""
        while True:
            yield from self._turn()

    def _turn(self) -> Iterator[ServingAction]:
        """Read once, and act on what was read."""
        # 1. Read. A failed commit stops the loop here: with no events coming, nothing would be put for long.
        yield Read(self._frames.events, self._frames.value_bytes, self._wait())
        taken = self._seen.taken
        self._moved.update(self._seen.passed)
        yield from self._check_commits()
        # 2. Set aside events beyond a limit, before a frame is made.
        self._admission.check(taken, self._seen.now)
        # 3. Frame, apply and commit.
        if self._history.failures.concern(taken):
            yield from self._step_by_step(taken)
        elif any(isinstance(each.what, Event) for each in taken) or self._is_due():
            yield from self._step(taken)
        elif taken:
            # Only bad records, for `dead-letter`.
            yield from self._commit_without_frame(taken)
        elif self._moved and self._seen.now - self._committed > TICK_SECONDS:
            # Only offsets past markers and records of other shards, which can wait for up to a second.
            yield from self._commit_without_frame([])
        # 4. Report once a second.
        if self._seen.now - self._reported >= REPORT_SECONDS:
            yield from self._report()
        # 5. After a small frame wait for its commit: records that come meanwhile make one frame, for the next commit.
        if len(taken) < SMALL_FRAME and self._queue.is_under_way:
            yield from self._settle()
            yield Gather(GATHER_SECONDS)

    def _finish(self) -> Iterator[ServingAction]:
        """Wait for the commits that were put, `CLEAN_COMMIT_SECONDS` in all."""
        until = self._seen.now + CLEAN_COMMIT_SECONDS
        while self._queue.is_under_way:
            left = until - self._seen.now
            if left <= 0:
                yield Stop(gave_up=True)
                return
            yield AwaitCommit(left)
        yield Stop(self._queue.error)

    def _wait(self) -> float:
        """Seconds until a frame has to be made even if nothing is read."""
        due = self._engine.next_due()
        if due is None:
            return TICK_SECONDS
        now = self._seen.now
        # While service time stands still no timer becomes due, however near the next one is.
        is_still = self._history.service.is_still(now, read_to_end=self._seen.read_to_end)
        until_due = TICK_SECONDS if is_still else (due - self._engine.service) / 1000
        return max(0.0, min(TICK_SECONDS, until_due) - (now - self._framed))

    def _is_due(self) -> bool:
        """Whether a timer is pending and a frame has to be made for it now."""
        return self._engine.next_due() is not None and self._wait() <= 0

    def _report(self) -> Iterator[ServingAction]:
        """Report, and take in what the report found: lag, and markers that end a partition."""
        yield Report(dict(self._offsets))
        seen = self._seen
        self._reported = seen.now
        self._moved.update(seen.markers)
        if not seen.has_lag:
            self._without_lag = seen.now
        if seen.read_to_end and self._queue.is_settled and not self._moved:
            # An idle shard makes progress too: everything that was read is committed.
            self._history.progress = seen.clock / 1000

    # Frames

    def _step(self, taken: list[Taken]) -> Iterator[ServingAction]:
        """Make a frame of what was read, apply and commit it."""
        # 1. Service time runs by the time since the last frame, but by no more than makes `frames.timers` timers due.
        now, service = self._seen.now, self._history.service
        before = service.stopped
        pending = self._engine.next_due() is not None
        passed = service.run(now, read_to_end=self._seen.read_to_end, pending=pending)
        run = self._engine.affordable(passed, self._frames.timers)
        stopped = service.stopped - before + (passed - run) / 1000
        if stopped:
            yield CountStopped(stopped)
        self._framed = now
        # 2. While service time stands still, 1 ms passes for each `MOST_UNMOVED` decisions: otherwise all offers that
        # are made meanwhile would expire in one frame.
        if run or self._unmoved >= MOST_UNMOVED:
            run, self._unmoved = max(run, 1), 0
        yield from self._frame(taken, run)

    def _step_by_step(self, taken: list[Taken]) -> Iterator[ServingAction]:
        """After an engine failure apply the time alone, then each event in a commit of its own, to find which fails."""
        failures = self._history.failures
        # 1. Time alone: the time since the last frame, then the time of the frame that failed.
        yield from self._step([])
        if run := failures.take_run():
            yield from self._frame([], run)
        # 2. Each event alone. The event at fault fails again, and goes to `dead-letter` when the shard reads it next.
        for each in taken:
            if isinstance(each.what, Event):
                yield from self._frame([each], 0)
            else:
                yield from self._commit_without_frame([each])
            yield from self._settle()
            failures.clear(each)

    def _frame(self, taken: list[Taken], run: int) -> Iterator[ServingAction]:
        """Make one frame, or two if one is too large; apply it, and put it into the next commit.

        Args:
            taken: the records; their offsets are committed with the frame.
            run: service time that passes before the events, ms.
        """
        engine = self._engine
        events = [each.what for each in taken if isinstance(each.what, Event)]
        frame = Frame(engine.frame + 1, self._seen.clock, run, events)
        try:
            # 1. Apply the frame, unless it is too large, and pack what it makes visible.
            encoded = encode_frame(frame)
            is_too_large = self._is_too_large(events, encoded)
            if not is_too_large:
                outcome = engine.apply(frame)
                self._unmoved += len(outcome.decisions)
                batch = CommitBatch()
                yield from self._pack_frame(batch, encoded, outcome)
                offsets = yield from self._pack_records(batch, taken)
        except Exception as error:  # noqa: BLE001 - any error here is an engine failure, and stops the loop
            # 2. Commit the frames before, whose service time would otherwise be lost; then stop.
            yield from self._settle()
            yield Stop(self._history.failures.note(engine.shard, frame, error))
        if is_too_large:
            # 3. Halve the frame. Service time passes in the first half alone.
            half = len(taken) // 2
            yield from self._frame(taken[:half], run)
            yield from self._frame(taken[half:], 0)
        else:
            yield from self._put(batch, Visible(offsets, taken, outcome))

    def _is_too_large(self, events: list[Event], encoded: bytes) -> bool:
        """Whether a frame is to be halved. A frame of one event is not: any event fits into a journal record."""
        limits = self._frames
        return len(events) > 1 and (
            len(encoded) > limits.encoded_bytes or sessions_at_stake(self._engine.pools, events) > limits.sessions
        )

    # Commits

    def _commit_without_frame(self, taken: list[Taken]) -> Iterator[ServingAction]:
        """Commit dead letters and offsets of records that make no frame."""
        batch = CommitBatch()
        offsets = yield from self._pack_records(batch, taken)
        yield from self._put(batch, Visible(offsets, taken, None))

    def _pack_frame(self, batch: CommitBatch, encoded: bytes, outcome: Outcome) -> Iterator[ServingAction]:
        """Pack the frame, its decisions and the rows that it changed."""
        batch.add(Topic.JOURNAL, None, encoded, list(JOURNAL_HEADERS))
        for first in range(0, len(outcome.decisions), PAUSE_RECORDS):
            if first:
                yield _PAUSE
            commits.pack_decisions(batch, outcome.decisions[first : first + PAUSE_RECORDS])
        rows = self._engine.changed_rows()
        while some := list(islice(rows, PAUSE_RECORDS)):
            commits.pack_rows(batch, some, self._frames.row_bytes)
            yield _PAUSE

    def _pack_records(self, batch: CommitBatch, taken: list[Taken]) -> Generator[ServingAction, None, Offsets]:
        """Pack the dead letters of bad records, and all offsets that moved; returns the offsets."""
        for number, each in enumerate(taken, start=1):
            if isinstance(each.what, BadInput):
                commits.pack_dead_letter(batch, each, each.what)
                if number % PAUSE_RECORDS == 0:
                    yield _PAUSE
        self._note_moved(taken)
        offsets, self._moved = self._moved, {}
        commits.pack_offsets(batch, offsets)
        return offsets

    def _note_moved(self, taken: list[Taken]) -> None:
        """Note the offsets after these records; the batch with the records' effects commits them."""
        last = {each.place: each for each in taken}
        self._moved.update({place: each.next_offset for place, each in last.items()})

    def _put(self, batch: CommitBatch, part: Visible) -> Iterator[ServingAction]:
        """Commit a batch: at once, or with the next commit while one is under way."""
        outputs = sum(map(len, batch.outputs.values()))
        records = max(len(part.taken), outputs // OUTPUT_RECORDS)
        while not self._queue.has_room(records):
            yield _AWAIT_COMMIT
        yield from self._check_commits()
        ready = self._queue.put(batch, records, part)
        if ready is not None:
            yield Commit(ready)

    def _settle(self) -> Iterator[ServingAction]:
        """Wait until everything that was put is visible."""
        while self._queue.is_under_way:
            yield _AWAIT_COMMIT
        yield from self._check_commits()

    def _check_commits(self) -> Iterator[ServingAction]:
        """Stop if a commit has failed, because nothing more can be committed. After `Stop` no action is asked for."""
        if self._queue.error is not None:
            yield Stop(self._queue.error)
