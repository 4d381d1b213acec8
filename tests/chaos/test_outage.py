"""An outage of the router costs nobody anything: no offer lapses that nobody could see answered (R1, service time)."""

import asyncio
import time

from tests.chaos.conftest import AGENTS, Outage
from tests.routers import a_bus

OUTAGE_SECONDS = 60
"""Four times as long as an offer stands."""


async def test_standing_offers_that_were_accepted_during_an_outage_are_confirmed(
    broker_bootstrap: str, outage: Outage
) -> None:
    """100 offers of 15 s, SIGKILL, all accepted within 60 s without a router: all confirmed, no agent switched off."""
    async with a_bus(broker_bootstrap, outage.prefix) as bus:
        # What is tested is that time itself does no harm, so it has to pass.
        await asyncio.sleep(max(0.0, outage.since + OUTAGE_SECONDS - time.monotonic()))
        await bus.until(lambda: len(bus.ids("chat-assigned")) == AGENTS)
        assert bus.ids("assignment-confirmed") == [], "nobody was there to confirm anything"
        async with bus.router() as router:
            await bus.until(lambda: len(bus.ids("assignment-confirmed")) == AGENTS, 30)
            metrics = await router.metrics()
            # Then time runs on, so that an offer that had lapsed meanwhile would show.
            await bus.presence("agent-logged-in", "late")
            await bus.arrive("late")
            await bus.until(lambda: "late" in bus.ids("assignment-ended"), 30)
            await router.stop()
        assert bus.ids("assignment-ended") == ["late"]
        assert bus.ids("agent-made-unavailable", "agent_id") == ["late"]
        assert metrics['switchboard_decisions_total{pool="default",type="assignment-confirmed"}'] == AGENTS
        assert not any(each["automatic"] for each in bus.of("assignment-confirmed"))
        assert await bus.check() == 3 * AGENTS + 3
