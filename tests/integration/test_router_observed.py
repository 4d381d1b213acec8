"""What a router tells those who run it: metrics with values, health, readiness, and its lag to Kafka's own tools."""

import asyncio
import re
import time

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from switchboard import metrics
from switchboard.errors import LedgerLostError
from switchboard.kafka.clients import session
from switchboard.kafka.ledger import Ledger
from switchboard.kafka.topics import Topic, shard_id
from switchboard.router.loop_actions import FrameLimits
from switchboard.router.router import Router as RouterHere
from tests.routers import Bus, a_bus
from tests.waiting import eventually


async def work(bus: Bus) -> None:
    """A chat that is served, one that waits, one event that is ignored and one that is bad."""
    await bus.answered("ana", "served")
    await bus.presence("agent-status-changed", "ana", status="unavailable")
    await bus.lifecycle("chat-released", "no-such-chat")
    await bus.say(Topic.CHAT_ARRIVAL, b"{")
    await bus.arrive("waiting")
    await bus.until(lambda: len(bus.journaled) == 6 and len(bus.dead) == 1)


async def test_metrics_tell_what_was_done(broker_bootstrap: str, bus_prefix: str) -> None:
    """Every family of the registry is served, and the counts are those of what became visible."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await router.ready()
        await work(bus)
        # Gauges are set once a second. Only after the last event there are one waiting chat and one unavailable agent.
        depth = 'switchboard_queue_depth{pool="default",queue="default"}'
        unavailable = 'switchboard_agents{pool="default",status="unavailable"}'
        found = await eventually(router.metrics, lambda found: found.get(depth) == found.get(unavailable) == 1)
        assert found['switchboard_events_total{type="chat-arrival"}'] == 2
        assert found['switchboard_dead_letters_total{reason="not-json"}'] == 1
        assert found['switchboard_decisions_total{pool="default",type="chat-assigned"}'] == 1
        assert found['switchboard_decisions_total{pool="default",type="assignment-confirmed"}'] == 1
        assert found['switchboard_agents{pool="default",status="available"}'] == 0
        assert found["switchboard_event_to_decision_seconds_count"] == 6
        assert 0 < found["switchboard_event_to_decision_seconds_sum"] < 60
        assert found['switchboard_commits_total{outcome="committed"}'] >= 6
        assert found['switchboard_commits_total{outcome="failed"}'] == 0
        assert found['switchboard_fenced_total{shard="0"}'] == 0
        assert found['switchboard_shard_owned{shard="0"}'] == 1
        assert 0 < found['switchboard_restore_seconds{shard="0"}'] < 30
        assert found['switchboard_last_progress_timestamp_seconds{shard="0"}'] > 1_700_000_000
        topic = bus.names.of(Topic.CHAT_ARRIVAL)
        assert found[f'switchboard_lag_records{{partition="0",shard="0",topic="{topic}"}}'] == 0
        assert any(name.startswith("switchboard_events_ignored_total{") for name in found)
        assert any(name.startswith("switchboard_build_info{") for name in found)
        served = {re.split(r"[{ ]", name)[0] for name in found}
        for family in metrics.REGISTRY.collect():
            assert any(name.startswith(family.name) for name in served), family.name


async def test_health_and_readiness_tell_a_supervisor_what_to_do(broker_bootstrap: str, bus_prefix: str) -> None:
    """Alive but not ready until its shards are restored, and why; an address in use is told before anything else."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        status, body = await router.get("/healthz")
        assert status == 200
        assert orjson.loads(body)["reason"].startswith(("waiting for ", "shard 0 is being restored"))
        await router.ready()
        await router.logged("shard 0 is open after .* s, no frame yet")
        why = {"reason": "every shard that is assigned to this router is served"}
        fresh = {"shards": {"0": {"state": "serving", "last_frame": "no frame yet"}}, "held_up": []}
        for path, well in (("/readyz", "ready"), ("/healthz", "healthy")):
            status, body = await router.get(path)
            assert (status, orjson.loads(body)) == (200, {well: True, **why, **fresh})
        await bus.arrive("c-1")
        await bus.until_decided("chat-queued", "c-1")
        await eventually(lambda: router.get("/healthz"), lambda told: '"last_frame": 0}' in told[1])
        assert (await router.get("/livez")) == (200, '{"alive": true}')
        port = (await router.logged(r"127\.0\.0\.1:(\d+)"))[1]
        ran = await bus.run("run", "router", metrics_port=port)
        assert ran.code == 2
        assert f"metrics can't be served at 127.0.0.1:{port}" in ran.err
        assert "SWITCHBOARD_METRICS_PORT" in ran.err


async def test_a_router_that_was_idle_for_long_is_not_taken_for_stuck(broker_bootstrap: str, bus_prefix: str) -> None:
    """A burst after a quiet night is lag, and the last commit is old: that is no reason to end the process."""
    told: list[dict[int, str]] = []

    async def keep_looking(router: RouterHere) -> None:
        while True:
            told.append(router.status().health)
            await asyncio.sleep(0.001)

    async with (
        a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus,
        bus.router_here(frames=FrameLimits(20), stuck_after=2.0) as router,
    ):
        await bus.presence("agent-logged-in", "ana")
        await bus.until(lambda: len(bus.journaled) == 1)
        quiet = asyncio.create_task(asyncio.sleep(4))
        looking = asyncio.create_task(keep_looking(router))
        await quiet
        sent = [
            await bus._producer.send(bus.names.of(Topic.CHAT_ARRIVAL), b'{"chat_id":"c%d"}' % n) for n in range(400)
        ]
        await asyncio.gather(*sent)
        await bus.until(lambda: len(bus.journaled) == 401)
        looking.cancel()
        assert len(told) > 100
        assert not any(told)


@pytest.mark.parametrize(("shards", "fails_after"), [(1, 0.2), (1, 0.0), (2, 0.0)])
async def test_a_shard_that_can_commit_nothing_looks_old_however_often_it_is_opened_again(
    broker_bootstrap: str, bus_prefix: str, monkeypatch: pytest.MonkeyPatch, shards: int, fails_after: float
) -> None:
    """As where too few replicas are in sync: neither opening it nor reading what can't be committed is progress.

    The group is not told of what was read either; with two shards one of them has only others' records to pass.
    """
    failures = 0

    async def fail(*_: object) -> None:
        nonlocal failures
        failures += 1
        await asyncio.sleep(fails_after)
        raise LedgerLostError("a commit failed: too few replicas are in sync")

    def progress() -> float | None:
        return metrics.REGISTRY.get_sample_value("switchboard_last_progress_timestamp_seconds", {"shard": "0"})

    async with (
        a_bus(broker_bootstrap, bus_prefix, shards=shards, bus_partitions=1) as bus,
        bus.router_here(stalled_after=4.0) as router,
    ):
        await eventually(lambda: asyncio.sleep(0, router.status().is_ready))
        with monkeypatch.context() as broken:
            broken.setattr(Ledger, "commit", fail)
            began = time.time()

            async def arrive_and_look() -> dict[int, str]:
                await bus.arrive(f"c-{time.time_ns()}")
                await asyncio.sleep(0.1)
                return router.status().health

            await bus.arrive("c-1")
            await eventually(arrive_and_look, lambda wrong: len(wrong) == shards, seconds=30)
            assert failures > 1
            why = "has not gone on for 4 s though the broker answers: a commit failed: too few replicas are in sync"
            assert set(router.status().health.values()) == {why}
            assert router.status().is_alive, "it would fare no better after a restart"
            last = progress()
            assert last is not None
            assert last < began + 1
            assert await arrivals_read(bus, range(shards)) == [0] * shards
        await bus.until_decided("chat-queued", "c-1")
        await eventually(lambda: asyncio.sleep(0, router.status().health), lambda wrong: wrong == {})
        assert (progress() or 0) > last


async def arrivals_read(bus: Bus, shards: range) -> list[int]:
    """Up to where each shard has told its group that it has read the arrivals."""
    place = TopicPartition(bus.names.of(Topic.CHAT_ARRIVAL), 0)
    async with session(bus.conn) as client:
        told = [await client.list_consumer_group_offsets(shard_id(bus.group, each)) for each in shards]
    return [each[place].offset if place in each else 0 for each in told]


async def test_lag_tools_see_how_far_a_shard_has_read(broker_bootstrap: str, bus_prefix: str) -> None:
    """The offsets that the group GROUP-shard-0 has committed come up to the ends of the source topics."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        await router.ready()
        await work(bus)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=broker_bootstrap, group_id=shard_id(bus.group, 0), enable_auto_commit=False
        )
        await consumer.start()
        try:

            async def told() -> list[int | None]:
                names = [
                    bus.names.of(topic) for topic in (Topic.CHAT_ARRIVAL, Topic.REQUEST_CHAT, Topic.CHAT_LIFECYCLE)
                ]
                return [await consumer.committed(TopicPartition(name, 0)) for name in names]

            await eventually(told, lambda offsets: offsets == [3, 1, 1])
        finally:
            await consumer.stop()


@pytest.mark.parametrize("form", ["json", "console"])
async def test_logs_are_lines_of_json_where_that_is_asked_for(
    broker_bootstrap: str, bus_prefix: str, form: str
) -> None:
    """One object a line, with level, time and logger; nothing but lines of text otherwise."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_format=form) as router:
        await router.logged("shard 0 is open")
        lines = router.log.splitlines()
        assert all(line.startswith('{"') == (form == "json") for line in lines), router.log
