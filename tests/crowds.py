"""A steady load: a seeded crowd of customers and agents on a test's bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

from switchboard.simulation.cast import Cast, Line, Post
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.crowd_bus import Bus as CrowdsBus
from switchboard.simulation.people import Behaviour
from switchboard.simulation.tally import Tally
from tests.routers import Bus

POOLS = ("a", "b", "c", "d")
AGENTS_A_POOL = 30
SPEED = 100
"""A chat takes about 3 s, a customer's patience 6 s, an agent's stretch of work 36 s."""


def _cast() -> Cast:
    posts = [
        Post(f"{pool}-{number}", "pull" if number % 3 == 0 else "push", pool, "pull" if number % 3 == 0 else "push")
        for pool in POOLS
        for number in range(AGENTS_A_POOL)
    ]
    return Cast([Line(queue, pool) for pool in POOLS for queue in ("sales", "help")], posts)


async def configure(bus: Bus) -> None:
    """The pools' queues and profiles: short offers, wrap-up, a delay, limits on waiting and on silence."""
    for pool in POOLS:
        await bus.configure(
            pool,
            absent_after=30,
            queues=[{"name": "sales", "overflow_after": 4, "overflow_to": "help"}, {"name": "help", "max_wait": 20}],
            profiles=[
                {"name": "push", "offer_timeout": 5, "delay_between_chats": 1, "wrap_up_limit": 3},
                {"name": "pull", "mode": "pull", "pull_policy": "strict-priority", "offer_timeout": 5},
            ],
        )


@asynccontextmanager
async def a_crowd(bus: Bus, *, chats_a_second: int, seed: str) -> AsyncIterator[Tally]:
    """Customers arrive and agents answer, while the block runs; then everyone goes home. Four to six events a chat."""
    behaviour = replace(Behaviour().sped_up(SPEED), accept_median=0.2, click_median=0.3, heartbeat_every=5.0)
    arrivals = (number * 1000 // chats_a_second for number in count(1))
    crowd, tally = Crowd(_cast(), behaviour, arrivals, seed=seed, label=f"chat-{seed}"), Tally()
    stage = CrowdsBus(bus.conn, bus.names, crowd, tally)
    stop = asyncio.Event()
    await stage.open()
    playing = asyncio.create_task(stage.play(stop))
    try:
        yield tally
        assert not playing.done(), playing.exception()
    finally:
        stop.set()
        await playing
        await stage.end_simulation()
        await stage.close()


async def flows(bus: Bus, number: int, seconds: float = 40) -> None:
    """Wait until so many more decisions are visible in each shard."""

    def of_shard(shard: str) -> int:
        return sum(each["id"].split("/")[1] == shard for each in bus.decisions)

    goals = {shard: of_shard(shard) + number for shard in ("0", "1")}
    await bus.until(lambda: all(of_shard(shard) >= goal for shard, goal in goals.items()), seconds)
