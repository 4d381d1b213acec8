"""The crowd with an engine in virtual time: as fast as it goes, and always the same.

Each event is a frame of its own, and a timer that is due before the next of them gets an empty frame at its time; `run`
is the time since the frame before, so that service time and the clock move together (R1).
"""

from collections.abc import Callable
from itertools import count

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.diary import Outgoing

Watch = Callable[[Frame, list[Decision]], None]
"""Is shown each frame with its decisions, after the engine has applied it."""


def play(crowd: Crowd, engine: Engine, start: int, end: int, watch: Watch = lambda _frame, _decisions: None) -> int:
    """Let the crowd live from `start` to `end`, in ms since 1970; how many events there were.

    The engine is new or as an earlier frame at `start` left it (its configuration, say). About 40 us an event with
    people who are drawn.
    """
    events = 0
    now = start
    numbers = count(engine.frame + 1)

    def step(at: int, happened: list[Event]) -> None:
        nonlocal now
        frame = Frame(next(numbers), at, at - now, happened)
        now = at
        decisions = engine.apply(frame).decisions
        for decision in decisions:
            crowd.observe(vars(decision), at)
        watch(frame, decisions)

    crowd.start(start)
    while True:
        due = crowd.next_due()
        timer = engine.next_due()
        timer_at = None if timer is None else now + max(0, timer - engine.service)
        at = min((each for each in (due, timer_at) if each is not None), default=end)
        if at >= end:
            step(end, [])
            return events
        if due is None or (timer_at is not None and timer_at < due):
            step(at, [])
            continue
        for said in crowd.due(at):
            events += 1
            step(at, [_event(said)])


def _event(said: Outgoing) -> Event:
    data = said.body.copy()
    return Event(said.type, data.pop("pool"), data)
