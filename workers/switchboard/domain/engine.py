"""The engine of a shard: frames in, decisions and changed rows out, nothing else (I10)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import assert_never

from switchboard.domain import agents, chats, rows, timers
from switchboard.domain.decisions import Decision
from switchboard.domain.events import (
    AgentAbsent,
    AgentCapacityChanged,
    AgentHeartbeat,
    AgentLoggedIn,
    AgentLoggedOut,
    AgentLost,
    AgentPresent,
    AgentStatusChanged,
    ChatAbandoned,
    ChatAccepted,
    ChatArrival,
    ChatConcluded,
    ChatDeclined,
    ChatReleased,
    ChatTransferred,
    EventFields,
    Frame,
    PoolConfigured,
    RequestCancelled,
    RequestChat,
    read_fields,
)
from switchboard.domain.pool import Observer, Pool
from switchboard.domain.reconfiguration import configure, new_pool
from switchboard.domain.rows import Restoration, Row
from switchboard.domain.settle import pass_time, settle
from switchboard.domain.timers import due_entries, timers_due


@dataclass(slots=True)
class Outcome:
    """What came of a frame."""

    decisions: list[Decision] = field(default_factory=list)
    """In the order in which they were made."""
    ignored: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """How many events changed nothing, by type and why (R21)."""


class Engine:
    """One shard's pools, stepped frame by frame."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.pools: dict[str, Pool] = {}
        self.clock = 0
        """ms since 1970."""
        self.service = 0
        """ms of service time."""
        self.frame = -1
        """Number of the last frame applied."""
        self._due: list[tuple[int, str]] = []
        """Heap of (next due, pool id)."""
        self._due_of: dict[str, int] = {}
        self._active: dict[str, Pool] = {}
        """The pools that the last frame came to."""
        self._observer: Observer | None = None

    def watch(self, observer: Observer) -> None:
        """Let someone look on in every pool, those to come included."""
        self._observer = observer
        for pool in self.pools.values():
            pool.observer = observer

    def apply(self, frame: Frame) -> Outcome:
        """Let time pass, then the frame's events happen (R1)."""
        outcome = Outcome()
        for pool in self._active.values():
            pool.changed_agents.clear()
            pool.changed_chats.clear()
            pool.configured = False
        self._active = {}
        self.frame = frame.n
        end = self.service + frame.run
        due = self._due
        if due and due[0][0] <= end:
            self._pass_time(frame, end, outcome)
        self.service = end
        self.clock = max(self.clock, frame.at)
        active, ignored = self._active, outcome.ignored
        for index, event in enumerate(frame.events):
            pool = active.get(event.pool) or self._activate(event.pool, outcome)
            pool.set_time(self.clock, end)
            pool.position = (frame.n, index)
            fields = read_fields(event)
            if pool.silent or pool.config.absent_after or pool.config.lost_after:
                _note_sign(pool, fields)
            why = _apply(pool, fields)
            if why is not None:
                ignored[event.type, why] += 1
            settle(pool)
            if pool.observer is not None:
                pool.observer.happened(pool, event, why)
        for pool in active.values():
            timers.tidy(pool)
            self._schedule(pool)
        return outcome

    def changed_rows(self) -> Iterator[Row]:
        """The rows that the last frame changed, as they are now; the clock's comes last."""
        for pool in self._active.values():
            yield from rows.changed(pool)
        yield rows.clock_row(self.clock, self.service, self.frame)

    def rows(self) -> Iterator[Row]:
        """Every row: what `restore` needs."""
        for pool in self.pools.values():
            yield from rows.everything(pool)
        yield rows.clock_row(self.clock, self.service, self.frame)

    def next_due(self) -> int | None:
        """The service time (ms) at which the next timer may be due; None: none is pending."""
        while self._due and self._due_of.get(self._due[0][1]) != self._due[0][0]:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def affordable(self, run: int, most: int) -> int:
        """How much of `run` (ms of service time) a frame may let pass so that at most `most` timers become due.

        At least 1 ms, however many are due in it.
        """
        while run > 1:
            end, left = self.service + run, most + 1
            for pool_id in {pool_id for _, pool_id in due_entries(self._due, end)}:
                left -= timers_due(self.pools[pool_id], end, left)
                if left <= 0:
                    break
            else:
                return run
            run //= 2
        return run

    @classmethod
    def restore(cls, shard: int, table_rows: Iterable[Row]) -> "Engine":
        """Rebuild an engine from all its rows in any order (I9), in one go.

        Raises:
            OtherFormatError: the rows are of a format that this version does not read.
        """
        restoration = Restoration(shard)
        for row in sorted(table_rows, key=lambda row: rows.TABLES.index(row.table)):
            restoration.add(row)
        for _ in restoration.finish():
            pass
        return cls.restored(restoration)

    @classmethod
    def restored(cls, restoration: Restoration) -> "Engine":
        """The engine of a restoration that is finished."""
        engine = cls(restoration.shard)
        engine.pools = restoration.pools
        engine.clock, engine.service, engine.frame = restoration.clock, restoration.service, restoration.frame
        for pool in engine.pools.values():
            engine._schedule(pool)
        return engine

    def _pass_time(self, frame: Frame, end: int, outcome: Outcome) -> None:
        """R1: pool by pool in id order, every timer due by `end` fires."""
        for pool_id in sorted(self._due_pools(end)):
            pool = self._activate(pool_id, outcome)
            pool.set_time(self.clock, self.service)
            pool.position = (frame.n, -1)
            pass_time(pool, frame.at, end)
            pool.set_time(pool.clock, end)
            pool.forget()

    def _due_pools(self, end: int) -> set[str]:
        found = set()
        while self._due and self._due[0][0] <= end:
            due, pool_id = heappop(self._due)
            if self._due_of.get(pool_id) == due:
                del self._due_of[pool_id]
                found.add(pool_id)
        return found

    def _activate(self, pool_id: str, outcome: Outcome) -> Pool:
        pool = self._active.get(pool_id)
        if pool is None:
            pool = self.pools.get(pool_id)
            if pool is None:
                pool = self.pools[pool_id] = new_pool(pool_id, self.shard, None)
                pool.observer = self._observer
            pool.begin_frame(self.frame, outcome.decisions)
            self._active[pool_id] = pool
        return pool

    def _schedule(self, pool: Pool) -> None:
        due = timers.next_due(pool)
        if due is None:
            self._due_of.pop(pool.id, None)
        elif self._due_of.get(pool.id) != due:
            self._due_of[pool.id] = due
            heappush(self._due, (due, pool.id))


def _apply(pool: Pool, event: EventFields) -> str | None:  # noqa: PLR0911, PLR0912 - one case for each event type
    """Apply an event; the reason if it changes nothing (R21). The most frequent types come first."""
    match event:
        case ChatArrival():
            return chats.arrive(pool, event)
        case AgentHeartbeat():
            return agents.heartbeat(pool, event)
        case ChatAccepted():
            return chats.accept(pool, event)
        case ChatConcluded():
            return chats.conclude(pool, event)
        case RequestChat():
            return agents.request_chat(pool, event)
        case ChatReleased():
            return chats.release(pool, event)
        case ChatAbandoned():
            return chats.abandon(pool, event)
        case ChatDeclined():
            return chats.decline(pool, event)
        case ChatTransferred():
            chats.transfer(pool, event)
        case AgentStatusChanged():
            return agents.change_status(pool, event)
        case AgentLoggedIn():
            agents.log_in(pool, event)
        case AgentLoggedOut():
            return agents.log_out(pool, event)
        case AgentAbsent():
            return agents.absent(pool, event)
        case AgentPresent():
            return agents.present(pool, event)
        case AgentLost():
            return agents.lost(pool, event)
        case AgentCapacityChanged():
            return agents.change_capacity(pool, event)
        case RequestCancelled():
            return agents.cancel_request(pool, event)
        case PoolConfigured():
            configure(pool, event)
        case _:
            assert_never(event)
    return None


def _note_sign(pool: Pool, event: EventFields) -> None:
    """R18: most events that name an agent show that the agent is present."""
    match event:
        case AgentAbsent() | AgentLost() | PoolConfigured() | ChatArrival() | ChatAbandoned() | ChatTransferred():
            return
        case ChatConcluded() if event.by not in (None, "agent"):
            return
        case _:
            agent = pool.agents.get(event.agent_id or "")
            if agent is not None:
                agents.sign(pool, agent, ends_absence=isinstance(event, AgentPresent))
