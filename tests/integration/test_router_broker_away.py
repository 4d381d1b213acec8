"""A broker that is away: told at the start, waited for later, and nothing is lost by it."""

import asyncio
import re
import time
from collections.abc import Iterable

import orjson
import pytest
from aiokafka import TopicPartition

from switchboard.dev.local_broker import LocalBroker
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import partitions_of
from tests.routers import a_bus, a_router, run
from tests.waiting import eventually

NOWHERE = "127.0.0.1:1"


async def test_a_broker_that_is_away_at_the_start_is_told_after_the_wait_that_was_set() -> None:
    """Exit code 3 and what to look at, no trace, once `broker_wait_seconds` have passed."""
    began = time.monotonic()
    ran = await run("run", "router", bootstrap_servers=NOWHERE, broker_wait_seconds=2, metrics_port=0)
    assert time.monotonic() - began < 20
    assert ran.code == 3
    assert f"no broker answers at {NOWHERE} (PLAINTEXT; waited 2 s)" in ran.err
    assert "Traceback" not in ran.err


async def test_a_router_that_waits_for_its_broker_can_be_stopped() -> None:
    """SIGTERM ends the wait at once, with exit code 0."""
    async with a_router(bootstrap_servers=NOWHERE, broker_wait_seconds=60, metrics_port=0) as router:
        await router.logged("/healthz and /readyz at")
        status, body = await router.get("/readyz")
        assert status == 503
        assert f'"reason": "waiting for the broker at {NOWHERE}"' in body
        assert await router.stop() < 5


async def test_the_router_goes_on_when_the_broker_is_back(private_broker: LocalBroker) -> None:
    """Killed and started again, then suspended for longer than every deadline: served on, each record once."""
    async with a_bus(private_broker.bootstrap, "") as bus, bus.router() as router:
        await router.ready()
        await bus.configure(profiles=[{"name": "default", "offer_timeout": 10}])
        await bus.presence("agent-logged-in", "ana")
        await bus.arrive("before")
        await bus.until_decided("chat-assigned", "before")
        await asyncio.to_thread(private_broker.restart)
        await bus.accept("ana", "before")
        await bus.until_decided("assignment-confirmed", "before", 60)
        await bus.arrive("standing")
        await bus.until_decided("chat-assigned", "standing")
        private_broker.suspend()
        waiting = asyncio.create_task(bus.arrive("meanwhile"))
        await router.logged(r"shard 0 is opened again in", 60)
        assert "Error" not in router.log, "it is said in words"
        assert (await router.get("/healthz"))[0] == 200, "a router that waits for its broker is not to be restarted"
        # What the alert on a shard without an owner is for. Its progress is told on, and stands.
        told = await eventually(router.metrics, lambda told: told['switchboard_shard_owned{shard="0"}'] == 0, 60)
        progress = 'switchboard_last_progress_timestamp_seconds{shard="0"}'
        assert 0 < told[progress] < time.time() - 5
        status, body = await router.get("/readyz")
        assert (status, orjson.loads(body)["ready"]) == (503, False)
        assert re.match("shard 0 (is being restored|waits to be opened again): ", orjson.loads(body)["reason"])
        assert (await router.metrics())[progress] == told[progress]
        private_broker.resume()
        await waiting
        await bus.accept("ana", "standing")
        await bus.until_decided("assignment-confirmed", "standing", 60)
        assert bus.of("assignment-ended") == [], "nobody could see or accept an offer meanwhile, so none lapsed"
        await bus.until_decided("chat-queued", "meanwhile", 60)
        await router.ready()
        assert await router.stop() < 5
        assert await bus.check() == 7


async def test_a_broker_that_goes_away_while_a_shard_is_opened_is_waited_for(
    private_broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between restoring its rows and reading the sources it loses the broker: it tries again, and serves."""
    listings = 0

    async def interrupted(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
        nonlocal listings
        if listings == 0:
            await asyncio.to_thread(private_broker.kill)
        listings += 1  # only now: it is what the test starts the broker again upon
        return await partitions_of(conn, topics)

    monkeypatch.setattr("switchboard.router.sources.partitions_of", interrupted)
    async with a_bus(private_broker.bootstrap, "") as bus, bus.router_here() as router:
        await bus.until(lambda: listings > 0, 60)
        await asyncio.to_thread(private_broker.start)
        await bus.arrive("c-1")
        await bus.until_decided("chat-queued", "c-1", 60)
        assert router.status().health == {}
        assert listings > 1


async def test_a_stop_is_quick_though_the_broker_hangs(private_broker: LocalBroker) -> None:
    """What is under way has deadlines: the process is gone soon, and the next router goes on where it was."""
    async with a_bus(private_broker.bootstrap, "") as bus:
        async with bus.router() as router:
            await router.ready()
            await bus.arrive("c-1")
            await bus.until_decided("chat-queued", "c-1")
            private_broker.suspend()
            router.process.terminate()
            began = time.monotonic()
            assert await router.ended() == 0
            assert time.monotonic() - began < 9, "3 s for the commit, 2 s each for the ledger and for leaving the group"
            private_broker.resume()
        async with bus.router():
            await bus.request("ana")
            await bus.until_decided("chat-assigned", "c-1", 60)
