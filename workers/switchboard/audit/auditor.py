"""The auditor: frames and decisions in, findings out. I1 to I8 and the rules behind them, with none of the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Final, Protocol

from switchboard.audit import agent_rules, audited_timers, chat_rules
from switchboard.audit.agent_rules import configure
from switchboard.audit.audited_pool import Expected, Pool
from switchboard.audit.decision_check import Decision, DecisionCheck, LogEndedError
from switchboard.audit.findings import Report
from switchboard.audit.settle_rules import pass_time, settle

Work = Callable[[Pool, dict[str, Any]], Iterator[Expected]]

_WORK: Final[Mapping[str, Work]] = {
    "pool-configured": configure,
    "agent-logged-in": agent_rules.logged_in,
    "chat-arrival": chat_rules.arrival,
    "request-chat": agent_rules.request_chat,
    "chat-accepted": chat_rules.accepted,
    "chat-declined": chat_rules.declined,
    "chat-abandoned": chat_rules.abandoned,
    "chat-concluded": chat_rules.concluded,
    "chat-released": chat_rules.released,
    "chat-transferred": chat_rules.transferred,
    "agent-logged-out": agent_rules.logged_out,
    "agent-status-changed": agent_rules.status_changed,
    "agent-absent": agent_rules.absent,
    "agent-present": agent_rules.present,
    "agent-lost": agent_rules.lost,
    "agent-heartbeat": agent_rules.heartbeat,
    "agent-capacity-changed": agent_rules.capacity_changed,
    "request-cancelled": agent_rules.request_cancelled,
}


class Event(Protocol):
    """An event, as the codec decodes it."""

    @property
    def type(self) -> str:
        """One of the contract's."""
        ...

    @property
    def pool(self) -> str:
        """Its pool."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """Its own fields."""
        ...


class Frame(Protocol):
    """A frame of the journal, as the codec decodes it."""

    @property
    def n(self) -> int:
        """Its number in its shard."""
        ...

    @property
    def at(self) -> int:
        """The clock, ms since 1970."""
        ...

    @property
    def run(self) -> int:
        """Service time since the frame before, ms."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """What happened, in order."""
        ...


@dataclass(slots=True)
class _Shard:
    clock: int = 0
    service: int = 0
    checks: dict[str, DecisionCheck] = field(default_factory=dict)
    due: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (service time, pool): when pools are to be looked at again."""
    has_ended: bool = False
    """The decision log ended too early: no more is looked at."""


class Auditor:
    """Follows the shards of a router, frame by frame, each from its first."""

    def __init__(self) -> None:
        self.report = Report()
        self._shards: dict[int, _Shard] = {}

    def follow(
        self, shard: int, frame: Frame, decisions: list[Decision], *, place: str = "", is_last: bool = False
    ) -> None:
        """Hold one frame's decisions against what the rules call for.

        Args:
            shard: Whose journal the frame is of.
            frame: The shard's next frame.
            decisions: Those whose ids name this frame, in order; of several pools, each pool's in order.
            place: Where the frame stands, for the findings.
            is_last: The decision log ends with these.
        """
        state = self._shards.setdefault(shard, _Shard())
        if state.has_ended:
            return
        report = self.report
        report.frames += 1
        report.events += len(frame.events)
        report.decisions += len(decisions)
        walk = _Walk(shard, state, frame, report, place, is_last=is_last)
        for decision in decisions:
            walk.found.setdefault(decision["pool"], []).append(decision)
            report.offers += decision["type"] == "chat-assigned"
            report.chats += decision["type"] == "chat-queued"
        try:
            walk.pass_time()
            walk.happen()
            walk.end()
        except LogEndedError:
            state.has_ended = True


class _Walk:
    """One frame."""

    def __init__(self, shard: int, state: _Shard, frame: Frame, report: Report, place: str, *, is_last: bool) -> None:
        self._shard = shard
        self._state = state
        self._frame = frame
        self._report = report
        self._place = place
        self._is_last = is_last
        self._active: dict[str, DecisionCheck] = {}
        self.found: dict[str, list[Decision]] = {}
        """By pool."""

    def pass_time(self) -> None:
        """R1: pool by pool in id order, what is due fires; then service time and clock have moved."""
        state, frame = self._state, self._frame
        end = state.service + frame.run
        for pool_id in sorted(_due_pools(state, end)):
            check = self._check(pool_id)
            pool = check.pool
            pool.clock, pool.service, pool.position = state.clock, state.service, (frame.n, -1)
            pass_time(check, frame.at, end)
        state.service = end
        state.clock = max(state.clock, frame.at)

    def happen(self) -> None:
        """The events, in order, each settled before the next (R3)."""
        state, frame = self._state, self._frame
        for index, event in enumerate(frame.events):
            check = self._active.get(event.pool) or self._check(event.pool)
            pool = check.pool
            pool.clock, pool.service, pool.position = state.clock, state.service, (frame.n, index)
            agent_rules.note_sign(pool, event.type, event.data)
            for expected in _WORK[event.type](pool, event.data):
                check.expect(expected)
            settle(check)

    def end(self) -> None:
        """What the log has beyond what was called for; and when to look again."""
        for pool_id in self.found:
            self._check(pool_id)
        for check in self._active.values():
            pool = check.pool
            pool.clock, pool.service = self._state.clock, self._state.service
            check.end_frame()
            audited_timers.drop_stale(pool)
            _schedule(self._state, pool)
            self._report.logins += pool.logins
            pool.logins = 0

    def _check(self, pool_id: str) -> DecisionCheck:
        check = self._active.get(pool_id)
        if check is None:
            check = self._state.checks.get(pool_id)
            if check is None:
                check = self._state.checks[pool_id] = DecisionCheck(Pool(pool_id), self._shard, self._report)
            self._active[pool_id] = check
            found = self.found.get(pool_id, [])
            check.begin_frame(self._frame.n, self._place, found, is_last=self._is_last)
        return check


def _due_pools(state: _Shard, end: int) -> set[str]:
    found = set()
    while state.due and state.due[0][0] <= end:
        due, pool_id = heappop(state.due)
        pool = state.checks[pool_id].pool
        if pool.scheduled == due:
            pool.scheduled = -1
            found.add(pool_id)
    return found


def _schedule(state: _Shard, pool: Pool) -> None:
    due = audited_timers.next_due(pool)
    if due is not None and not 0 <= pool.scheduled <= due:
        pool.scheduled = due
        heappush(state.due, (due, pool.id))
