"""Routers die and freeze under load, and nobody can tell from what was decided."""

import signal
from contextlib import AsyncExitStack

from tests.crowds import a_crowd, configure, flows
from tests.routers import Router, a_bus
from tests.waiting import eventually

SESSION_MS = 3_000
KILLS = 3


async def owner_of_some(routers: list[Router]) -> Router:
    """One that serves a shard."""

    async def look() -> list[Router]:
        return [router for router in routers if await router.owned()]

    return (await eventually(look, seconds=40))[0]


async def test_kills_and_a_zombie_under_load_leave_no_trace(broker_bootstrap: str, bus_prefix: str) -> None:
    """Two routers, two shards: three SIGKILLs, each followed by a newcomer, and one frozen past its session.

    Each source record is journaled once and in order; every decision is what the journal says, byte for byte.
    """
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(a_bus(broker_bootstrap, bus_prefix, shards=2, session_ms=SESSION_MS))
        await configure(bus)
        routers = [await stack.enter_async_context(bus.router()) for _ in range(2)]
        for router in routers:
            await router.ready()
        async with a_crowd(bus, chats_a_second=50, seed="chaos") as tally:
            await flows(bus, 100)
            for _ in range(KILLS):
                victim = await owner_of_some(routers)
                await victim.kill()
                routers.remove(victim)
                newcomer = await stack.enter_async_context(bus.router())
                routers.append(newcomer)
                await flows(bus, 100)
                await newcomer.ready()
            zombie = await owner_of_some(routers)
            zombie.send(signal.SIGSTOP)
            other = next(router for router in routers if router is not zombie)

            async def all_are_the_others() -> set[int]:
                return await other.owned()

            await eventually(all_are_the_others, lambda owned: owned == {0, 1}, 40)
            await flows(bus, 100)
            zombie.send(signal.SIGCONT)
            await zombie.ready()
            await flows(bus, 100)
        assert sum(tally.sent.values()) > 2_000
        assert tally.unsent == 0
        await bus.caught_up()
        for router in routers:
            await router.ready()
            await router.stop()
            assert "Traceback" not in router.log
        assert await bus.check() == sum(tally.sent.values()) + 4
