"""The shell around a shard's loop: opens the ledger, restores, reads, and does what the loop decides."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

import orjson

from switchboard import metrics
from switchboard.domain.engine import Engine
from switchboard.domain.rows import TABLES, Restoration, Row
from switchboard.errors import LedgerLostError
from switchboard.journal.codec import BadInput
from switchboard.journal.limits import Limits
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.library_logs import Thinned, raised
from switchboard.kafka.open_transactions import log_change
from switchboard.kafka.positions import Start, first_offsets
from switchboard.kafka.reading import Offsets, restore
from switchboard.kafka.topics import Topic, TopicNames, shard_id
from switchboard.router.admission import Admission
from switchboard.router.commits import Visible, offsets_in
from switchboard.router.counters import Tally
from switchboard.router.gauges import Shown, Survey, source_gauges
from switchboard.router.loop import PAUSE_RECORDS, STUCK_SECONDS, ShardLoop
from switchboard.router.loop_actions import (
    AwaitCommit,
    Commit,
    CommitFirstOffsets,
    CountStopped,
    FindFirstOffsets,
    FrameLimits,
    Gather,
    Opened,
    OpenReader,
    Pause,
    Read,
    Report,
    Seen,
    ServingAction,
    Stop,
)
from switchboard.router.shard_history import EngineFailedError, ShardHistory
from switchboard.router.source_progress import Batch
from switchboard.router.sources import SourceDecoder, Sources

log = logging.getLogger(__name__)
set_aside = logging.getLogger("switchboard.dead-letter")
set_aside.addFilter(Thinned(by_text=True))  # a faulty producer sends thousands a second, for few reasons

LEAVE_SECONDS: Final = 0.5
"""Time for a cancelled task to end. aiokafka's clients now and then ignore a cancellation; they are closed next."""
ANSWER_SECONDS: Final = 5.0
"""A broker answers if it has answered a fetch within this time."""
STALLED_SECONDS: Final = 120.0
"""A shard has stalled if it makes no progress for so long though a broker answers; one restore takes 90 s at most."""
TOPICS_SECONDS: Final = 30.0
"""How often a router without shards checks whether its topics still exist."""


@dataclass(slots=True, frozen=True)
class RouterConfig:
    """What all shards of a router have in common."""

    conn: Connection
    names: TopicNames
    shards: int
    group: str
    frames: FrameLimits
    merge_wait: float
    """Seconds to wait for a partition that has lag and has delivered nothing."""
    start: Start | None
    """Where a first start begins; None: nowhere on a bus that holds events."""
    longest_outage: float = 86_400.0
    """Seconds. Older records take turns with the others."""
    limits: Limits = field(default_factory=Limits)
    """The limits of each shard."""
    stuck_after: float = STUCK_SECONDS
    stalled_after: float = STALLED_SECONDS
    check_topics_every: float = TOPICS_SECONDS


@dataclass(slots=True)
class _Restored:
    """What a restore makes."""

    engine: Engine
    admission: Admission
    tally: Tally
    loop: ShardLoop


class Shard:
    """A shard while this router serves it: open it, run it, close it. After an error close it and make another."""

    def __init__(self, index: int, config: RouterConfig, history: ShardHistory) -> None:
        self.index = index
        self._config = config
        self._history = history
        group = shard_id(config.group, index)
        self._ledger = Ledger(config.conn, group, config.names, index)
        decoder = SourceDecoder(index, config.shards, history.failures.poison)
        self._sources = Sources(config.conn, config.names, group, config.merge_wait, config.longest_outage, decoder)
        self._committer = Committer(self._ledger, self._commit_made, self._commit_failed)
        self._survey = Survey(index)
        self._shown = Shown()
        self._restore_seconds = 0.0
        self._use(Engine(index), {})

    def _use(self, engine: Engine, offsets: Offsets) -> None:
        """Serve this engine, from these source offsets on."""
        config = self._config
        admission = Admission(engine, config.limits)
        loop = ShardLoop(engine, admission, offsets, self._history, config.shards, config.frames)
        self._restored = _Restored(engine, admission, Tally(engine), loop)

    async def open(self) -> None:
        """Take the shard: fence the owner before, restore, and begin to read at the restored offsets.

        Raises:
            LedgerLostError, SourceGoneError, NoStartError, KafkaError, TimeoutError: the shard can't be served now.
        """
        began = time.monotonic()
        config = self._config
        await self._ledger.open()
        rows = await restore(config.conn, config.names, self.index)
        offsets = offsets_in({key.decode(): value for key, value in rows[Topic.SHARD_PROGRESS].items()})
        self._use(await restored_engine(self.index, rows), offsets)
        if offsets and config.start is not None:
            log.info("the shard goes on where it was; --from is for a first start only", extra={"shard": self.index})
        await self._do_opening_actions()
        self._restore_seconds = time.monotonic() - began
        frame = self._history.frame
        opened = {"shard": self.index, "seconds": round(self._restore_seconds, 3)}
        opened |= {"frame": frame} if frame >= 0 else {}
        at = f"at frame {frame}" if frame >= 0 else "no frame yet"
        log.info("shard %s is open after %.2f s, %s", self.index, self._restore_seconds, at, extra=opened)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve the shard until `stop` is set, then finish the commit under way.

        Raises:
            LedgerLostError: nothing more can be committed; reopen, if the shard is still ours.
            EngineFailedError: reopen.
            SourceGoneError, TimersFailedError: stop; a human must act.
            asyncio.CancelledError: aiokafka cancelled a read from within; reopen.
        """
        stopping, serving = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._serve())
        try:
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The loop may be cut short at any action: records that were read and not put are read again.
            for task in (stopping, serving):
                task.cancel()
            await asyncio.wait({stopping, serving}, timeout=LEAVE_SECONDS)
        if serving.done() and not (serving.cancelled() and stop.is_set()):
            serving.result()
        self._restored.loop.stop()
        await self._serve()

    async def close(self, *, clean: bool) -> None:
        """Let the shard go.

        Args:
            clean: whether the shard was stopped, and nothing failed; closing then takes 2 s at most.
        """
        self._survey.clear()
        self._shown.tell({})
        await self._committer.abandon()
        await asyncio.gather(self._sources.close(), self._ledger.close(clean=clean))

    @property
    def is_stuck(self) -> bool:
        """Whether the shard commits nothing although there is lag and the broker answers."""
        return self._restored.loop.is_stuck(
            time.monotonic(),
            has_lag=any(self._sources.lag.values()),
            broker_answers=self._sources.answered_within(ANSWER_SECONDS),
            after=self._config.stuck_after,
        )

    async def _do_opening_actions(self) -> None:
        loop, config = self._restored.loop, self._config
        seen = self._see()
        while True:
            action = loop.open(seen)
            found: Offsets = {}
            match action:
                case FindFirstOffsets():
                    found = await first_offsets(config.conn, config.names, config.start)
                case CommitFirstOffsets(batch):
                    await self._ledger.commit(batch)
                case OpenReader(offsets):
                    await self._sources.open(offsets)
                case Opened():
                    return
                case _:
                    assert_never(action)
            seen = self._see(first_offsets=found)

    async def _serve(self) -> None:
        """Do the loop's actions until it stops."""
        loop = self._restored.loop
        seen = self._see()
        while True:
            action = loop.advance(seen)
            if isinstance(action, Stop):
                self._end(action)
                return
            seen = await self._do(action)

    async def _do(self, action: ServingAction) -> Seen:
        """Do an action; what is known afterwards."""
        match action:
            case Read(records, value_bytes, wait):
                return self._see(batch=await self._sources.take(records, value_bytes, wait))
            case Commit(batch):
                self._committer.start(batch)
            case AwaitCommit(within):
                await self._committer.wait(within)
            case Gather(seconds):
                await asyncio.sleep(seconds)
            case Pause():
                await asyncio.sleep(0)
            case Report(offsets):
                return self._report(offsets)
            case CountStopped(seconds):
                metrics.SERVICE_TIME_STOPPED.labels(str(self.index)).inc(seconds)
            case Stop():
                pass  # never done: `_serve` ends with it
            case _:
                assert_never(action)
        return self._see()

    def _see(
        self,
        *,
        batch: Batch | None = None,
        first_offsets: Offsets | None = None,
        markers: Offsets | None = None,
        has_lag: bool = False,
    ) -> Seen:
        """The time and the reader's state now, with the result of an action."""
        read = batch or Batch()
        return Seen(
            time.monotonic(),
            int(time.time() * 1000),
            self._sources.read_to_end,
            read.taken,
            read.passed,
            first_offsets or {},
            markers or {},
            has_lag,
        )

    def _end(self, stop: Stop) -> None:
        """Log why the loop has stopped.

        Raises:
            Exception: the error that stopped the loop.
        """
        place: dict[str, object] = {"shard": self.index}
        if stop.gave_up:
            text = "shard %s: the commit under way is given up; what was in it is read again"
            log.warning(text, self.index, extra=place)
        if stop.error is None:
            return
        if isinstance(stop.error, EngineFailedError) and stop.error.set_aside is not None:
            source, cause = stop.error.set_aside, stop.error.__cause__ or stop.error
            place |= dict(zip(("topic", "partition", "offset"), source, strict=True))
            log.critical("the engine fails on %s: set aside on dead-letter: %s", source, raised(cause), extra=place)
            log.debug("the engine fails: %s: %s", type(cause).__name__, cause, exc_info=cause, extra=place)
        raise stop.error

    def _commit_made(self, seconds: float) -> CommitBatch | None:
        """Count and log what a commit made visible; the batch to commit next."""
        end = self._restored.loop.commit_made(time.monotonic(), int(time.time() * 1000))
        metrics.COMMIT.observe(seconds)
        metrics.COMMITS.labels("committed").inc()
        for part in end.visible:
            self._restored.tally.count(part.taken, part.outcome)
            log_visible(self.index, part)
        return None if end.following is None else end.following.batch

    def _commit_failed(self, error: Exception) -> None:
        self._restored.loop.commit_failed(error)

    def _report(self, offsets: Offsets) -> Seen:
        """Report lags and gauges, and commit the visible offsets to the group."""
        sources, transactions = self._sources, self._history.transactions
        markers = sources.pass_markers()
        sources.commit_to_group(offsets)
        lags = sources.lag
        now = time.monotonic()
        log_change(transactions.see(now, sources.ends), self.index)
        shard = str(self.index)
        self._shown.tell(
            {
                (metrics.RESTORE, (shard,)): self._restore_seconds,
                **source_gauges(shard, lags, sources.time_lags, transactions.open_for(now)),
            }
        )
        self._survey.start(self._restored.engine, self._restored.admission)
        return self._see(markers=markers, has_lag=any(lags.values()))


class Committer:
    """Commits batches in the background, one at a time.

    Args:
        ledger: open.
        made: called after each commit with its duration in s; returns the batch to commit next, if one waits.
        failed: called with the error of a commit; no further commit is made.
    """

    def __init__(
        self, ledger: Ledger, made: Callable[[float], CommitBatch | None], failed: Callable[[Exception], None]
    ) -> None:
        self._ledger = ledger
        self._made = made
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    def start(self, batch: CommitBatch) -> None:
        """Begin to commit a batch; none may be under way."""
        self._task = asyncio.create_task(self._work(batch))

    async def wait(self, within: float | None) -> None:
        """Wait until the commit under way has ended, or until `within` seconds are over."""
        self._ended.clear()
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            pass  # the caller knows the time

    async def abandon(self) -> None:
        """Cancel the commit under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self, batch: CommitBatch | None) -> None:
        try:
            while batch is not None:
                began = time.monotonic()
                await self._ledger.commit(batch)
                batch = self._made(time.monotonic() - began)
                self._ended.set()
        except asyncio.CancelledError:
            # aiokafka may cancel a commit from within; the loop would wait for its end for ever.
            self._failed(LedgerLostError("a commit was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - the loop stops with any error
            self._failed(error)
        finally:
            self._ended.set()


async def restored_engine(shard: int, rows: dict[Topic, dict[bytes, bytes]]) -> Engine:
    """The engine that rows describe.

    The event loop turns meanwhile: restoring the largest shard takes longer than a session of the group.

    Args:
        shard: the shard's index.
        rows: topic -> key -> value. The rows are used up, so that rows and engine are never in memory as a whole.
    """
    restoration = Restoration(shard)
    for number, row in enumerate(_engine_rows(rows)):
        restoration.add(row)
        if number % PAUSE_RECORDS == 0:
            await asyncio.sleep(0)
    for _ in restoration.finish():
        await asyncio.sleep(0)
    return Engine.restored(restoration)


def _engine_rows(rows: dict[Topic, dict[bytes, bytes]]) -> Iterator[Row]:
    """The rows of the engine's tables, each taken out of `rows`."""
    for table in TABLES:
        left = list(rows[Topic(table)].items())
        rows[Topic(table)].clear()
        left.reverse()
        while left:
            key, value = left.pop()
            yield Row(table, key.decode(), orjson.loads(value))


def log_visible(shard: int, part: Visible) -> None:
    """Log the records that a commit set aside and, at level DEBUG, the decisions that it made visible."""
    detailed = log.isEnabledFor(logging.DEBUG)
    for each in part.taken:
        if not isinstance(each.what, BadInput):
            continue
        record = each.record
        place = {"shard": shard, "topic": record.topic, "partition": record.partition, "offset": record.offset}
        set_aside.warning("set aside on dead-letter: %s", each.what.reason, extra=place)
        if detailed:
            log.debug("set aside on dead-letter: %s: %s", each.what.reason, each.what.detail, extra=place)
    if detailed and part.outcome is not None:
        for decision in part.outcome.decisions:
            log.debug("decided: %s", decision, extra={"shard": shard})
