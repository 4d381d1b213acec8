"""An overview of the tables: the chats of each queue by stage, the agents available to each queue, and all agents."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from time import time
from typing import Any, Final

from switchboard.monitor.figures import Queue
from switchboard.monitor.public_rows import ChatRow
from switchboard.monitor.tables import Tables
from switchboard.web.answers import Shared, in_order, slices, steps

DEFAULT: Final = "default"
"""The only queue, and the only profile, of a pool that was never configured."""

REUSE_SECONDS_PER_ROW: Final = 10e-6
"""Counting takes some 5 us a row (chat, agent or queue). An overview is reused for twice that time, so that counting
takes at most a third of the processor, however many clients ask."""
FEW_ROWS: Final = 20_000
"""An overview of no more rows takes less than 0.1 s and is not reused."""

Agent = tuple[str, str]
"""(pool, agent id)."""


@dataclass(slots=True)
class QueueCount:
    """The chats of one queue by stage."""

    waiting: int = 0
    oldest: datetime | None = None
    """The arrival of the oldest waiting chat."""
    offered: int = 0
    active: int = 0
    wrapping: int = 0

    def add(self, chat: ChatRow) -> None:
        """Count one chat of the queue."""
        match chat.stage:
            case "waiting":
                self.waiting += 1
                if self.oldest is None or chat.arrived_at < self.oldest:
                    self.oldest = chat.arrived_at
            case "offered":
                self.offered += 1
            case "active":
                self.active += 1
            case "wrapping":
                self.wrapping += 1


@dataclass(slots=True)
class Availability:
    """The agents whose profile serves a queue. An agent who serves several queues counts in each."""

    requesting: int = 0
    """Agents with an outstanding request and a free session."""
    free: int = 0
    """Free sessions of available agents."""
    available: int = 0
    """Available agents, with or without a free session."""

    def add(self, other: "Availability") -> None:
        """Add the counts of another group of agents."""
        self.requesting += other.requesting
        self.free += other.free
        self.available += other.available


@dataclass(slots=True)
class Overview:
    """The state of all queues and agents."""

    applied: int = 0
    """Sum of the tables' last offsets when the overview was begun. It may include records applied later."""
    queues: list[Queue] = field(default_factory=list)
    """Queues that are configured, in use, or have figures of today; by pool and name."""
    counts: dict[Queue, QueueCount] = field(default_factory=dict)
    available: dict[Queue, Availability] = field(default_factory=dict)
    """Queues without an available agent are left out."""
    agents: list[Agent] = field(default_factory=list)
    """Agents who are logged in, by pool and id."""
    rows: dict[Agent, dict[str, Any]] = field(default_factory=dict)
    """The agents' rows, as they are served."""


class Overviews:
    """Makes overviews of tables, one at a time. Concurrent callers share an overview.

    Args:
        tables: may change while an overview is made.
        reuse_seconds_per_row: time for which an overview of more than FEW_ROWS is reused.
        clock: the time in seconds since 1970.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        reuse_seconds_per_row: float = REUSE_SECONDS_PER_ROW,
        clock: Callable[[], float] = time,
    ) -> None:
        self._tables = tables
        self._reuse_seconds_per_row = reuse_seconds_per_row
        self._clock = clock
        self._shared = Shared(self._make, self._reuse_seconds)

    async def latest(self) -> Overview:
        """The present overview, or with many rows an overview that is at most a few seconds old."""
        return await self._shared.get()

    async def _make(self) -> Overview:
        return await overview(self._tables, self._clock())

    def _reuse_seconds(self, made: Overview) -> float:
        rows = len(made.queues) + len(made.agents) + len(self._tables.chats)
        return rows * self._reuse_seconds_per_row if rows > FEW_ROWS else 0.0


async def overview(tables: Tables, now: float) -> Overview:
    """Make an overview, in slices between which the event loop runs.

    Rows in the tables are replaced and never modified, so the lists of rows taken here stay the same meanwhile.

    Args:
        tables: may change meanwhile.
        now: seconds since 1970.
    """
    applied = sum(tables.applied.values())
    agents = list(tables.agents.values())
    counts = await _counts(tables, now)
    pools = {pool for pool, _ in counts}
    rows: dict[Agent, dict[str, Any]] = {}
    async for part in slices(agents):
        for agent in part:
            rows[agent["pool"], agent["agent_id"]] = agent
            # A pool without known queues whose agents have the default profile was never configured: its chats wait in
            # the default queue.
            if agent["profile"] == DEFAULT and agent["pool"] not in pools:
                counts.setdefault((agent["pool"], DEFAULT), QueueCount())
    return Overview(
        applied=applied,
        queues=await in_order(list(counts)),
        counts=counts,
        available=await availability(tables, agents, counts),
        agents=await in_order(list(rows)),
        rows=rows,
    )


async def _counts(tables: Tables, now: float) -> defaultdict[Queue, QueueCount]:
    counts: defaultdict[Queue, QueueCount] = defaultdict(QueueCount)
    configured = [(pool, queue) for pool, queues in tables.queues.items() for queue in queues]
    windows = tables.history.outcomes.windows
    today, known = windows.day(now), set(configured)
    async for keys in slices([*configured, *windows.days]):
        for key in keys:
            if key in known or windows.has_counted(key, today):
                counts.setdefault(key, QueueCount())
    async for chats in slices(list(tables.chats.values())):
        for chat in chats:
            counts[chat.pool, chat.queue].add(chat)
    return counts


async def availability(
    tables: Tables, agents: Sequence[dict[str, Any]], queues: Collection[Queue]
) -> dict[Queue, Availability]:
    """The agents available to each queue. In a pool without a known configuration every agent serves every queue.

    Agents are summed up by profile first, then profiles by queue: 10,000 agents who serve 2,100 queues each are then
    2,100 additions for each profile instead of 21 million.

    Args:
        tables: with the queues that each profile serves.
        agents: rows of agents.
        queues: the queues of all pools.
    """
    by_profile = await _by_profile(agents)
    by_pool = await _by_pool(queues)

    def pairs() -> Iterator[tuple[Queue, Availability]]:
        for (pool, profile), figures in by_profile.items():
            for queue in tables.profiles.get(pool, {}).get(profile, by_pool[pool]):
                yield (pool, queue), figures

    found: defaultdict[Queue, Availability] = defaultdict(Availability)
    async for part in steps(pairs()):
        for key, figures in part:
            found[key].add(figures)
    return found


async def _by_profile(agents: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Availability]:
    """The available agents by (pool, profile)."""
    found: defaultdict[tuple[str, str], Availability] = defaultdict(Availability)
    async for part in slices(agents):
        for agent in part:
            if agent["status"] == "available":
                is_requesting = agent["request"] is not None and agent["free"] > 0
                found[agent["pool"], agent["profile"]].add(Availability(is_requesting, agent["free"], 1))
    return found


async def _by_pool(queues: Collection[Queue]) -> defaultdict[str, list[str]]:
    """The names of the queues by pool."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    async for keys in slices(tuple(queues)):
        for pool, queue in keys:
            found[pool].append(queue)
    return found


def page_of(
    keys: Sequence[tuple[str, str]], pool: str | None, after: tuple[str, str] | None, most: int
) -> list[tuple[str, str]]:
    """Up to `most` keys, of one pool or of all, from the first key after `after` on.

    Args:
        keys: (pool, name), ascending.
        pool: None for all pools.
        after: the last key of the previous page, which may be gone; None for the first page.
        most: the length of the page.
    """
    begin = 0 if pool is None else bisect_left(keys, (pool, ""))
    begin = begin if after is None else max(begin, bisect_right(keys, after))
    found = islice(keys, begin, begin + most)
    return list(found if pool is None else takewhile(lambda key: key[0] == pool, found))
