"""The engine of a shard: frames in, decisions and changed rows out, nothing else (I10)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Final

from switchboard.domain import agents, chats, rows, timers
from switchboard.domain.decisions import Decision
from switchboard.domain.events import (
    FIELDS_OF,
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
)
from switchboard.domain.pool import Observer, Pool
from switchboard.domain.reconfiguration import configure, new_pool
from switchboard.domain.rows import Restoration, Row
from switchboard.domain.settle import pass_time, settle
from switchboard.domain.state import Agent
from switchboard.domain.step import Step
from switchboard.domain.timers import due_entries, timers_due

_HANDLERS: Final[Mapping[type[EventFields], Callable[[Pool, Step, Any], str | None]]] = {
    PoolConfigured: configure,
    AgentLoggedIn: agents.log_in,
    ChatArrival: chats.arrive,
    RequestChat: agents.request_chat,
    ChatAccepted: chats.accept,
    ChatDeclined: chats.decline,
    ChatAbandoned: chats.abandon,
    ChatConcluded: chats.conclude,
    ChatReleased: chats.release,
    ChatTransferred: chats.transfer,
    AgentLoggedOut: agents.log_out,
    AgentStatusChanged: agents.change_status,
    AgentAbsent: agents.absent,
    AgentPresent: agents.present,
    AgentLost: agents.lost,
    AgentHeartbeat: agents.heartbeat,
    AgentCapacityChanged: agents.change_capacity,
    RequestCancelled: agents.cancel_request,
}
"""Class of an event → function that applies the event, and returns the reason if the event changes nothing (R21).

A `match` over the 18 classes would take 0.5 us more for each event, 7 % of the engine's time.
"""

_APPLICATIONS: Final = {kind: (fields, _HANDLERS[fields]) for kind, fields in FIELDS_OF.items()}
"""Event type → class and function, for one look-up an event."""


@dataclass(slots=True)
class Outcome:
    """The result of one frame."""

    decisions: list[Decision] = field(default_factory=list)
    """In the order in which the engine made them."""
    ignored: dict[tuple[str, str], int] = field(default_factory=dict)
    """Number of events that changed nothing, by type and reason (R21)."""


class Engine:
    """The pools of one shard, changed by frames alone.

    Attributes:
        shard: number of the shard.
        pools: by id.
        clock: ms since 1970, at the last frame.
        service: service time at the last frame, ms.
        frame: number of the last frame; -1 before the first.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.pools: dict[str, Pool] = {}
        self.clock = 0
        self.service = 0
        self.frame = -1
        self._due: list[tuple[int, str]] = []
        """Heap of (due, pool id). An entry is stale unless `_due_of` has the same time."""
        self._due_of: dict[str, int] = {}
        """Pool id → service time at which the pool's next timer may be due."""
        self._active: dict[str, tuple[Pool, Step]] = {}
        """The pools that the last frame reached."""
        self._free_steps: list[Step] = []
        self._observer: Observer | None = None

    def watch(self, observer: Observer) -> None:
        """Have an observer called in all pools, present and future."""
        self._observer = observer
        for pool in self.pools.values():
            pool.observer = observer

    def apply(self, frame: Frame) -> Outcome:
        """Let the frame's service time pass, then apply its events (R1)."""
        outcome = Outcome()
        for _, step in self._active.values():
            self._free_steps.append(step)
        active = self._active = {}
        self.frame = frame.n
        end = self.service + frame.run
        due = self._due
        if due and due[0][0] <= end:
            self._pass_time(frame, end, outcome)
        self.service = end
        self.clock = max(self.clock, frame.at)
        for _, step in active.values():
            step.set_time(self.clock, end)
        ignored = outcome.ignored
        for index, event in enumerate(frame.events):
            pool, step = active.get(event.pool) or self._activate(event.pool, outcome)
            step.position = (frame.n, index)
            read, handle = _APPLICATIONS[event.type]
            fields = read(**event.data)
            if pool.index.silent or pool.config.watches_silence:
                _note_sign(pool, step, fields)
            why = handle(pool, step, fields)
            if why is not None:
                ignored[event.type, why] = ignored.get((event.type, why), 0) + 1
            settle(pool, step)
            if pool.observer is not None:
                pool.observer.happened(pool, step, event, why)
        for pool, step in active.values():
            timers.tidy(pool, step.service)
            self._schedule(pool)
        return outcome

    def changed_rows(self) -> Iterator[Row]:
        """The rows that the last frame changed, with their present values; the clock's row comes last."""
        for pool, step in self._active.values():
            yield from rows.changed(pool, step)
        yield rows.clock_row(self.clock, self.service, self.frame)

    def changed_agents(self) -> Iterator[tuple[str, str, Agent | None]]:
        """(pool id, agent id, agent) for each agent that the last frame changed; None: logged out."""
        for pool, step in self._active.values():
            for agent_id in step.changed_agents:
                yield pool.id, agent_id, pool.agents.get(agent_id)

    def rows(self) -> Iterator[Row]:
        """All rows of the engine. `restore` rebuilds the engine from them."""
        for pool in self.pools.values():
            yield from rows.everything(pool)
        yield rows.clock_row(self.clock, self.service, self.frame)

    def next_due(self) -> int | None:
        """The service time (ms) at which the next timer may be due; None: none is pending."""
        while self._due and self._due_of.get(self._due[0][1]) != self._due[0][0]:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def affordable(self, run: int, most: int) -> int:
        """The service time (ms) that a frame may let pass so that at most `most` timers become due.

        `run` is halved until so few become due, or until 1 ms is left, however many become due in 1 ms.
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
        """Rebuild an engine from all its rows, in any order and without pauses (I9).

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
        """The engine that a finished restoration has rebuilt."""
        engine = cls(restoration.shard)
        engine.pools = restoration.pools
        engine.clock, engine.service, engine.frame = restoration.clock, restoration.service, restoration.frame
        for pool in engine.pools.values():
            engine._schedule(pool)
        return engine

    def _pass_time(self, frame: Frame, end: int, outcome: Outcome) -> None:
        """R1: fire all timers due by `end`, pool by pool in the order of ids."""
        for pool_id in sorted(self._due_pools(end)):
            pool, step = self._activate(pool_id, outcome)
            step.position = (frame.n, -1)
            pass_time(pool, step, frame.at, end)
            step.set_time(step.clock, end)
            pool.forget(step)

    def _due_pools(self, end: int) -> set[str]:
        found = set()
        while self._due and self._due[0][0] <= end:
            due, pool_id = heappop(self._due)
            if self._due_of.get(pool_id) == due:
                del self._due_of[pool_id]
                found.add(pool_id)
        return found

    def _activate(self, pool_id: str, outcome: Outcome) -> tuple[Pool, Step]:
        """The pool, created if new, and its step for the present frame. Call once for each pool and frame."""
        pool = self.pools.get(pool_id)
        if pool is None:
            pool = self.pools[pool_id] = new_pool(pool_id, self.shard, None)
            pool.observer = self._observer
        step = self._free_steps.pop() if self._free_steps else Step()
        step.begin(pool_id, self.shard, self.frame, outcome.decisions)
        step.set_time(self.clock, self.service)
        self._active[pool_id] = found = (pool, step)
        return found

    def _schedule(self, pool: Pool) -> None:
        due = timers.next_due(pool)
        if due is None:
            self._due_of.pop(pool.id, None)
        elif self._due_of.get(pool.id) != due:
            self._due_of[pool.id] = due
            heappush(self._due, (due, pool.id))


def _note_sign(pool: Pool, step: Step, event: EventFields) -> None:
    """R18: note a sign of the agent that the event names, unless the event does not show that the agent is present."""
    match event:
        case AgentAbsent() | AgentLost() | PoolConfigured() | ChatArrival() | ChatAbandoned() | ChatTransferred():
            return
        case ChatConcluded() if event.by not in (None, "agent"):
            return
        case _:
            agent = pool.agents.get(event.agent_id or "")
            if agent is not None:
                agents.sign(pool, step, agent, ends_absence=isinstance(event, AgentPresent))
