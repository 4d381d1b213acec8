"""An outage of the router costs nobody anything: no offer lapses that nobody could see answered (R1, service time)."""

import asyncio

from switchboard.kafka.topics import Topic
from tests.routers import a_bus

AGENTS = 100
OUTAGE_SECONDS = 60
"""Four times as long as an offer stands."""


async def test_standing_offers_that_are_accepted_during_an_outage_are_confirmed(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """100 offers of 15 s, SIGKILL, all accepted within 60 s without a router: all confirmed, no agent switched off."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        await bus.configure(profiles=[{"name": "default", "offer_timeout": 15, "max_missed_offers": 1}])
        agents = [f"agent-{number}" for number in range(AGENTS)]
        async with bus.router() as router:
            await router.ready()
            await asyncio.gather(*(bus.presence("agent-logged-in", agent, max_sessions=1) for agent in agents))
            await asyncio.gather(*(bus.arrive(f"chat-{number}") for number in range(AGENTS)))
            await bus.until(lambda: len(bus.ids("chat-assigned")) == AGENTS)
            await router.kill()
        offers = {each["chat_id"]: each["agent_id"] for each in bus.of("chat-assigned")}
        outage = asyncio.create_task(asyncio.sleep(OUTAGE_SECONDS))
        for chat, agent in offers.items():
            await bus.accept(agent, chat)
        await outage
        assert bus.ids("assignment-confirmed") == [], "nobody was there to confirm anything"
        async with bus.router() as router:
            await bus.until(lambda: len(bus.ids("assignment-confirmed")) == AGENTS, 30)
            metrics = await router.metrics()
            # Time is let pass again, so that an offer that had lapsed meanwhile would show.
            await bus.say(Topic.AGENT_PRESENCE, {"type": "agent-logged-in", "agent_id": "late"})
            await bus.arrive("late")
            await bus.until(lambda: "late" in bus.ids("assignment-ended"), 30)
            await router.stop()
        assert bus.ids("assignment-ended") == ["late"]
        assert bus.ids("agent-made-unavailable", "agent_id") == ["late"]
        assert metrics['switchboard_decisions_total{pool="default",type="assignment-confirmed"}'] == AGENTS
        assert all(not each["automatic"] for each in bus.of("assignment-confirmed"))
        assert await bus.check() == 3 * AGENTS + 3
