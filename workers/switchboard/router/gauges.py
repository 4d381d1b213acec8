"""How things stand in a shard's pools: gauges that go with the queue, and with the shard once it is another's."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Final, TypeAlias

from aiokafka import TopicPartition
from prometheus_client import Gauge

from switchboard import metrics
from switchboard.domain.engine import Engine
from switchboard.domain.pool import Pool
from switchboard.domain.state import AskingLine, WaitingLine
from switchboard.metrics import STAGES, STATUSES
from switchboard.router.admission import Admission
from switchboard.router.counters import OTHER, name_configured, pool_label, queue_labels

Series: TypeAlias = tuple[Gauge, tuple[str, ...]]
Figures: TypeAlias = dict[Series, float]

SHARE: Final = 0.01
"""Of the time that surveys may take: 5 ms for 10,000 agents are fine once a second, more comes more seldom."""
SLICE_SECONDS: Final = 0.002
"""A survey looks so long before the event loop turns. 10,000 pools take 0.2 s in all."""

_PAUSE: Final = 50
"""Queues, or series, that are looked at in a step."""

_STAGE: Final = attrgetter("stage")


class Shown:
    """Gauges of which only what was told last is there: told by another router as well, they would count twice."""

    def __init__(self) -> None:
        self._series: dict[Series, Gauge] = {}

    def tell(self, figures: Mapping[Series, float]) -> None:
        """Set these, and take away what is not among them."""
        for _ in self.steps(figures):
            pass

    def steps(self, figures: Mapping[Series, float]) -> Iterator[None]:
        """The same, bit by bit."""
        for gone in self._series.keys() - figures.keys():
            del self._series[gone]
            gauge, labels = gone
            gauge.remove(*labels)
        for number, (one, figure) in enumerate(figures.items()):
            series = self._series.get(one)
            if series is None:
                gauge, labels = one
                series = self._series[one] = gauge.labels(*labels)
            series.set(figure)
            if number % _PAUSE == 0:
                yield


class Survey:
    """The gauges of one shard's pools. A survey of 10,000 agents and 100,000 chats takes about 5 ms.

    Args:
        shard: whose pools they are.
    """

    def __init__(self, shard: int = 0) -> None:
        self._shard = str(shard)
        self._shown = Shown()
        self._present: set[tuple[str, ...]] = set()
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0
        """When (monotonic) the next survey may begin."""

    def start(self, engine: Engine, admission: Admission) -> None:
        """Begin a survey in a task, if none is under way and one is due. It raises what the last one raised."""
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
        if self._task is None and time.monotonic() >= self._due:
            self._task = asyncio.create_task(self._run(engine, admission))

    def show(self, engine: Engine, admission: Admission | None = None) -> None:
        """Set the gauges, in one go."""
        for _ in self._steps(engine, admission):
            pass

    def clear(self) -> None:
        """The shard is another's, who tells its figures."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._shown.tell({})

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
        """Look at the pools, then set the gauges. The engine may go on between two steps."""
        figures: defaultdict[Series, float] = defaultdict(float)
        for pool in list(engine.pools.values()):
            if pool.configured_at is not None:
                name_configured(pool.id)
            if not pool.agents and not pool.chats and pool_label(pool.id) == OTHER:
                continue  # it would add zeros
            yield from _look_at_people(pool, figures)
            yield from _look_at_queues(engine, pool, figures)
        if admission is not None:
            for limit, (used, most) in (yield from admission.usage()).items():
                figures[metrics.LIMIT_USED, (self._shard, limit)] = used
                figures[metrics.LIMIT_MAX, (self._shard, limit)] = most
        yield from self._have_counters(figures)
        yield from self._shown.steps(figures)

    def _have_counters(self, figures: Figures) -> Iterator[None]:
        """Pools and queues met for the first time have their counters from now on."""
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


def _look_at_people(pool: Pool, figures: Figures) -> Iterator[None]:
    label = pool_label(pool.id)
    absent = unavailable = 0
    ready: defaultdict[AskingLine, int] = defaultdict(int)
    free: defaultdict[AskingLine, int] = defaultdict(int)
    for agent in pool.agents.values():
        if agent.absent:
            absent += 1
        elif not agent.available:
            unavailable += 1
        else:
            line = agent.profile.asking  # one for all profiles that serve the same queues
            ready[line] += 1
            left = agent.max_sessions - len(agent.sessions)
            if left > 0:  # R19: one whose capacity was lowered may hold more
                free[line] += left
    for status, number in zip(STATUSES, (sum(ready.values()), unavailable, absent), strict=True):
        figures[metrics.AGENTS, (label, status)] += number
    held = Counter(map(_STAGE, chain.from_iterable([agent.sessions.values() for agent in pool.agents.values()])))
    for stage in STAGES:
        figures[metrics.SESSIONS, (label, stage)] += held[stage]
    yield
    available: defaultdict[str, int] = defaultdict(int)
    sessions: defaultdict[str, int] = defaultdict(int)
    for line, number in ready.items():
        free_sessions = free[line]
        for queue in line.queues:
            available[queue] += number
            sessions[queue] += free_sessions
        yield
    for queue, number in available.items():
        labels = queue_labels(pool.id, queue)
        figures[metrics.AGENTS_AVAILABLE, labels] += number
        figures[metrics.SESSIONS_FREE, labels] += sessions[queue]
    yield


def _look_at_queues(engine: Engine, pool: Pool, figures: Figures) -> Iterator[None]:
    for number, (queue, line) in enumerate(list(pool.index.waiting.items())):
        asking = pool.index.asking.get(queue)
        if asking is None:
            continue  # the pool was configured anew since the last step, and the queue is gone
        labels = queue_labels(pool.id, queue)
        for gauge in metrics.BY_QUEUE:
            figures[gauge, labels] += 0
        figures[metrics.QUEUE_DEPTH, labels] += len(line.chats)
        figures[metrics.AGENTS_REQUESTING, labels] += sum([len(each.agents) for each in asking])
        first = line.chats.first()
        if first is not None:
            oldest = max(0.0, time.time() - first[0] / 1000)
            figures[metrics.OLDEST_WAIT, labels] = max(figures[metrics.OLDEST_WAIT, labels], oldest)
            if _is_stuck(pool, line, asking, engine.service):
                figures[metrics.QUEUE_STUCK, labels] = 1
        if number % _PAUSE == 0:
            yield


def _is_stuck(pool: Pool, waiting: WaitingLine, asking: list[AskingLine], now: int) -> bool:
    """Whether I5 is broken: a chat waits that an agent who is asking may take. Told by R5 alone, not by matching."""
    for line in asking:
        for key in line.agents:
            agent = key[-1]
            passings = pool.index.passings.get(agent.id, {})
            reoffer_after = agent.profile.config.reoffer_after
            for *_, chat in waiting.chats:
                passed = passings.get(chat.id)
                if passed is None or passed + reoffer_after <= now:
                    return True
    return False


def source_gauges(
    shard: str,
    lags: Mapping[TopicPartition, int],
    time_lags: Mapping[TopicPartition, float],
    open_for: Mapping[TopicPartition, tuple[int, float]],
) -> Figures:
    """By gauge and labels, what it is to be set to.

    Args:
        shard: its label.
        lags: records that are there and were not taken, by partition.
        time_lags: s by which each partition is behind, negative where it is ahead.
        open_for: records above the last stable offset, and for how many s it has been the same.
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
