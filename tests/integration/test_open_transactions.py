"""A producer of the bus leaves a transaction open: routing is held up, and router and monitor say so until it ends."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from switchboard import metrics
from switchboard.kafka.clients import transactional_producer
from switchboard.kafka.topics import Topic
from switchboard.monitor.bus_watch import RoutingStatus, watch_routing
from switchboard.router.endpoints import serve_endpoints
from tests.routers import Bus, a_bus
from tests.waiting import eventually

HELD_UP_SECONDS = 3.0
STRANGER_TIMEOUT_MS = 120_000
"""Longer than a test: the broker must not end the transaction by itself."""


@asynccontextmanager
async def an_open_transaction(bus: Bus) -> AsyncIterator[None]:
    """A stranger writes an arrival to chat-arrival/0 in a transaction, which is aborted at the end of the block."""
    stranger = transactional_producer(bus.conn, f"{bus.names.prefix}stranger", timeout_ms=STRANGER_TIMEOUT_MS)
    await stranger.start()
    try:
        await stranger.begin_transaction()
        await stranger.send_and_wait(bus.names.of(Topic.CHAT_ARRIVAL), b'{"chat_id":"stranger"}', partition=0)
        yield
        await stranger.abort_transaction()
    finally:
        await stranger.stop()


def gauge(bus: Bus, name: str, partition: int = 0, shard: int = 0) -> float | None:
    """The value of a gauge of the arrivals; None while it is not there."""
    labels = {"topic": bus.names.of(Topic.CHAT_ARRIVAL), "partition": str(partition), "shard": str(shard)}
    return metrics.REGISTRY.get_sample_value(f"switchboard_{name}", labels)


async def test_a_router_says_which_partition_an_open_transaction_holds_up_until_it_ends(
    broker_bootstrap: str, bus_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Arrivals behind it are not routed while lag is 0 and the router is well: metrics, /readyz and the log tell why.

    The two shards of the router log it once. After the abort all of it clears, and the arrivals are routed.
    """
    caplog.set_level(logging.WARNING, logger="switchboard.kafka.open_transactions")

    def logged(words: str) -> int:
        return sum(words in record.getMessage() for record in caplog.records)

    async with (
        a_bus(broker_bootstrap, bus_prefix, shards=2) as bus,
        bus.router_here(held_up_after=HELD_UP_SECONDS) as router,
    ):
        name = f"{bus.names.of(Topic.CHAT_ARRIVAL)}/0"
        web = await serve_endpoints(router.status, "127.0.0.1", 0)
        address = "http://{}:{}".format(*web.addresses[0][:2])
        try:
            async with aiohttp.ClientSession(address) as session:

                async def ready() -> tuple[int, dict[str, Any]]:
                    async with session.get("/readyz") as answer:
                        body: dict[str, Any] = await answer.json()
                        return answer.status, body

                def looked() -> bool:
                    """Whether each shard has looked at the partition, with no transaction open."""
                    return all(gauge(bus, "open_transaction_seconds", shard=shard) is not None for shard in range(2))

                async def open_seconds() -> float:
                    return gauge(bus, "open_transaction_seconds") or 0

                well = (await eventually(ready, lambda told: told[0] == 200))[1]
                assert well["held_up"] == []
                await bus.serves()
                await bus.until(looked)
                began = time.time()
                async with an_open_transaction(bus):
                    for number in range(4):
                        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": f"c-{number}"}, partition=0)
                    status, body = await eventually(ready, lambda told: bool(told[1]["held_up"]))
                    assert status == 200, "the router itself is ready"
                    (held_up,) = body["held_up"]
                    assert (held_up["topic"], held_up["partition"]) == (bus.names.of(Topic.CHAT_ARRIVAL), 0)
                    assert (held_up["records"], held_up["since_before"]) == (5, False)
                    assert held_up["seconds"] >= HELD_UP_SECONDS
                    assert body["reason"] == (
                        f"every shard that is assigned to this router is served; {name} is held up by an open "
                        f"transaction since {held_up['since']}: 5 records, its own included, can't be read"
                    )
                    assert held_up["since"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
                    assert gauge(bus, "open_transaction_records") == 5
                    assert await eventually(open_seconds, lambda seconds: seconds >= HELD_UP_SECONDS)
                    assert (gauge(bus, "open_transaction_records", 1), gauge(bus, "lag_records")) == (0, 0)
                    await bus.look()
                    assert "c-0" not in bus.ids("chat-queued")
                    assert router.status().health == {}
                    assert logged(f"{name} is held up at offset {held_up['offset']} by an open transaction") == 1
                await bus.until_decided("chat-queued", "c-3")
                assert (await eventually(ready, lambda told: not told[1]["held_up"]))[1]["reason"] == well["reason"]
                await eventually(open_seconds, lambda seconds: seconds == 0)
                assert gauge(bus, "open_transaction_records") == 0
                assert logged(f"{name} is no longer held up at offset {held_up['offset']}") == 1
                assert "stranger" not in bus.ids("chat-queued")
        finally:
            await web.cleanup()


async def test_the_monitor_says_which_partition_an_open_transaction_holds_up_until_it_ends(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """As it goes to the pages; no shard is told as standing still, since their routers have no lag."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router_here():
        await bus.serves()
        routing = RoutingStatus(bus.plan.shards, bus.names.of(Topic.CHAT_ARRIVAL), held_up_after=HELD_UP_SECONDS)
        watching = asyncio.create_task(watch_routing(bus.conn, bus.group, routing))

        async def told() -> Any:
            return routing.as_json(time.time())

        try:
            await eventually(told, lambda seen: seen["seen_at"] is not None)
            async with an_open_transaction(bus):
                await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "c-1"}, partition=0)
                seen = await eventually(told, lambda seen: bool(seen["held_up"]), seconds=30)
                (held_up,) = seen["held_up"]
                assert (held_up["topic"], held_up["partition"]) == (bus.names.of(Topic.CHAT_ARRIVAL), 0)
                assert (held_up["records"], held_up["since_before"]) == (2, False)
                assert (seen["without_router"], seen["standing_still"]) == ([], [])
            await eventually(told, lambda seen: not seen["held_up"])
        finally:
            watching.cancel()


async def test_transactions_that_end_hold_nobody_up(broker_bootstrap: str, bus_prefix: str) -> None:
    """One after another, so that at most looks one is open, for longer than a single one may take."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router_here(held_up_after=HELD_UP_SECONDS) as router:
        stranger = transactional_producer(bus.conn, f"{bus.names.prefix}stranger")
        await stranger.start()
        seen_open, until = False, time.monotonic() + 2 * HELD_UP_SECONDS
        try:
            number = 0
            while time.monotonic() < until or not seen_open:
                assert time.monotonic() < until + 20, "no transaction was ever seen open"
                number += 1
                async with stranger.transaction():
                    body = b'{"chat_id":"c-%d"}' % number
                    await stranger.send_and_wait(bus.names.of(Topic.CHAT_ARRIVAL), body, partition=0)
                    opened = time.monotonic()
                    while not gauge(bus, "open_transaction_records") and time.monotonic() - opened < 1.5:
                        await bus.look()
                    seen_open = seen_open or bool(gauge(bus, "open_transaction_records"))
                assert router.status().held_up == []
        finally:
            await stranger.stop()
        await bus.until_decided("chat-queued", f"c-{number}")


async def test_a_partition_is_told_as_behind_or_ahead_by_its_records_timestamps(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """A flood with timestamp 1, and a producer whose clock is 10 minutes ahead; the other partitions are neither."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router_here():

        async def lag_seconds() -> list[float | None]:
            return [gauge(bus, "lag_seconds", partition) for partition in (0, 1)]

        await eventually(lag_seconds, lambda seconds: seconds == [0, 0])
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "old"}, partition=0, timestamp_ms=1)
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "now"}, partition=1)
        seen = await eventually(lag_seconds, lambda seconds: bool(seconds[0]) and bool(seconds[1]))
        assert seen[0] == pytest.approx(time.time(), abs=60)
        assert seen[1] == pytest.approx(0, abs=20)
        ahead = int((time.time() + 600) * 1000)
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "ahead"}, partition=0, timestamp_ms=ahead)
        seen = await eventually(lag_seconds, lambda seconds: (seconds[0] or 0) < 0)
        assert seen[0] == pytest.approx(-600, abs=20)
