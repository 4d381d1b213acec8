"""No frame lets more timers become due than it can hold, however many were made while service time stood still."""

from heapq import heapify
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import EVENT_TYPES, Event, Frame
from switchboard.domain.timers import LEAVING, due_entries, sessions_at_stake
from switchboard.journal.schemas import known_fields

START = 1_700_000_000_000
OFFER_MS = 15_000


def step(engine: Engine, run: int, *events: Event) -> Outcome:
    """Apply a frame."""
    return engine.apply(Frame(engine.frame + 1, START + engine.service + run, run, list(events)))


def event(kind: str, **data: Any) -> Event:
    """Something happens in pool p."""
    return Event(kind, "p", data)


def offers(frames: int, of_each: int) -> Engine:
    """An engine in which each of some frames, one ms apart, made so many offers."""
    engine = Engine(0)
    for frame in range(frames):
        ids = [f"{frame}-{number}" for number in range(of_each)]
        events = [each for name in ids for each in (event("agent-logged-in", agent_id=name, mode="pull"),
                  event("request-chat", agent_id=name), event("chat-arrival", chat_id=name))]  # fmt: skip
        step(engine, 1, *events)
    return engine


@pytest.mark.parametrize("most", [1, 10, 25, 1_000])
def test_offers_of_many_frames_expire_in_many_frames(most: int) -> None:
    """All of them, each when its time has come, and no more in a frame than those of one ms or `most`."""
    engine, ended = offers(20, 10), 0
    step(engine, OFFER_MS - 20)
    assert engine.affordable(0, most) == 0
    while engine.service < OFFER_MS + 20:
        run = engine.affordable(2_000, most)
        outcome = step(engine, run)
        now = [each for each in outcome.decisions if each.type == "assignment-ended"]
        assert len(now) <= max(10, most)
        ended += len(now)
    assert ended == 200


def test_time_passes_whole_where_little_is_due() -> None:
    """Also where much is due later."""
    engine = offers(2, 10)
    assert engine.affordable(2_000, 5) == 2_000
    assert engine.affordable(OFFER_MS + 2, 20) == OFFER_MS + 2
    assert Engine(0).affordable(2_000, 1) == 2_000


def test_chats_that_are_forgotten_count() -> None:
    """500,000 endings of chats that never came would else be forgotten in one frame."""
    engine = Engine(0)
    for number in range(50):
        step(engine, 1, *(event("chat-abandoned", chat_id=f"{number}-{each}") for each in range(10)))
    step(engine, 59_940)
    run = engine.affordable(2_000, 20)
    step(engine, run)
    assert len(engine.pools["p"].remembered) >= 480


@given(st.lists(st.integers(0, 50)), st.integers(0, 50))
def test_the_due_entries_of_a_heap_are_found(times: list[int], by: int) -> None:
    """All of them, each once."""
    heap = [(at, number) for number, at in enumerate(times)]
    heapify(heap)
    assert sorted(due_entries(heap, by)) == sorted(entry for entry in heap if entry[0] <= by)


def holder() -> Engine:
    """An engine with an agent who holds one active chat and two offers."""
    engine = Engine(0)
    step(engine, 0, event("agent-logged-in", agent_id="a", mode="pull"), event("chat-arrival", chat_id="0"))
    step(engine, 0, event("request-chat", agent_id="a"), event("chat-accepted", agent_id="a", chat_id="0"))
    for number in "12":
        step(engine, 0, event("request-chat", agent_id="a"), event("chat-arrival", chat_id=number))
    return engine


def test_the_sessions_of_those_who_may_leave_are_counted() -> None:
    """Of agents who are there; no other event can end more than one session."""
    pools = holder().pools
    assert [sessions_at_stake(pools, [event(kind, agent_id="a")]) for kind in sorted(LEAVING)] == [3] * len(LEAVING)
    gone = [event("agent-logged-out", agent_id="b"), Event("agent-lost", "unknown", {"agent_id": "a"})]
    assert sessions_at_stake(pools, gone) == 0


@pytest.mark.parametrize("kind", sorted(set(EVENT_TYPES) - LEAVING - {"pool-configured"}))
def test_no_other_event_ends_more_than_one_session(kind: str) -> None:
    """A type that is new to the engine and ends several must be counted as well."""
    data = {"agent_id": "a", "chat_id": "0", "max_sessions": 1, "to_queue": "default", "by": "agent"}
    outcome = step(holder(), 0, event(kind, **known_fields(kind, data)))
    assert sum(each.type in {"assignment-ended", "chat-requeued", "chat-closed"} for each in outcome.decisions) <= 1
