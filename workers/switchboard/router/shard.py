"""A shard that this router serves: the I/O around its loop, which decides everything (`loop.py`)."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

import orjson

from switchboard import metrics
from switchboard.domain.engine import Engine
from switchboard.domain.rows import TABLES, Restoration, Row
from switchboard.journal.codec import BadInput
from switchboard.journal.limits import Limits
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.library_logs import Thinned, raised
from switchboard.kafka.open_transactions import HELD_UP_SECONDS, log_change
from switchboard.kafka.positions import Start, first_offsets
from switchboard.kafka.reading import Offsets, restore
from switchboard.kafka.topics import Topic, TopicNames, shard_id
from switchboard.router.admission import Admission
from switchboard.router.background_work import Committer
from switchboard.router.commits import Visible, offsets_in
from switchboard.router.counters import Tally
from switchboard.router.gauges import GaugeSet, PoolGauges, source_gauges
from switchboard.router.label_names import LabelNames
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
from switchboard.router.sources import RELIST_SECONDS, SourceDecoder, Sources

log = logging.getLogger(__name__)
set_aside = logging.getLogger("switchboard.dead-letter")
set_aside.addFilter(Thinned(by_text=True))  # a faulty producer sends thousands a second, for few reasons

LEAVE_SECONDS: Final = 0.5
"""Time for a cancelled task to end. aiokafka's clients now and then ignore a cancellation; they are closed next."""
ANSWER_SECONDS: Final = 5.0
"""Brokers count as answering if one has answered a fetch within this time."""
STALLED_SECONDS: Final = 120.0
"""A shard has stalled if it makes no progress for so long though the broker answers. Opening takes 90 s at most."""
TOPICS_SECONDS: Final = 30.0
"""How often a router without shards checks whether its topics still exist."""


@dataclass(slots=True, frozen=True)
class RouterConfig:
    """The configuration that all shards of a router share."""

    conn: Connection
    """The cluster."""
    names: TopicNames
    """Names of the topics on the bus."""
    shards: int
    """Number of shards that the pools are shared among."""
    group: str
    """The installation's group id."""
    frames: FrameLimits
    merge_wait: float
    """Seconds to wait for a partition that has lag and has delivered nothing."""
    start: Start | None
    """Where a first start begins; None: a first start on a bus that holds events is refused."""
    longest_outage: float = 86_400.0
    """Seconds. Older records come after the others of a frame (`fair_merge`)."""
    limits: Limits = field(default_factory=Limits)
    """The limits of each shard."""
    labels: LabelNames = field(default_factory=LabelNames)
    """The names of pools and queues in metrics, for all shards together."""
    stuck_after: float = STUCK_SECONDS
    """Seconds without a commit, while there is lag and the broker answers, after which the router ends itself."""
    stalled_after: float = STALLED_SECONDS
    """Seconds without progress, while the broker answers, after which `/healthz` reports the shard."""
    held_up_after: float = HELD_UP_SECONDS
    """Seconds after which a source partition counts as held up by an open transaction."""
    relist_every: float = RELIST_SECONDS
    """Seconds between two looks for new source partitions."""
    check_topics_every: float = TOPICS_SECONDS
    """Seconds between two checks of the topics, while the router has no shards."""


@dataclass(slots=True)
class _Restored:
    """A shard's state in memory, as built by a restore."""

    engine: Engine
    admission: Admission
    tally: Tally
    loop: ShardLoop


class Shard:
    """A shard while this router serves it: open, run, close. After an error close it, and make another one.

    Args:
        index: the shard's.
        config: the router's.
        history: the state that is kept when the shard is closed and opened again.
    """

    def __init__(self, index: int, config: RouterConfig, history: ShardHistory) -> None:
        self.index = index
        self._config = config
        self._history = history
        group = shard_id(config.group, index)
        self._ledger = Ledger(config.conn, group, config.names, index)
        decoder = SourceDecoder(index, config.shards, history.failures.poison)
        self._sources = Sources(
            config.conn, config.names, group, config.merge_wait, config.longest_outage, decoder, config.relist_every
        )
        self._committer = Committer(self._ledger, self._commit_made, self._commit_failed)
        self._pool_gauges = PoolGauges(index, config.labels)
        self._shard_gauges = GaugeSet()
        self._restore_seconds = 0.0
        self._use(Engine(index), {})

    def _use(self, engine: Engine, offsets: Offsets) -> None:
        """Make the loop for an engine, reading on from these source offsets."""
        config = self._config
        admission = Admission(engine, config.limits, time.monotonic())
        loop = ShardLoop(engine, admission, offsets, self._history, config.frames)
        self._restored = _Restored(engine, admission, Tally(engine, config.labels), loop)

    async def open(self) -> None:
        """Fence the previous owner, restore the engine, and begin to read at the restored offsets.

        Raises:
            LedgerLostError, RestoreError, BrokerAwayError, KafkaError, TimeoutError: the shard can't be opened now.
            SourceGoneError, NoStartError, OtherFormatError, NotAllowedError: a human must act.
        """
        began = time.monotonic()
        config = self._config
        # 1. Starting the producer fences the previous owner, and aborts its open transaction.
        await self._ledger.open()
        # 2. Restore.
        rows = await restore(config.conn, config.names, self.index)
        offsets = offsets_in({key.decode(): value for key, value in rows[Topic.SHARD_PROGRESS].items()})
        self._use(await restored_engine(self.index, rows), offsets)
        if offsets and config.start is not None:
            log.info("the shard goes on where it was; --from is for a first start only", extra={"shard": self.index})
        # 3. Find the offsets of a first start, and open the reader.
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
            FencedError: another router took the shard, or a transaction ran out of time.
            LedgerLostError, KafkaError, TimeoutError: nothing more can be committed or read; open the shard again.
            EngineFailedError: open the shard again.
            SourceGoneError, TimersFailedError: a human must act.
            asyncio.CancelledError: aiokafka cancelled a read from within; open the shard again.
        """
        stopping, serving = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._serve())
        try:
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The loop may be stopped at any action: records that it has not put into a commit are read again.
            for task in (stopping, serving):
                task.cancel()
            await asyncio.wait({stopping, serving}, timeout=LEAVE_SECONDS)
        # An error of the loop ends the shard; a read that was cancelled by `stop` is no error.
        if serving.done() and not (serving.cancelled() and stop.is_set()):
            serving.result()
        self._restored.loop.stop()
        await self._serve()

    async def close(self, *, clean: bool) -> None:
        """Stop reading and committing, and remove the gauges.

        Args:
            clean: whether the shard was stopped, and nothing failed; the ledger then has a shorter deadline.
        """
        self._pool_gauges.clear()
        self._shard_gauges.set({})
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
        """Do the loop's actions until the shard is open."""
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
        """Do an action; returns what is known afterwards."""
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
                pass  # not reached: `_serve` ends at a stop
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
        """The time and the reader's state now, and the result of an action."""
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
        """Count and log what a commit made visible; returns the batch to commit next."""
        clock = int(time.time() * 1000)
        end = self._restored.loop.commit_made(time.monotonic(), clock)
        metrics.COMMIT.observe(seconds)
        metrics.COMMITS.labels("committed").inc()
        for part in end.visible:
            self._restored.tally.count(part.taken, part.outcome, clock)
            log_visible(self.index, part)
        return None if end.following is None else end.following.batch

    def _commit_failed(self, error: Exception) -> None:
        """Pass a commit's error to the loop."""
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
        self._shard_gauges.set(
            {
                (metrics.RESTORE, (shard,)): self._restore_seconds,
                **source_gauges(shard, lags, sources.time_lags, transactions.open_for(now)),
            }
        )
        self._pool_gauges.start(self._restored.engine, self._restored.admission)
        return self._see(markers=markers, has_lag=any(lags.values()))


async def restored_engine(shard: int, rows: dict[Topic, dict[bytes, bytes]]) -> Engine:
    """The engine that is built from a shard's rows.

    The event loop turns meanwhile, so that heartbeats go on: restoring the largest shard takes longer than a session of
    the group.

    Args:
        shard: the shard's index.
        rows: topic → key → value. Emptied row by row, so that all rows and the whole engine are never both in memory.
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
    """The rows of the engine's tables; each is removed from `rows`."""
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
