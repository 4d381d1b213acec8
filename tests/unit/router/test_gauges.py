"""Gauges tell the state of the pools that are ours, and of no others."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.limits import Limits
from switchboard.router.admission import Admission
from switchboard.router.gauges import PoolGauges
from switchboard.router.label_names import MOST_MADE_UP, MOST_POOLS, LabelNames
from tests.samples import sample


@pytest.fixture
def labels() -> LabelNames:
    """Label names of a router that has met no pool yet."""
    return LabelNames()


@pytest.fixture
def gauges(labels: LabelNames) -> Iterator[PoolGauges]:
    """The gauges of shard 0. The time of day is 102.5 s."""
    made = PoolGauges(0, labels, clock=lambda: 102.5)
    yield made
    made.clear()


def configured(*queues: str, **profile: object) -> Event:
    """A configuration of pool `p`."""
    rows = [{"name": queue} for queue in queues]
    return Event("pool-configured", "p", {"config": {"queues": rows, "profiles": [{"name": "a", **profile}]}})


def chat(name: str, queue: str, **more: object) -> Event:
    """A chat arrives in pool `p`."""
    return Event("chat-arrival", "p", {"chat_id": name, "queue": queue, **more})


def agent(what: str, name: str, **more: object) -> Event:
    """Something happens to an agent of pool `p`."""
    return Event(what, "p", {"agent_id": name, **more})


def test_gauges_follow_the_pools_and_go_with_the_shard(gauges: PoolGauges) -> None:
    """Depth by queue, agents by status; a queue that is gone and a shard that is let go have none."""
    engine = Engine(0)
    events = [configured("old", "new"), chat("c", "old"), agent("agent-logged-in", "ana", status="unavailable")]
    engine.apply(Frame(0, 1000, 0, events))
    gauges.set(engine)
    assert sample("switchboard_queue_depth", pool="p", queue="old") == 1
    assert sample("switchboard_queue_depth", pool="p", queue="new") == 0
    assert sample("switchboard_agents", pool="p", status="unavailable") == 1
    engine.apply(Frame(1, 2000, 0, [configured("new")]))
    gauges.set(engine)
    assert sample("switchboard_queue_depth", pool="p", queue="old") is None
    assert sample("switchboard_queue_depth", pool="p", queue="new") == 1
    gauges.clear()
    assert sample("switchboard_queue_depth", pool="p", queue="new") is None
    assert sample("switchboard_agents", pool="p", status="unavailable") is None


def test_made_up_pools_beyond_100_are_counted_together(gauges: PoolGauges) -> None:
    """Anyone who may write to the bus may name pools: that must not fill the memory of whoever gathers metrics."""
    engine = Engine(0)
    pools = [f"pool-{number}" for number in range(MOST_MADE_UP + 3)]
    engine.apply(Frame(0, 1000, 0, [Event("chat-arrival", pool, {"chat_id": "c"}) for pool in pools]))
    gauges.set(engine)
    assert sample("switchboard_queue_depth", pool="pool-99", queue="default") == 1
    assert sample("switchboard_queue_depth", pool="pool-100", queue="default") is None
    assert sample("switchboard_queue_depth", pool="other", queue="other") == 3


def test_made_up_pools_take_no_name_from_a_configured_one(gauges: PoolGauges) -> None:
    """Half of the names are for configured pools, also for one that is configured later."""
    engine = Engine(0)
    made_up = [Event("chat-arrival", f"pool-{number}", {"chat_id": "c"}) for number in range(MOST_POOLS)]
    engine.apply(Frame(0, 1000, 0, made_up))
    gauges.set(engine)
    config = {"queues": [{"name": "q"}], "profiles": [{"name": "agent"}]}
    engine.apply(Frame(1, 2000, 0, [Event("pool-configured", "sales", {"config": config})]))
    engine.apply(Frame(2, 3000, 0, [Event("chat-arrival", "sales", {"chat_id": "c"})]))
    gauges.set(engine)
    assert sample("switchboard_queue_depth", pool="sales", queue="q") == 1


def test_queues_beyond_the_bound_are_counted_together(gauges: PoolGauges, labels: LabelNames) -> None:
    """One pool may have thousands of queues, and each has 54 series."""
    labels.most_queues = 3
    engine = Engine(0)
    engine.apply(Frame(0, 1000, 0, [configured(*"abcde"), *(chat(f"c-{queue}", queue) for queue in "abcde")]))
    gauges.set(engine)
    assert [sample("switchboard_queue_depth", pool="p", queue=queue) for queue in "abcd"] == [1, 1, 1, None]
    assert sample("switchboard_queue_depth", pool="p", queue="other") == 2
    assert labels.queue("p", "b") == ("p", "b"), "a name that it has it keeps"
    assert labels.queue("p", "e") == ("p", "other")


async def test_a_survey_lets_others_have_their_turn_and_goes_with_the_shard(gauges: PoolGauges) -> None:
    """10,000 pools take 0.2 s: as a task, in slices. Pools that change in between do it no harm."""
    engine = Engine(0)
    pools = [f"pool-{number}" for number in range(3_000)]
    engine.apply(Frame(0, 1000, 0, [Event("chat-arrival", pool, {"chat_id": "c"}) for pool in pools]))
    queues = [{"name": f"q{number}"} for number in range(500)]
    config = {"queues": queues, "profiles": [{"name": "a"}]}
    engine.apply(Frame(1, 2000, 0, [Event("pool-configured", "pool-0", {"config": config})]))
    admission = Admission(engine, Limits(), 0.0)
    gauges.start(engine, admission)
    turns = 0
    while sample("switchboard_limit_used", shard="0", limit="pools") is None:
        await asyncio.sleep(0)
        turns += 1
        if turns == 2:
            engine.apply(Frame(2, 3000, 0, [replace(configured("new"), pool="pool-0"), chat("c", "q")]))
        assert turns < 100_000
    assert turns > 3
    assert sample("switchboard_limit_max", shard="0", limit="pools") == 10_000
    gauges.clear()
    assert sample("switchboard_limit_used", shard="0", limit="pools") is None


async def test_what_a_survey_raises_is_raised_by_the_next(gauges: PoolGauges) -> None:
    """A defect in it must not be silent: the gauges would stand still."""
    engine = Engine(0)
    engine.apply(Frame(0, 1000, 0, [configured("q")]))
    engine.pools["p"].index.waiting = None  # type: ignore[assignment] # the defect
    gauges.start(engine, Admission(engine, Limits(), 0.0))
    await asyncio.sleep(0)
    with pytest.raises(AttributeError):
        gauges.start(engine, Admission(engine, Limits(), 0.0))


def test_the_three_availability_figures_tell_who_could_take_from_a_queue(gauges: PoolGauges) -> None:
    """Available agents who serve it, their free sessions, and those who are asking; each at zero where nobody is."""
    engine = Engine(0)
    events = [
        Event(
            "pool-configured",
            "p",
            {
                "config": {
                    "queues": [{"name": "sales"}, {"name": "help"}, {"name": "nobody"}],
                    "profiles": [
                        {"name": "both", "queues": ["sales", "help"], "max_sessions": 3},
                        {"name": "one", "queues": ["help"], "mode": "pull", "max_sessions": 2},
                    ],
                }
            },
        ),
        agent("agent-logged-in", "ana", profile="both"),
        agent("agent-logged-in", "bob", profile="one"),
        agent("agent-logged-in", "cyd", profile="one", status="unavailable"),
        chat("c", "sales"),
    ]
    engine.apply(Frame(0, 1000, 0, events))
    gauges.set(engine)
    figures = ("agents_available", "sessions_free", "agents_requesting")
    seen = {
        queue: [sample(f"switchboard_{each}", pool="p", queue=queue) for each in figures]
        for queue in ("sales", "help", "nobody")
    }
    # Ana has just been offered a chat and asks for none until it is decided; Bob pulls and has not asked.
    assert seen == {"sales": [1, 2, 0], "help": [2, 4, 0], "nobody": [0, 0, 0]}
    assert [sample("switchboard_sessions", pool="p", stage=stage) for stage in ("offered", "active", "wrapping")] == [
        1,
        0,
        0,
    ]
    engine.apply(Frame(1, 2000, 0, [Event("chat-accepted", "p", {"chat_id": "c", "agent_id": "ana"})]))
    gauges.set(engine)
    assert sample("switchboard_agents_requesting", pool="p", queue="sales") == 1
    assert sample("switchboard_sessions", pool="p", stage="active") == 1


def test_a_queue_is_stuck_only_if_an_agent_who_asks_may_take_a_chat_of_it(gauges: PoolGauges) -> None:
    """I5: one who has just declined the chat may not; were an asking agent overlooked, it would be told."""
    engine = Engine(0)
    engine.apply(Frame(0, 1000, 0, [configured("q"), agent("agent-logged-in", "ana"), chat("c", "q")]))
    engine.apply(Frame(1, 2000, 0, [Event("chat-declined", "p", {"chat_id": "c", "agent_id": "ana"})]))
    gauges.set(engine)
    assert sample("switchboard_queue_depth", pool="p", queue="q") == 1
    assert sample("switchboard_agents_requesting", pool="p", queue="q") == 1
    assert sample("switchboard_queue_stuck", pool="p", queue="q") == 0
    engine.pools["p"].index.passings.clear()  # as if the engine had overlooked her
    gauges.set(engine)
    assert sample("switchboard_queue_stuck", pool="p", queue="q") == 1


def test_the_oldest_wait_is_that_of_the_first_chat(gauges: PoolGauges) -> None:
    """In seconds since its arrival, by the wall clock, though no frame was made since; 0 for an empty queue."""
    engine = Engine(0)
    engine.apply(Frame(0, 60_000, 0, [configured("q", "empty"), chat("c", "q"), chat("d", "q")]))
    gauges.set(engine)
    assert sample("switchboard_oldest_wait_seconds", pool="p", queue="q") == 42.5
    assert sample("switchboard_oldest_wait_seconds", pool="p", queue="empty") == 0


def test_a_pool_has_all_its_counters_as_soon_as_it_is_known(gauges: PoolGauges) -> None:
    """A rate over a counter that begins at 1 misses its first step."""
    engine = Engine(0)
    config = replace(configured("first"), pool="just-configured")
    engine.apply(Frame(0, 1000, 0, [config]))
    gauges.set(engine)
    of = {"pool": "just-configured", "queue": "first"}
    assert sample("switchboard_arrivals_total", **of) == 0
    assert sample("switchboard_waits_ended_total", **of, outcome="answered") == 0
    assert sample("switchboard_offers_ended_total", **of, outcome="missed") == 0
    assert sample("switchboard_wait_seconds_bucket", **of, le="20.0") == 0
    assert sample("switchboard_decisions_total", pool="just-configured", type="chat-closed") == 0
    refused = {"type": "accept-rejected", "reason": "stale-offer"}
    assert sample("switchboard_refusals_total", pool="just-configured", **refused) == 0
