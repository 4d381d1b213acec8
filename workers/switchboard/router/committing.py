"""The commits of a shard, one at a time: what is made while one is under way goes together into the next."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from switchboard import metrics
from switchboard.kafka.ledger import CommitBatch, Ledger

GROUP_EVENTS: Final = 4_000
"""Records that wait for the commit under way at most: beyond, nothing more is read. With as many the broker is never
waited for in a drain; with events of usual size a transaction stays below 10 MB."""


@dataclass(slots=True)
class Group:
    """What the next commit is to make visible: one frame or several, whole."""

    batch: CommitBatch = field(default_factory=CommitBatch)
    then: list[Callable[[], None]] = field(default_factory=list)
    """To be called in order, once it is visible."""
    records: int = 0


class Committer:
    """Commits in the order of `put`, in the background.

    Args:
        ledger: open.
        committed: told the (monotonic) time of each commit that was made.
    """

    def __init__(self, ledger: Ledger, committed: Callable[[float], None]) -> None:
        self._ledger = ledger
        self._committed = committed
        self._next = Group()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        """Set when a commit is begun, and when one has failed."""

    @property
    def busy(self) -> bool:
        """Whether a commit is under way."""
        return self._task is not None and not self._task.done()

    @property
    def is_settled(self) -> bool:
        """Whether all that was put is visible."""
        if self._next.then or self.busy:
            return False
        return self._task is None or (not self._task.cancelled() and self._task.exception() is None)

    async def put(self, batch: CommitBatch, records: int, then: Callable[[], None]) -> None:
        """Have this committed: at once, or with what else is there when the commit under way is made.

        Args:
            batch: what becomes visible.
            records: how many source records are in it.
            then: called once it is.

        Raises:
            LedgerLostError: an earlier commit failed; this one is lost with it.
        """
        while self.busy and self._next.records and self._next.records + records > GROUP_EVENTS:
            self._room.clear()
            await self._room.wait()
        self.check()
        group = self._next
        group.batch.extend(batch)
        group.then.append(then)
        group.records += max(1, records)
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    def check(self) -> None:
        """Find out about a commit that has failed.

        Raises:
            LedgerLostError: nothing more can be committed.
        """
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()

    async def settle(self, within: float | None = None) -> None:
        """Wait until all that was put is visible, `within` seconds.

        Raises:
            LedgerLostError, TimeoutError: it is not.
        """
        if self._task is not None:
            async with asyncio.timeout(within):
                await asyncio.wait([self._task])
            self.check()

    async def abandon(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while self._next.then:
            group, self._next = self._next, Group()
            self._room.set()
            began = time.monotonic()
            try:
                await self._ledger.commit(group.batch)
            finally:
                self._room.set()
            now = time.monotonic()
            self._committed(now)
            metrics.COMMIT.observe(now - began)
            metrics.COMMITS.labels("committed").inc()
            for then in group.then:
                then()
