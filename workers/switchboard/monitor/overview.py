"""Who can take a chat of a queue: the three availability figures."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from time import time
from typing import Any, Final

from switchboard.monitor.figures import Queue
from switchboard.monitor.public_rows import ChatRow
from switchboard.monitor.tables import Tables
from switchboard.web.answers import Shared, in_order, slices, steps


@dataclass(slots=True)
class Availability:
    """Of the agents whose profile serves a queue. An agent who serves several counts in each."""

    requesting: int = 0
    """Agents with an outstanding request and a session free for it."""
    free: int = 0
    """Sessions free with agents who are available."""
    available: int = 0
    """Agents who are available, whether or not they have a session free."""

    def add(self, other: "Availability") -> None:
        """Count the other's agents too."""
        self.requesting += other.requesting
        self.free += other.free
        self.available += other.available


async def availability(
    tables: Tables, agents: Sequence[dict[str, Any]], queues: Collection[Queue]
) -> dict[Queue, Availability]:
    """The figures of these queues; of a pool whose configuration is not known every agent serves every queue.

    Agents are added up by profile before profiles are by queue: 10,000 agents who serve 2,100 queues each are 2,100
    additions for each profile, and not 21 million.
    """
    of_profile: defaultdict[tuple[str, str], Availability] = defaultdict(Availability)
    async for part in slices(agents):
        for agent in part:
            if agent["status"] == "available":
                is_asking = agent["request"] is not None and agent["free"] > 0
                of_profile[agent["pool"], agent["profile"]].add(Availability(is_asking, agent["free"], 1))
    of_pool: defaultdict[str, list[str]] = defaultdict(list)
    async for keys in slices(tuple(queues)):
        for pool, queue in keys:
            of_pool[pool].append(queue)
    served = (
        ((pool, queue), figures)
        for (pool, profile), figures in of_profile.items()
        for queue in tables.profiles.get(pool, {}).get(profile, of_pool[pool])
    )
    found: defaultdict[Queue, Availability] = defaultdict(Availability)
    async for pairs in steps(served):
        for key, figures in pairs:
            found[key].add(figures)
    return found


DEFAULT: Final = "default"
"""The only queue, and the only profile, of a pool that was never configured."""

REUSE_SECONDS_PER_ROW: Final = 10e-6
"""Counting takes some 5 us a row (chat, agent or queue); an overview of many rows is reused for twice what it took, so
that however many ask, counting has at most a third of the processor."""
FEW_ROWS: Final = 20_000
"""Fewer are counted for each who asks: it takes less than 0.1 s."""

Agent = tuple[str, str]
"""(pool, agent id)."""


@dataclass(slots=True)
class QueueCount:
    """How many chats of one queue are in each stage, and when the oldest of those that wait arrived."""

    waiting: int = 0
    oldest: datetime | None = None
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
class Overview:
    """What is known of each queue and agent."""

    applied: int = 0
    """The sum of the tables' last offsets when it was begun: what came later may or may not be in it."""
    queues: list[Queue] = field(default_factory=list)
    """By pool and name: those configured, in use, or counted in today."""
    counts: dict[Queue, QueueCount] = field(default_factory=dict)
    available: dict[Queue, Availability] = field(default_factory=dict)
    """Of queues that no agent can take chats of, nothing."""
    agents: list[Agent] = field(default_factory=list)
    """Those who are logged in, by pool and id."""
    rows: dict[Agent, dict[str, Any]] = field(default_factory=dict)
    """Of the agents, as they are served."""


class Overviews:
    """Takes overviews of tables, one at a time.

    Args:
        tables: looked at; they may change meanwhile.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._shared = Shared(self._take, self._reuse_seconds)

    async def latest(self) -> Overview:
        """An overview: of now, or, of many rows, of a few seconds ago at most."""
        return await self._shared.get()

    async def _take(self) -> Overview:
        return await overview(self._tables, time())

    def _reuse_seconds(self, taken: Overview) -> float:
        rows = len(taken.queues) + len(taken.agents) + len(self._tables.chats)
        return rows * REUSE_SECONDS_PER_ROW if rows > FEW_ROWS else 0.0


async def overview(tables: Tables, now: float) -> Overview:
    """Look at the tables, with `now` in seconds since 1970.

    Rows are replaced and never changed, so the lists that are made of them here stay the same while they are counted.
    A pool of which no queue is known, and where agents have the default profile, was never configured: it has the one
    queue in which its chats will wait.
    """
    applied = sum(tables.applied.values())
    agents = list(tables.agents.values())
    counts = await _counts(tables, now)
    pools = {pool for pool, _ in counts}
    rows: dict[Agent, dict[str, Any]] = {}
    async for part in slices(agents):
        for agent in part:
            rows[agent["pool"], agent["agent_id"]] = agent
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


def part_of(
    keys: Sequence[tuple[str, str]], pool: str | None, after: tuple[str, str] | None, most: int
) -> list[tuple[str, str]]:
    """Up to `most` keys in their order: of one pool or of all, those behind `after` or from the first on.

    Args:
        keys: (pool, name), in ascending order.
        pool: of which; None for all.
        after: the last key of the part before.
        most: how many.
    """
    begin = 0 if pool is None else bisect_left(keys, (pool, ""))
    begin = begin if after is None else max(begin, bisect_right(keys, after))
    found = islice(keys, begin, begin + most)
    return list(found if pool is None else takewhile(lambda key: key[0] == pool, found))
