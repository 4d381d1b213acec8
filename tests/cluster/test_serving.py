"""Routers that run while brokers die and come back, under load."""

import asyncio
from contextlib import AsyncExitStack

from switchboard.dev.local_cluster import LocalCluster
from tests.cluster.outages import whole
from tests.crowds import POOLS, a_crowd, configure, flows
from tests.monitors import a_monitor
from tests.routers import a_bus

FLOWS_SECONDS = 60


async def test_routers_that_run_lose_nothing_when_brokers_die(cluster: LocalCluster, bus_prefix: str) -> None:
    """Under load each broker is killed once, and comes back; each record is journaled once, each decision is right."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(a_bus(cluster.bootstrap, bus_prefix, shards=2, replication=3))
        await configure(bus)
        routers = [await stack.enter_async_context(bus.router()) for _ in range(2)]
        for router in routers:
            await router.ready()
        monitor = await stack.enter_async_context(a_monitor(**bus.settings()))
        await monitor.first("/api/agents")
        async with a_crowd(bus, chats_a_second=30, seed="brokers") as tally:
            for node in cluster.nodes:
                await flows(bus, 50)
                await asyncio.to_thread(node.kill)
                await flows(bus, 50, FLOWS_SECONDS)
                await asyncio.to_thread(node.start)
                await whole(cluster)
        assert sum(tally.sent.values()) > 500
        assert tally.unsent == 0
        await bus.caught_up()
        await bus.presence("agent-logged-in", "the-last", pool="a")
        await monitor.shows("/api/agents", lambda agents: any(row["agent_id"] == "the-last" for row in agents))
        await monitor.stop()
        for router in routers:
            await router.ready()
            await router.stop()
            assert "Traceback" not in router.log
        assert await bus.check() == sum(tally.sent.values()) + len(POOLS) + 1, "what was sent, configured, and the last"
