"""The auditor: checks logged decisions against frames by the routing rules and I1 to I8, without the engine."""

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

Handler = Callable[[Pool, dict[str, Any]], Iterator[Expected]]

_HANDLERS: Final[Mapping[str, Handler]] = {
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
    """An event as the codec decodes events."""

    @property
    def type(self) -> str:
        """Type of the event, as in the contract."""
        ...

    @property
    def pool(self) -> str:
        """Id of the event's pool."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """Fields of the event's type."""
        ...


class Frame(Protocol):
    """A frame of the journal as the codec decodes frames."""

    @property
    def n(self) -> int:
        """Number of the frame in the shard."""
        ...

    @property
    def at(self) -> int:
        """Clock, ms since 1970."""
        ...

    @property
    def run(self) -> int:
        """Service time since the previous frame, ms."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """Events, in order."""
        ...


@dataclass(slots=True)
class _Shard:
    clock: int = 0
    service: int = 0
    checks: dict[str, DecisionCheck] = field(default_factory=dict)
    due: list[tuple[int, str]] = field(default_factory=list)
    """Heap of (service time, pool id): earliest timers of pools."""
    has_ended: bool = False
    """True after the decision log ended too early: the shard's further frames are skipped."""


class Auditor:
    """Checks the decisions of a router, shard by shard, from the first frame of each shard.

    `report` holds the counts and the findings.
    """

    def __init__(self) -> None:
        self.report = Report()
        self._shards: dict[int, _Shard] = {}

    def follow(
        self, shard: int, frame: Frame, decisions: list[Decision], *, place: str = "", is_last: bool = False
    ) -> None:
        """Check the logged decisions of one frame.

        Args:
            shard: Shard of the frame.
            frame: The shard's next frame.
            decisions: Decisions whose ids name this frame; in order within each pool.
            place: `FILE:LINE`, or topic, partition and offset of the frame, for findings.
            is_last: The decision log ends with these decisions.
        """
        state = self._shards.setdefault(shard, _Shard())
        if state.has_ended:
            return
        report = self.report
        report.frames += 1
        report.events += len(frame.events)
        report.decisions += len(decisions)
        audit = _FrameAudit(shard, state, frame, report, place, is_last=is_last)
        for decision in decisions:
            audit.logged.setdefault(decision["pool"], []).append(decision)
            report.offers += decision["type"] == "chat-assigned"
            report.chats += decision["type"] == "chat-queued"
        try:
            audit.pass_time()
            audit.apply_events()
            audit.end()
        except LogEndedError:
            state.has_ended = True


class _FrameAudit:
    """The audit of one frame: time passes, events apply, and the decisions left over are reported."""

    def __init__(self, shard: int, state: _Shard, frame: Frame, report: Report, place: str, *, is_last: bool) -> None:
        self._shard = shard
        self._state = state
        self._frame = frame
        self._report = report
        self._place = place
        self._is_last = is_last
        self._active: dict[str, DecisionCheck] = {}
        self.logged: dict[str, list[Decision]] = {}
        """Pool id -> logged decisions of the frame."""

    def pass_time(self) -> None:
        """Fire the due timers, pool by pool in id order, then move service time and clock on (R1)."""
        state, frame = self._state, self._frame
        end = state.service + frame.run
        for pool_id in sorted(_due_pools(state, end)):
            check = self._check_of(pool_id)
            pool = check.pool
            pool.clock, pool.service, pool.position = state.clock, state.service, (frame.n, -1)
            pass_time(check, frame.at, end)
        state.service = end
        state.clock = max(state.clock, frame.at)

    def apply_events(self) -> None:
        """Apply the events in order, and settle each before the next (R3)."""
        state, frame = self._state, self._frame
        for index, event in enumerate(frame.events):
            check = self._active.get(event.pool) or self._check_of(event.pool)
            pool = check.pool
            pool.clock, pool.service, pool.position = state.clock, state.service, (frame.n, index)
            agent_rules.note_sign(pool, event.type, event.data)
            for expected in _HANDLERS[event.type](pool, event.data):
                check.expect(expected)
            settle(check)

    def end(self) -> None:
        """Report the decisions that no rule called for, and schedule the next timers of the pools."""
        # Pools with decisions, but without an event or timer in the frame, are checked too.
        for pool_id in self.logged:
            self._check_of(pool_id)
        for check in self._active.values():
            pool = check.pool
            pool.clock, pool.service = self._state.clock, self._state.service
            check.end_frame()
            audited_timers.drop_stale(pool)
            _schedule(self._state, pool)
            self._report.logins += pool.logins
            pool.logins = 0

    def _check_of(self, pool_id: str) -> DecisionCheck:
        check = self._active.get(pool_id)
        if check is None:
            check = self._state.checks.get(pool_id)
            if check is None:
                check = self._state.checks[pool_id] = DecisionCheck(Pool(pool_id), self._shard, self._report)
            self._active[pool_id] = check
            logged = self.logged.get(pool_id, [])
            check.begin_frame(self._frame.n, self._place, logged, is_last=self._is_last)
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
