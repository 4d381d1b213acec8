"""An event costs about the same however many chats wait, agents ask and pools there are.

What is counted is the lines of the engine that run, not time: the same on every machine and in every run.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from switchboard.domain import engine as engine_module
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from tests.unit.rules.story import START, Settings, config, event, moment, pull, push

DOMAIN = str(Path(engine_module.__file__).parent)
FEW, MANY = 30, 3000


def _lines_run(work: Callable[[], object]) -> int:
    """How many lines of the domain run in this work, each turn of a loop counted."""
    count = 0

    def count_line(_frame: FrameType, what: str, _argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += what == "line"
        return count_line

    def enter(frame: FrameType, _what: str, _argument: Any) -> Callable[..., Any] | None:
        return count_line if frame.f_code.co_filename.startswith(DOMAIN) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


class Floor:
    """A pool with so many chats waiting in `full`, as many agents asking in `idle`, and a team that works in `q`."""

    def __init__(self, size: int) -> None:
        self.engine = Engine(0)
        self.frames = 0
        profiles = [push("team", queues=["q"]), pull("all", queues=["q", "full"]), push("idlers", queues=["idle"])]
        queues: list[str | Settings] = ["q", {"name": "full", "max_wait": 0}, "idle"]
        self.tell(event("pool-configured", config=config(*profiles, queues=queues, absent_after=86_400)))
        self.tell(*[event("chat-arrival", chat_id=f"w{number}", queue="full") for number in range(size)])
        self.tell(*[event("agent-logged-in", agent_id=f"i{number}", profile="idlers") for number in range(size)])
        self.tell(event("agent-logged-in", agent_id="a", profile="team"))

    def tell(self, *events: Event, run: int = 1000) -> None:
        """One frame, a second later."""
        self.engine.apply(Frame(self.frames, START + self.frames * 1000, run, list(events)))
        self.frames += 1


ARRIVAL = event("chat-arrival", chat_id="c1", queue="q")
OFFERED = (ARRIVAL,)
ACTIVE = (ARRIVAL, event("chat-accepted", chat_id="c1", agent_id="a"))
EVENTS: dict[str, tuple[tuple[Event, ...], Event]] = {
    "an arrival that is offered": ((), ARRIVAL),
    "an arrival that nobody can take": ((), event("chat-arrival", chat_id="c1", queue="full")),
    "an arrival of long ago": ((), event("chat-arrival", chat_id="c1", queue="full", arrived_at=moment(-60))),
    "an accept": (OFFERED, ACTIVE[1]),
    "a decline": (OFFERED, event("chat-declined", chat_id="c1", agent_id="a")),
    "an abandonment": (OFFERED, event("chat-abandoned", chat_id="c1")),
    "an abandonment by one who waits among others": ((), event("chat-abandoned", chat_id=f"w{FEW // 2}")),
    "a conclusion": (ACTIVE, event("chat-concluded", chat_id="c1")),
    "a release": (ACTIVE, event("chat-released", chat_id="c1")),
    "a transfer to a queue": (ACTIVE, event("chat-transferred", chat_id="c1", to_queue="full")),
    "a transfer to an agent": (ACTIVE, event("chat-transferred", chat_id="c1", to_agent="i1")),
    "a request that gets one of many": ((), event("request-chat", agent_id="p", profile="all")),
    "a request that gets none": ((), event("request-chat", agent_id="p", profile="idlers")),
    "a heartbeat": ((), event("agent-heartbeat", agent_id="i1")),
    "an agent that goes": ((), event("agent-logged-out", agent_id="i1")),
    "an agent that is away": ((), event("agent-absent", agent_id="i1")),
    "another capacity": ((), event("agent-capacity-changed", agent_id="i1", max_sessions=9)),
}


@pytest.mark.parametrize(("before", "told"), EVENTS.values(), ids=EVENTS)
def test_an_event_costs_the_same_in_a_small_pool_and_in_a_large_one(before: tuple[Event, ...], told: Event) -> None:
    """R6, R7, R11: a hundred times as many chats and agents make no event half as dear again."""
    costs = []
    for size in (FEW, MANY):
        floor = Floor(size)
        floor.tell(*before)
        costs.append(_lines_run(partial(floor.tell, told)))
    assert 0 < costs[1] <= 1.5 * costs[0]


def test_a_timer_costs_the_same_in_a_small_pool_and_in_a_large_one() -> None:
    """R1: an expiry looks at its own offer, not at all that waits."""
    costs = []
    for size in (FEW, MANY):
        floor = Floor(size)
        floor.tell(ARRIVAL)
        costs.append(_lines_run(partial(floor.tell, run=15_000)))
    assert 0 < costs[1] <= 1.5 * costs[0]


def test_an_agent_who_passed_chats_over_steps_over_those_and_no_others() -> None:
    """R5, R8: chats that somebody else passed over are not looked at one by one."""
    costs = []
    for size in (FEW, MANY):
        floor = Floor(size)
        for number in range(3):
            floor.tell(event("request-chat", agent_id="p", profile="all"))
            floor.tell(event("chat-declined", agent_id="p", chat_id=f"w{number}"))
        costs.append(_lines_run(partial(floor.tell, event("request-chat", agent_id="p"))))
    assert 0 < costs[1] <= 1.5 * costs[0]


def test_a_frame_looks_only_at_pools_that_it_concerns() -> None:
    """R1: timers of many pools are one heap; pools with nothing due cost nothing."""
    costs = []
    for pools in (FEW, MANY):
        engine = Engine(0)
        arrivals = [event("chat-arrival", f"pool-{number}", chat_id="c1") for number in range(pools)]
        engine.apply(Frame(0, 0, 0, arrivals))
        engine.apply(Frame(1, 1000, 1000, [event("chat-arrival", "pool-1", chat_id="c2")]))
        empty = Frame(2, 2000, 1000, [])
        one = Frame(3, 3000, 1000, [event("chat-abandoned", "pool-1", chat_id="c2")])
        costs.append(_lines_run(partial(engine.apply, empty)) + _lines_run(partial(engine.apply, one)))
    assert 0 < costs[1] <= 1.5 * costs[0]


def test_a_heartbeat_touches_no_heap() -> None:
    """R18: a timer for silence is moved when it comes up, not with each sign."""
    floor = Floor(FEW)
    pool = floor.engine.pools["default"]
    before = len(pool.index.timers)
    for _ in range(100):
        floor.tell(event("agent-heartbeat", agent_id="i1"))
    assert len(pool.index.timers) == before


def test_passings_are_forgotten_with_their_chats() -> None:
    """R5: what is kept of declined chats does not outlive them."""
    floor = Floor(FEW)
    for number in range(10):
        floor.tell(event("request-chat", agent_id="p", profile="all"))
        floor.tell(event("chat-declined", agent_id="p", chat_id=f"w{number}"))
        floor.tell(event("chat-abandoned", chat_id=f"w{number}"))
    assert floor.engine.pools["default"].index.passings == {}


def test_what_ended_timers_leave_behind_is_bounded() -> None:
    """R1: an accepted offer leaves its expiry in the heap; after many thousand chats there are few such entries."""
    floor = Floor(FEW)
    for number in range(3000):
        chat_id = f"c{number}"
        floor.tell(
            event("chat-arrival", chat_id=chat_id, queue="q"),
            event("chat-accepted", chat_id=chat_id, agent_id="a"),
            event("chat-released", chat_id=chat_id),
            run=0,
        )
    assert len(floor.engine.pools["default"].index.timers) < 2000
