"""One shard's loop: read, merge, check, frame, apply, commit."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, NoReturn

import orjson

from switchboard import metrics
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event, Frame
from switchboard.domain.rows import TABLES, Restoration, Row
from switchboard.domain.timers import sessions_at_stake
from switchboard.journal.codec import BadInput
from switchboard.journal.frames import JOURNAL_HEADERS, MAX_FRAME_BYTES, encode_frame
from switchboard.journal.limits import Limits
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CLEAN_COMMIT_SECONDS, CommitBatch, Ledger
from switchboard.kafka.library_logs import Thinned
from switchboard.kafka.merged_reader import Taken, shard_of
from switchboard.kafka.open_transactions import OpenTransactions, log_change
from switchboard.kafka.positions import Offsets, Start, first_offsets
from switchboard.kafka.reading import restore
from switchboard.kafka.topics import Topic, TopicNames, shard_id
from switchboard.router import commits
from switchboard.router.admission import Admission
from switchboard.router.commits import Committer
from switchboard.router.counters import Tally
from switchboard.router.gauges import Shown, Survey, source_gauges
from switchboard.router.loop import ServiceTime, Suspicion
from switchboard.router.sources import Sources

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
"""While a timer is pending a frame is made at least so often."""
FRAME_BYTES: Final = 400_000
"""Of the records' values that a frame takes: encoded it is nearly always below 900 KB, else it is halved."""
GATHER_SECONDS: Final = 0.002
"""From a commit to the next small frame. The broker still writes the markers of the one, and refuses to begin another
until it has: what comes meanwhile is in the next commit, whose frame is made last."""
SMALL_FRAME: Final = 100
"""Events below which it pays to wait for more."""
TURN: Final = 100
"""Records handled (about 0.5 ms) between turns of the event loop, if there are more. The commit under way has a dozen
answers of the broker to act on, and would wait for each until the next frame is made (a drain: 20,400 against 15,600).
"""
MOST_DUE: Final = 1_000
"""Timers that one frame lets become due, if not more are due within one ms. What becomes of one takes 1 to 60 records:
200,000 offers that expired in one frame were 620,000 records, 6 s without a turn of the event loop, and 2 GB."""
MOST_UNMOVED: Final = 10_000
"""Decisions after which 1 ms of service time passes though it stands still. An outage has few: 100,000 make 10 ms."""
MOST_SESSIONS: Final = 5_000
"""Sessions that the events of a frame may end, or offers that they may rescind: a frame with more is halved. 2,000
agents who hold 100 chats each and log out in one frame were 402,000 records, 8 s without a turn, and 1.1 GB."""
OUTPUTS: Final = 10
"""Records of a commit that count as much as one source record, where they are more: usually an event makes three."""
LEAVE_SECONDS: Final = 0.5
"""For what is cut short to end: aiokafka's clients now and then do not hear of it, and are closed next anyway."""
TELL_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 20.0


@dataclass(slots=True, frozen=True)
class Plan:
    """What every shard of a router is told."""

    conn: Connection
    names: TopicNames
    shards: int
    group: str
    max_events: int
    merge_wait: float
    """Seconds."""
    start: Start | None
    longest_outage: float = 86_400.0
    """Seconds. Records that are older take turns with the others'."""
    limits: Limits = field(default_factory=Limits)
    """Of each shard."""


@dataclass(slots=True)
class Standing:
    """What is known of a shard however often it is opened again."""

    suspicion: Suspicion = field(default_factory=Suspicion)
    service: ServiceTime = field(default_factory=ServiceTime)
    progress: float = field(default_factory=time.time)
    """When (wall clock, s) it was last known to go on, or was assigned to this router."""
    frame: int = -1
    """The last one that was committed; -1 before the first."""
    transactions: OpenTransactions = field(default_factory=OpenTransactions)
    """On the source partitions; times are monotonic."""


class Shard:
    """A shard while this router serves it. Open it, run it, and after any error close it and make another."""

    def __init__(self, index: int, plan: Plan, standing: Standing) -> None:
        self.index = index
        self._plan = plan
        self._standing = standing
        self._suspicion = suspicion = standing.suspicion
        self._ledger = Ledger(plan.conn, shard_id(plan.group, index), plan.names, index)
        self._sources = Sources(
            plan.conn,
            plan.names,
            shard_id(plan.group, index),
            plan.merge_wait,
            plan.longest_outage,
            suspicion.poison,
        )
        self._service = standing.service
        self._engine = Engine(index)
        self._tally = Tally(self._engine)
        self._committer = Committer(self._ledger, self._note_commit)
        self._framed = time.monotonic()
        self._unmoved = 0
        """Decisions made since service time last moved."""
        self._told = 0.0
        self._admission = Admission(self._engine, plan.limits)
        self._survey = Survey(index)
        self._shown = Shown()
        self._restored = 0.0
        """How long it took, s."""
        self.committed = time.monotonic()
        """When (monotonic) the last commit was made."""
        self._caught_up = time.monotonic()
        """When (monotonic) there was last no lag."""
        self._untold: Offsets = {}
        """Offsets that moved since the last commit."""
        self._offsets: Offsets = {}

    async def open(self) -> None:
        """Take the shard: fence who held it, restore, and go to where the sources were read to.

        Raises:
            LedgerLostError, SourceGoneError, NoStartError, KafkaError, TimeoutError: it can't be served now.
        """
        began = time.monotonic()
        plan = self._plan
        await self._ledger.open()
        rows = await restore(plan.conn, plan.names, self.index)
        self._offsets = commits.offsets_in({key.decode(): value for key, value in rows[Topic.SHARD_PROGRESS].items()})
        self._engine = await _restored(self.index, rows)
        self._admission = Admission(self._engine, plan.limits)
        self._tally = Tally(self._engine)
        if not self._offsets:
            self._offsets = await first_offsets(plan.conn, plan.names, plan.start)
            batch = CommitBatch()
            commits.pack_offsets(batch, self._offsets)
            await self._ledger.commit(batch)
        elif plan.start is not None:
            log.info("the shard goes on where it was; --from is for a first start only", extra={"shard": self.index})
        await self._sources.open(self._offsets)
        self._restored = time.monotonic() - began
        self._framed = self.committed = self._caught_up = time.monotonic()
        self._service.reopened(self._framed)
        frame = self._standing.frame = self._engine.frame
        opened = {"shard": self.index, "seconds": round(self._restored, 3)} | ({"frame": frame} if frame >= 0 else {})
        at = f"at frame {frame}" if frame >= 0 else "no frame yet"
        log.info("shard %s is open after %.2f s, %s", self.index, self._restored, at, extra=opened)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve the shard until `stop` is set, then finish the commit under way.

        Raises:
            LedgerLostError: nothing more can be committed; reopen, if the shard is still ours.
            EngineFailedError: reopen.
            SourceGoneError, TimersFailedError: stop, and let a human look.
        """
        stopping, serving = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._serve())
        try:
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # What was read and not put is read again. It may be cut short anywhere: it commits nothing itself.
            for task in (stopping, serving):
                task.cancel()
            await asyncio.wait({stopping, serving}, timeout=LEAVE_SECONDS)
        if serving.done() and not serving.cancelled():
            serving.result()
        try:
            await self._committer.settle(CLEAN_COMMIT_SECONDS)
        except TimeoutError:
            log.warning(
                "shard %s: the commit under way is given up; what was in it is read again", self.index,
                extra={"shard": self.index},
            )  # fmt: skip

    async def _serve(self) -> NoReturn:
        while True:
            await self._turn()

    async def _turn(self) -> None:
        """Read, and do what is to be done about it."""
        taken = await self._sources.take(self._plan.max_events, FRAME_BYTES, self._wait())
        self._committer.check()  # or a failure would be seen at the next event only
        mine = self._mine(taken)
        self._admission.check(mine)
        if self._suspicion.falls_on(mine):
            await self._step_by_step(taken)
        elif any(isinstance(each.what, Event) for each in mine) or self._due():
            await self._step(taken)
        elif mine:
            await self._commit(taken)
        else:
            self._pass(taken)
            if self._untold and time.monotonic() - self.committed > TICK_SECONDS:
                await self._commit([])
        self._tell()
        if len(mine) < SMALL_FRAME and self._committer.busy:
            # What comes meanwhile makes one frame with what comes next, and is in the very next commit.
            await self._committer.settle()
            await asyncio.sleep(GATHER_SECONDS)

    async def close(self, *, clean: bool) -> None:
        """Let the shard go."""
        self._survey.clear()
        self._shown.tell({})
        await self._committer.abandon()
        await asyncio.gather(self._sources.close(), self._ledger.close(clean=clean))

    @property
    def is_stuck(self) -> bool:
        """Whether the broker answers and there has been lag for 20 s, and yet nothing was committed in them."""
        since = max(self.committed, self._caught_up)
        lag = any(self._sources.lag.values())
        return lag and time.monotonic() - since > STUCK_SECONDS and self._sources.answered_within(5)

    def _wait(self) -> float:
        """Seconds until a frame is to be made even if nothing is read."""
        due = self._engine.next_due()
        if due is None:
            return TICK_SECONDS
        now = time.monotonic()
        # While service time stands still nothing becomes due, however near it is.
        stands = self._service.stands(now, read_to_end=self._sources.read_to_end)
        until_due = TICK_SECONDS if stands else (due - self._engine.service) / 1000
        return max(0.0, min(TICK_SECONDS, until_due) - (now - self._framed))

    def _due(self) -> bool:
        return self._engine.next_due() is not None and self._wait() <= 0

    def _mine(self, taken: list[Taken]) -> list[Taken]:
        """Without the records of other shards' pools."""
        shards = self._plan.shards
        if shards == 1:
            return taken
        return [each for each in taken if shard_of(each.what.pool, shards) == self.index]

    def _pass(self, taken: list[Taken]) -> None:
        """The sources are to stand behind these from the next commit on, and never before what they hold is in it."""
        for each in taken:
            self._untold[each.record.topic, each.record.partition] = each.record.offset + 1

    async def _step(self, taken: list[Taken]) -> None:
        """Make a frame of what was read, apply it and commit it, while the next is being read and applied."""
        now = time.monotonic()
        before = self._service.stopped
        pending = self._engine.next_due() is not None
        run = self._service.run(now, read_to_end=self._sources.read_to_end, pending=pending)
        passing = self._engine.affordable(run, MOST_DUE)
        stopped = self._service.stopped - before + (run - passing) / 1000
        metrics.SERVICE_TIME_STOPPED.labels(str(self.index)).inc(stopped)
        self._framed = now
        if passing or self._unmoved >= MOST_UNMOVED:
            # Without 1 ms all offers that are made while service time stands still would expire in one frame.
            passing, self._unmoved = max(passing, 1), 0
        await self._advance(taken, passing)

    async def _step_by_step(self, taken: list[Taken]) -> None:
        """After a failure: time alone, then each event alone, each committed before the next."""
        await self._step([])
        if run := self._suspicion.take_run():
            await self._advance([], run)
        for each in taken:
            if isinstance(each.what, Event) and self._mine([each]):
                await self._advance([each], 0)
            else:
                await self._commit([each])
            await self._committer.settle()
            self._suspicion.clear(each)

    async def _advance(self, taken: list[Taken], run: int) -> None:
        events = [each.what for each in self._mine(taken) if isinstance(each.what, Event)]
        frame = Frame(self._engine.frame + 1, int(time.time() * 1000), run, events)
        try:
            encoded = encode_frame(frame)
            is_too_large = len(events) > 1 and (
                len(encoded) > MAX_FRAME_BYTES or sessions_at_stake(self._engine.pools, events) > MOST_SESSIONS
            )
            if not is_too_large:
                outcome = self._engine.apply(frame)
                self._unmoved += len(outcome.decisions)
                batch, offsets = await self._batch(taken, encoded, outcome)
        except Exception as error:
            await self._committer.settle()  # or the time that passed in the frame before would be lost with it
            raise self._suspicion.failed(self.index, frame, error) from error
        if is_too_large:
            half = len(taken) // 2
            await self._advance(taken[:half], run)
            await self._advance(taken[half:], 0)
        else:
            await self._put(batch, offsets, taken, outcome)

    async def _batch(
        self, taken: list[Taken], encoded: bytes | None, outcome: Outcome | None
    ) -> tuple[CommitBatch, Offsets]:
        """What is to be committed, and where the sources stand with it, as far as that is new."""
        batch = CommitBatch()
        if encoded is not None and outcome is not None:
            batch.add(Topic.JOURNAL, None, encoded, list(JOURNAL_HEADERS))
            for first in range(0, len(outcome.decisions), TURN):
                if first:
                    await asyncio.sleep(0)
                commits.pack_decisions(batch, outcome.decisions[first : first + TURN])
            rows = self._engine.changed_rows()
            while some := list(islice(rows, TURN)):
                commits.pack_rows(batch, some)
                await asyncio.sleep(0)
        for number, each in enumerate(self._mine(taken), start=1):
            if isinstance(each.what, BadInput):
                commits.pack_dead_letter(batch, each, each.what)
                if number % TURN == 0:
                    await asyncio.sleep(0)
        self._pass(taken)
        offsets, self._untold = self._untold, {}
        commits.pack_offsets(batch, offsets)
        return batch, offsets

    async def _commit(self, taken: list[Taken]) -> None:
        """Have committed what is no frame: dead letters, and where the sources stand."""
        batch, offsets = await self._batch(taken, None, None)
        await self._put(batch, offsets, taken, None)

    async def _put(self, batch: CommitBatch, offsets: Offsets, taken: list[Taken], outcome: Outcome | None) -> None:
        mine = self._mine(taken)
        records = max(len(mine), sum(map(len, batch.outputs.values())) // OUTPUTS)
        await self._committer.put(batch, records, partial(self._note, offsets, mine, outcome))

    def _note_commit(self, now: float) -> None:
        self.committed = now
        self._service.committed(now)
        self._standing.progress = time.time()

    def _note(self, offsets: Offsets, taken: list[Taken], outcome: Outcome | None) -> None:
        """Something became visible."""
        self._offsets.update(offsets)
        if outcome is not None:
            self._standing.frame += 1
        self._tally.count(taken, outcome)
        tell(self.index, taken, outcome)

    def _tell(self) -> None:
        """Now and then: what lag tools and dashboards want to know."""
        now = time.monotonic()
        if now - self._told < TELL_SECONDS:
            return
        self._told = now
        self._untold.update(self._sources.pass_markers())
        self._sources.tell_group(self._offsets)
        lags = self._sources.lag
        if not any(lags.values()):
            self._caught_up = now
        if self._sources.read_to_end and self._committer.is_settled and not self._untold:
            self._standing.progress = time.time()  # nothing is to be done: all that was read is committed
        transactions = self._standing.transactions
        log_change(transactions.see(now, self._sources.ends), self.index)
        shard = str(self.index)
        self._shown.tell(
            {
                (metrics.RESTORE, (shard,)): self._restored,
                **source_gauges(shard, lags, self._sources.time_lags, transactions.open_for(now)),
            }
        )
        self._survey.start(self._engine, self._admission)


async def _restored(shard: int, rows: dict[Topic, dict[bytes, bytes]]) -> Engine:
    """The engine that these rows tell of. The rows are used up, so that both are never in memory as a whole.

    The event loop turns meanwhile: the largest shard takes longer than a session of the group.
    """
    restoration = Restoration(shard)
    for number, row in enumerate(_engine_rows(rows)):
        restoration.add(row)
        if number % TURN == 0:
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


set_aside = logging.getLogger("switchboard.dead-letter")
set_aside.addFilter(Thinned(by_text=True))  # a producer gone wrong sends thousands a second; reasons are few


def tell(shard: int, taken: list[Taken], outcome: Outcome | None) -> None:
    """Log what has become visible.

    Args:
        shard: whose it is.
        taken: the records that it was made of.
        outcome: what was decided on them, if they made a frame.
    """
    detailed = log.isEnabledFor(logging.DEBUG)
    for each in taken:
        if not isinstance(each.what, BadInput):
            continue
        record = each.record
        place = {"shard": shard, "topic": record.topic, "partition": record.partition, "offset": record.offset}
        set_aside.warning("set aside on dead-letter: %s", each.what.reason, extra=place)
        if detailed:
            log.debug("set aside on dead-letter: %s: %s", each.what.reason, each.what.detail, extra=place)
    if detailed and outcome is not None:
        for decision in outcome.decisions:
            log.debug("decided: %s", decision, extra={"shard": shard})
