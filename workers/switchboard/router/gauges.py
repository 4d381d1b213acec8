"""Gauges of a shard: its present chats, agents and records. Removed when another router takes the shard."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Final, TypeAlias

from aiokafka import TopicPartition
from prometheus_client import Gauge

from switchboard import metrics
from switchboard.domain.engine import Engine
from switchboard.domain.pool import Pool
from switchboard.domain.state import RequestLine, WaitingLine
from switchboard.metrics import STAGES, STATUSES
from switchboard.router.admission import Admission
from switchboard.router.label_names import OTHER, LabelNames

Series: TypeAlias = tuple[Gauge, tuple[str, ...]]
"""A gauge and the values of its labels."""
Figures: TypeAlias = dict[Series, float]

SHARE: Final = 0.01
"""Share of the time that surveys may take. One of 5 ms (10,000 agents) runs each second, a longer one less often."""
SLICE_SECONDS: Final = 0.002
"""Work of a survey between two turns of the event loop. 10,000 pools take 0.2 s in all."""

_STEP: Final = 50
"""Queues, or series, in one step of a survey."""

_STAGE: Final = attrgetter("stage")


class GaugeSet:
    """Gauges that are set together. Series that are not set again are removed.

    A series that stayed after another router had taken the shard would count twice.
    """

    def __init__(self) -> None:
        self._series: dict[Series, Gauge] = {}

    def set(self, figures: Mapping[Series, float]) -> None:
        """Set these series, and remove all others of the set."""
        for _ in self.set_in_steps(figures):
            pass

    def set_in_steps(self, figures: Mapping[Series, float]) -> Iterator[None]:
        """As `set`, with a pause after each `_STEP` series."""
        for gone in self._series.keys() - figures.keys():
            del self._series[gone]
            gauge, labels = gone
            gauge.remove(*labels)
        for number, (key, figure) in enumerate(figures.items()):
            series = self._series.get(key)
            if series is None:
                gauge, labels = key
                series = self._series[key] = gauge.labels(*labels)
            series.set(figure)
            if number % _STEP == 0:
                yield


class PoolGauges:
    """The gauges of one shard's pools, set by a survey, which takes 5 ms for 10,000 agents and 100,000 chats.

    Args:
        shard: the shard's index.
        labels: the names of pools and queues in metrics.
        clock: the time of day, s since 1970.
    """

    def __init__(self, shard: int, labels: LabelNames, clock: Callable[[], float] = time.time) -> None:
        self._shard = str(shard)
        self._labels = labels
        self._clock = clock
        self._gauges = GaugeSet()
        self._present: set[tuple[str, ...]] = set()
        """Labels whose counters exist."""
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0
        """When (monotonic) the next survey may begin."""

    def start(self, engine: Engine, admission: Admission) -> None:
        """Begin a survey in a task, if none is under way and one is due.

        Raises:
            Exception: the error of the previous survey. A hidden defect would leave the gauges at their old values.
        """
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
        if self._task is None and time.monotonic() >= self._due:
            self._task = asyncio.create_task(self._run(engine, admission))

    def set(self, engine: Engine, admission: Admission | None = None) -> None:
        """Survey and set the gauges at once.

        Args:
            engine: the shard's.
            admission: of the shard; None: the gauges of limits are left out.
        """
        for _ in self._steps(engine, admission):
            pass

    def clear(self) -> None:
        """Remove the gauges, once the shard is no longer served here."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._gauges.set({})

    async def _run(self, engine: Engine, admission: Admission) -> None:
        """Survey in slices, so that the event loop turns between them."""
        took = 0.0
        began = time.perf_counter()
        for _ in self._steps(engine, admission):
            passed = time.perf_counter() - began
            if passed > SLICE_SECONDS:
                took += passed
                await asyncio.sleep(0)
                began = time.perf_counter()
        took += time.perf_counter() - began
        self._due = time.monotonic() + took / SHARE

    def _steps(self, engine: Engine, admission: Admission | None) -> Iterator[None]:
        """Survey the pools, then set the gauges. The engine may apply frames between two steps."""
        figures: defaultdict[Series, float] = defaultdict(float)
        for pool in list(engine.pools.values()):
            if pool.configured_at is not None:
                self._labels.add_configured(pool.id)
            if not pool.agents and not pool.chats and self._labels.pool(pool.id) == OTHER:
                continue  # an empty pool adds only zeros to `other`
            yield from self._survey_agents(pool, figures)
            yield from self._survey_queues(engine, pool, figures)
        if admission is not None:
            for limit, (used, most) in (yield from admission.usage()).items():
                figures[metrics.LIMIT_USED, (self._shard, limit)] = used
                figures[metrics.LIMIT_MAX, (self._shard, limit)] = most
        yield from self._present_counters(figures)
        yield from self._gauges.set_in_steps(figures)

    def _present_counters(self, figures: Figures) -> Iterator[None]:
        """Create the counters of pools and queues that are new, at zero."""
        for gauge, labels in figures:
            if labels in self._present:
                continue
            if gauge is metrics.QUEUE_DEPTH:
                metrics.present_queue(*labels)
            elif gauge is metrics.AGENTS:
                metrics.present_pool(labels[0])
            else:
                continue
            self._present.add(labels)
            yield

    def _survey_agents(self, pool: Pool, figures: Figures) -> Iterator[None]:
        """Add up a pool's agents and sessions, and by queue the available agents and free sessions."""
        label = self._labels.pool(pool.id)
        # 1. Agents by status. Profiles that serve the same queues share a request line, so agents are counted by line.
        absent = unavailable = 0
        available: defaultdict[RequestLine, int] = defaultdict(int)
        free: defaultdict[RequestLine, int] = defaultdict(int)
        for agent in pool.agents.values():
            if agent.absent:
                absent += 1
            elif not agent.available:
                unavailable += 1
            else:
                line = agent.profile.request_line
                available[line] += 1
                # After its capacity was lowered an agent may hold more sessions than `max_sessions` (R19).
                free[line] += max(0, agent.max_sessions - len(agent.sessions))
        for status, number in zip(STATUSES, (sum(available.values()), unavailable, absent), strict=True):
            figures[metrics.AGENTS, (label, status)] += number
        # 2. Sessions by stage.
        held = Counter(map(_STAGE, chain.from_iterable([agent.sessions.values() for agent in pool.agents.values()])))
        for stage in STAGES:
            figures[metrics.SESSIONS, (label, stage)] += held[stage]
        yield
        # 3. Available agents and free sessions by queue.
        by_queue: defaultdict[str, int] = defaultdict(int)
        free_by_queue: defaultdict[str, int] = defaultdict(int)
        for line, number in available.items():
            free_sessions = free[line]
            for queue in line.queues:
                by_queue[queue] += number
                free_by_queue[queue] += free_sessions
            yield
        for queue, number in by_queue.items():
            labels = self._labels.queue(pool.id, queue)
            figures[metrics.AGENTS_AVAILABLE, labels] += number
            figures[metrics.SESSIONS_FREE, labels] += free_by_queue[queue]
        yield

    def _survey_queues(self, engine: Engine, pool: Pool, figures: Figures) -> Iterator[None]:
        """Add up the waiting chats and the requests of a pool's queues."""
        for number, (queue, waiting) in enumerate(list(pool.index.waiting.items())):
            lines = pool.index.request_lines.get(queue)
            if lines is None:
                continue  # the pool was configured anew since the last step, and the queue is gone
            labels = self._labels.queue(pool.id, queue)
            for gauge in metrics.BY_QUEUE:
                figures[gauge, labels] += 0
            figures[metrics.QUEUE_DEPTH, labels] += len(waiting.chats)
            figures[metrics.AGENTS_REQUESTING, labels] += sum([len(line.agents) for line in lines])
            first = waiting.chats.first()
            if first is not None:
                wait = max(0.0, self._clock() - first[0] / 1000)
                figures[metrics.OLDEST_WAIT, labels] = max(figures[metrics.OLDEST_WAIT, labels], wait)
                if _is_stuck(pool, waiting, lines, engine.service):
                    figures[metrics.QUEUE_STUCK, labels] = 1
            if number % _STEP == 0:
                yield


def _is_stuck(pool: Pool, waiting: WaitingLine, lines: list[RequestLine], service: int) -> bool:
    """Whether a chat waits that a requesting agent may take, against I5. Checks R5 without the code of the matching.

    Args:
        pool: the queue's.
        waiting: the queue's waiting line.
        lines: the request lines of the profiles that serve the queue.
        service: service time, ms.
    """
    for line in lines:
        for key in line.agents:
            agent = key[-1]
            passings = pool.index.passings.get(agent.id, {})
            reoffer_after = agent.profile.config.reoffer_after
            for *_, chat in waiting.chats:
                passed = passings.get(chat.id)
                if passed is None or passed + reoffer_after <= service:
                    return True
    return False


def source_gauges(
    shard: str,
    lags: Mapping[TopicPartition, int],
    time_lags: Mapping[TopicPartition, float],
    open_for: Mapping[TopicPartition, tuple[int, float]],
) -> Figures:
    """The gauges of the source partitions, as a shard sees them.

    Args:
        shard: the shard's label.
        lags: partition → records that are there and not taken.
        time_lags: partition → seconds by which it is behind; negative: ahead.
        open_for: partition → (records above the last stable offset, seconds since that offset moved).
    """
    figures: Figures = {}
    for gauge, values in (
        (metrics.LAG, lags),
        (metrics.LAG_SECONDS, time_lags),
        (metrics.OPEN_TRANSACTION_RECORDS, {tp: records for tp, (records, _) in open_for.items()}),
        (metrics.OPEN_TRANSACTION_SECONDS, {tp: seconds for tp, (_, seconds) in open_for.items()}),
    ):
        for tp, value in values.items():
            figures[gauge, (tp.topic, str(tp.partition), shard)] = value
    return figures
