"""Routers and monitors that are started while brokers of a cluster are away: they wait, say for what, and go on."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from switchboard.dev.local_cluster import LocalCluster
from tests.cluster.outages import ALL, Outage, prefix_coordinated_by
from tests.monitors import a_monitor
from tests.routers import Bus, a_bus

OUTAGES = [Outage("killed", 0), Outage("killed", 1), Outage("killed", 2), Outage("frozen", 0)]
if ALL:
    OUTAGES += [Outage("frozen", 1), Outage("frozen", 2)]

PATIENT: dict[str, Any] = {"broker_wait_seconds": 60}
"""For workers of which only is tested that they come up; how long they wait is tested beside it."""
SERVED_SECONDS = 60
"""A broker's session ends after 3 s on these brokers, a request to one that is frozen after 3 to 15 s; a shard that
could not be opened is opened again each second."""


async def offered(bus: Bus, chat: str, agent: str) -> None:
    """A chat arrives, an agent asks for one, and is offered it."""
    await bus.arrive(chat)
    await bus.request(agent)
    await bus.until_decided("chat-assigned", chat, SERVED_SECONDS)


@pytest.mark.parametrize("outage", OUTAGES, ids=repr)
async def test_workers_that_are_started_right_after_a_broker_went_serve(
    cluster: LocalCluster, bus_prefix: str, outage: Outage
) -> None:
    """A router and a monitor, and a router that takes over while the broker is still away; nothing is lost."""
    async with a_bus(cluster.bootstrap, bus_prefix, replication=3) as bus, AsyncExitStack() as stack:
        await asyncio.to_thread(outage.begin, cluster)
        router = await stack.enter_async_context(bus.router(**PATIENT))
        monitor = await stack.enter_async_context(a_monitor(**bus.settings(**PATIENT)))
        await router.ready(SERVED_SECONDS)
        await offered(bus, "chat-1", "ana")
        await router.kill()
        successor = await stack.enter_async_context(bus.router(**PATIENT))
        await successor.ready(SERVED_SECONDS)
        await offered(bus, "chat-2", "bob")
        await monitor.shows("/api/agents", lambda agents: {row["agent_id"] for row in agents} == {"ana", "bob"})
        for node in outage.away(cluster):
            await asyncio.to_thread(node.start if outage.how == "killed" else node.resume)
        await bus.serves(seconds=SERVED_SECONDS)
        await monitor.stop()
        await successor.stop()
        for worker in (router, successor, monitor):
            assert "Traceback" not in worker.log
        assert await bus.check() == 6


@pytest.mark.parametrize("coordinator", ["away", "there"])
@pytest.mark.parametrize("outage", [Outage("killed", 0, 1), *([Outage("frozen", 1, 2)] if ALL else [])], ids=repr)
async def test_workers_that_are_started_while_two_brokers_are_away_wait_for_one_of_them(
    cluster: LocalCluster, bus_prefix: str, outage: Outage, coordinator: str
) -> None:
    """They name both and say why, end with exit code 3 if that takes too long, and else go on by themselves.

    So also if the coordinator of the routers' group is the broker that is left: it answers, and can't store members.
    """
    numbers = outage.numbers if coordinator == "away" else sorted({0, 1, 2} - set(outage.numbers))
    prefix = await prefix_coordinated_by(cluster, numbers, bus_prefix)
    async with a_bus(cluster.bootstrap, prefix, replication=3) as bus, AsyncExitStack() as stack:
        await bus.arrive("chat-1")
        await bus.request("ana")
        await asyncio.to_thread(outage.begin, cluster)
        names = [re.escape(node.bootstrap) for node in outage.away(cluster)]
        why = r"\((connection refused|no answer within 1 s)\)"
        away = rf"{names[0]} {why} and {names[1]} {why}"
        impatient = await stack.enter_async_context(bus.router(broker_wait_seconds=2))
        assert await impatient.ended() == 3
        assert re.search(rf"{away} are away, and .* failed \(waited 2 s\): ", impatient.log), impatient.log
        router = await stack.enter_async_context(bus.router(broker_wait_seconds=120))
        monitor = await stack.enter_async_context(a_monitor(**bus.settings(broker_wait_seconds=120)))
        for worker in (router, monitor):
            await worker.logged(rf"waiting for {away}, since ")
        status, body = await router.get("/readyz")
        assert status == 503
        assert re.search(rf"waiting for {away}", body), body
        back = outage.away(cluster)[0]
        await asyncio.to_thread(back.start if outage.how == "killed" else back.resume)
        await bus.until_decided("chat-assigned", "chat-1", SERVED_SECONDS)
        await router.ready(SERVED_SECONDS)
        await monitor.shows("/api/agents", lambda agents: [row["agent_id"] for row in agents] == ["ana"])
        await monitor.stop()
        await router.stop()
        assert await bus.check() == 2
