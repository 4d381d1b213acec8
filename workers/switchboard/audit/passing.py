"""Time passes in a pool: every timer due within a frame's `run` fires, in order (R1)."""

from heapq import heappop

from switchboard.audit.books import DELAY_OVER, Pool
from switchboard.audit.due import fire
from switchboard.audit.meeting import Meeting
from switchboard.audit.settling import settle


def pass_time(meeting: Meeting, at: int, end: int) -> None:
    """Hold the log against what the timers call for up to the service time `end`; the clock never passes `at`."""
    pool = meeting.pool
    clock, start = pool.clock, pool.service
    while True:
        timers, wakes = pool.timers, pool.wakes
        if pool.touched and not (timers and timers[0] < (pool.service, DELAY_OVER)):
            settle(meeting)  # R5: a delay or a passing is over, and it is its turn
            continue
        heads = [heap[0][0] for heap in (timers, wakes) if heap]
        if not heads or (due := min(heads)) > end:
            break
        pool.service = max(due, pool.service)  # R20: one made overdue fires now
        pool.clock = max(clock, min(clock + pool.service - start, at))
        if not _wake(pool) and (work := fire(pool, *heappop(timers))) is not None:
            for want in work:
                meeting.meet(want)
            settle(meeting)
    pool.service = end


def _wake(pool: Pool) -> bool:
    """R5: delays and passings are over as soon as service time has reached them."""
    woken = False
    while pool.wakes and pool.wakes[0][0] <= pool.service:
        agent = pool.agents.get(heappop(pool.wakes)[1])
        if agent is not None:
            pool.touched[agent.id] = agent
        woken = True
    return woken
