"""Routers share shards: both serve, one that dies is followed, one that slept stands back."""

import asyncio
import signal
import time

from switchboard.errors import WrongTopicsError
from switchboard.kafka.clients import session
from switchboard.kafka.topics import Topic
from switchboard.router.router import Router as RouterHere
from tests.routers import Bus, Router, a_bus
from tests.waiting import eventually

SESSION_MS = 3_000
POOLS = ("a", "b", "c", "d")
"""Of two shards each has some of these."""


async def share(first: Router, second: Router) -> None:
    """Wait until each of two routers serves one of two shards."""

    async def look() -> tuple[set[int], set[int]]:
        return await first.owned(), await second.owned()

    await eventually(look, lambda held: sorted(map(sorted, held)) == [[0], [1]], 40)


async def serve_all(bus: Bus, mark: str, seconds: float = 30) -> None:
    """Have a chat of each pool queued."""
    for pool in POOLS:
        await bus.arrive(f"{mark}-{pool}", pool=pool)
    await bus.until(lambda: {f"{mark}-{pool}" for pool in POOLS} <= set(bus.ids("chat-queued")), seconds)


async def test_two_routers_serve_two_shards_and_one_takes_over_when_the_other_is_killed(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """The dead one's shard is served again after its session and a restore; a third router stands by, ready."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2, session_ms=SESSION_MS) as bus, bus.router() as first:
        await first.ready()
        await serve_all(bus, "one")
        async with bus.router() as second, bus.router() as third:
            await second.ready()
            await third.ready()

            async def spread() -> list[int]:
                return sorted([len(await router.owned()) for router in (first, second, third)])

            await eventually(spread, lambda counts: counts == [0, 1, 1], 40)
            await serve_all(bus, "shared")
            [stand_by] = [router for router in (first, second, third) if not await router.owned()]
            await stand_by.ready()
            serving = [router for router in (first, second, third) if router is not stand_by]
            await serving[0].kill()
            killed_at = time.monotonic()
            await serve_all(bus, "after")
            assert time.monotonic() - killed_at < SESSION_MS / 1000 + 12
            await share(serving[1], stand_by)
            await serving[1].stop()
            await serve_all(bus, "alone")
            await stand_by.stop()
        assert await bus.check() == 4 * len(POOLS)


async def test_a_router_that_slept_past_its_session_stands_back(broker_bootstrap: str, bus_prefix: str) -> None:
    """SIGSTOP, another takes over, SIGCONT: it is fenced, says so, fences nobody, and nothing is decided twice."""
    async with a_bus(broker_bootstrap, bus_prefix, session_ms=SESSION_MS) as bus, bus.router() as sleeper:
        await sleeper.ready()
        await bus.request("ana")
        await bus.arrive("c-1")
        await bus.until_decided("chat-assigned", "c-1")
        async with bus.router() as other:
            await other.ready()
            sleeps = sleeper if await sleeper.owned() else other
            owner = other if sleeps is sleeper else sleeper
            sleeps.send(signal.SIGSTOP)
            await bus.accept("ana", "c-1")
            await bus.until_decided("assignment-confirmed", "c-1", 40)
            await bus.arrive("c-2")
            await bus.until_decided("chat-assigned", "c-2")
            sleeps.send(signal.SIGCONT)
            await sleeps.logged("was taken over")

            async def fenced() -> float:
                return (await sleeps.metrics())['switchboard_fenced_total{shard="0"}']

            await eventually(fenced, lambda times: times == 1)
            await sleeps.ready()
            await bus.accept("ana", "c-2")
            await bus.until_decided("assignment-confirmed", "c-2")
            assert await fenced() == 1
            told = await owner.metrics()
            assert told['switchboard_fenced_total{shard="0"}'] == 0
            depth = 'switchboard_queue_depth{pool="default",queue="default"}'

            async def told_by() -> list[tuple[bool, bool]]:
                return [(bool(await each.owned()), depth in await each.metrics()) for each in (sleeps, owner)]

            # One more has joined, so the shard is given out anew, to either; its figures are its owner's to tell.
            await eventually(told_by, lambda told: sorted(told) == [(False, False), (True, True)])
            await sleeps.stop()
            await owner.stop()
        assert bus.ids("assignment-confirmed") == ["c-1", "c-2"]
        assert await bus.check() == 5


async def test_a_router_that_stands_by_for_topics_that_are_gone_says_so_and_ends(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """It would stand by for ever, and look well; one that is started then ends in the same way."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        stop = asyncio.Event()
        routers = [RouterHere(bus.in_process(check_topics_every=0.5), bus.plan, bus.session_ms) for _ in range(2)]
        running = [asyncio.create_task(router.run(stop)) for router in routers]

        async def served() -> list[int]:
            return [len(router.status().shards) for router in routers if router.status().is_ready]

        await eventually(served, lambda numbers: sorted(numbers) == [0, 1])
        async with session(bus.conn) as client:
            await client.delete_topics([bus.names.of(Topic.JOURNAL)])
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        stop.set()
        await asyncio.wait(running)
        assert any(isinstance(each.exception(), WrongTopicsError) for each in done)
