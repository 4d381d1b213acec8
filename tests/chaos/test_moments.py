"""A router that is killed at whatever moment, opening and committing included, leaves shards that go on."""

import asyncio
from random import Random

from tests.crowds import a_crowd, configure
from tests.routers import a_bus

KILLS = 7
LONGEST_SECONDS = 2.5
"""From start to kill: starting takes about one second of it, taking the shards over from the dead another."""


async def test_kills_at_drawn_moments_leave_no_trace(broker_bootstrap: str, bus_prefix: str) -> None:
    """One router after another, each killed at a drawn moment of its life."""
    dice = Random("moments")  # noqa: S311 - a seed, so that a failure comes again
    async with a_bus(broker_bootstrap, bus_prefix, shards=2, session_ms=1_000) as bus:
        await configure(bus)
        async with a_crowd(bus, chats_a_second=30, seed="moments") as tally:
            for _ in range(KILLS):
                async with bus.router() as router:
                    await router.logged("assigned shards")
                    await asyncio.sleep(dice.random() * LONGEST_SECONDS)  # the moment is what is tested
                    await router.kill()
            async with bus.router() as router:
                await router.ready()
                await bus.until(lambda: len(bus.of("assignment-confirmed")) > 100, 40)
                assert tally.unsent == 0
        async with bus.router() as router:
            await bus.caught_up()
            await router.ready()
            await router.stop()
        assert await bus.check() == sum(tally.sent.values()) + 4
