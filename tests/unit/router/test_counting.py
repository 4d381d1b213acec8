"""Gauges tell the state of the pools that are ours, and of no others."""

from collections.abc import Iterator

import pytest

from switchboard import metrics
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.router import counting


def told(name: str, **labels: str) -> float | None:
    """What a metric says now; None if it has no such series."""
    return metrics.REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def survey(monkeypatch: pytest.MonkeyPatch) -> Iterator[counting.Survey]:
    """Of one shard, in a process that has met no pool yet."""
    monkeypatch.setattr(counting, "_named", set())
    survey = counting.Survey()
    yield survey
    survey.clear()


def configured(*queues: str) -> Event:
    """A configuration of pool `p`."""
    rows = [{"name": queue} for queue in queues]
    return Event("pool-configured", "p", {"config": {"queues": rows, "profiles": [{"name": "a"}]}})


def test_gauges_follow_the_pools_and_go_with_the_shard(survey: counting.Survey) -> None:
    """Depth by queue, agents by status; a queue that is gone and a shard that is let go have none."""
    engine = Engine(0)
    events = [
        configured("old", "new"),
        Event("chat-arrival", "p", {"chat_id": "c", "queue": "old"}),
        Event("agent-logged-in", "p", {"agent_id": "ana", "status": "unavailable"}),
    ]
    engine.apply(Frame(0, 1000, 0, events))
    survey.show(engine)
    assert told("switchboard_queue_depth", pool="p", queue="old") == 1
    assert told("switchboard_queue_depth", pool="p", queue="new") == 0
    assert told("switchboard_agents", pool="p", status="unavailable") == 1
    engine.apply(Frame(1, 2000, 0, [configured("new")]))
    survey.show(engine)
    assert told("switchboard_queue_depth", pool="p", queue="old") is None
    assert told("switchboard_queue_depth", pool="p", queue="new") == 1
    survey.clear()
    assert told("switchboard_queue_depth", pool="p", queue="new") is None
    assert told("switchboard_agents", pool="p", status="unavailable") is None


def test_pools_beyond_200_are_told_together(survey: counting.Survey) -> None:
    """Anyone who may write to the bus may name pools: that must not fill the memory of whoever gathers metrics."""
    engine = Engine(0)
    pools = [f"pool-{number}" for number in range(counting.MOST_POOLS + 3)]
    engine.apply(Frame(0, 1000, 0, [Event("chat-arrival", pool, {"chat_id": "c"}) for pool in pools]))
    survey.show(engine)
    assert told("switchboard_queue_depth", pool="pool-199", queue="default") == 1
    assert told("switchboard_queue_depth", pool="pool-200", queue="default") is None
    assert told("switchboard_queue_depth", pool="other", queue="other") == 3
