"""An outage that lasts a minute, in which the other tests of this folder run."""

import asyncio
import time
import uuid
from dataclasses import dataclass

import pytest

from tests.routers import a_bus

AGENTS = 100


@dataclass(frozen=True, slots=True)
class Outage:
    """Offers of 15 s that stood when the router was killed, and were accepted while none was there."""

    prefix: str
    """Of the topics of its bus."""
    since: float
    """When (monotonic) the router was killed."""


@pytest.fixture(scope="package", autouse=True)
def outage(broker_bootstrap: str) -> Outage:
    """Has begun before the first test of this folder; nobody routes on its bus."""
    return asyncio.run(_begin(broker_bootstrap, f"t{uuid.uuid4().hex[:10]}."))


async def _begin(bootstrap: str, prefix: str) -> Outage:
    async with a_bus(bootstrap, prefix) as bus:
        await bus.configure(profiles=[{"name": "default", "offer_timeout": 15, "max_missed_offers": 1}])
        agents = [f"agent-{number}" for number in range(AGENTS)]
        async with bus.router() as router:
            await router.ready()
            await asyncio.gather(*(bus.presence("agent-logged-in", agent, max_sessions=1) for agent in agents))
            await asyncio.gather(*(bus.arrive(f"chat-{number}") for number in range(AGENTS)))
            await bus.until(lambda: len(bus.ids("chat-assigned")) == AGENTS)
            await router.kill()
        killed_at = time.monotonic()
        for offer in bus.of("chat-assigned"):
            await bus.accept(offer["agent_id"], offer["chat_id"])
        return Outage(prefix, killed_at)
