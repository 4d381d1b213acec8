"""A router on a bus: the least that it is for."""

from switchboard.kafka.topics import Topic
from tests.routers import a_bus


async def test_a_chat_is_assigned_confirmed_and_followed_up(broker_bootstrap: str, bus_prefix: str) -> None:
    """An arrival, a click and an acceptance give the offer, its confirmation and the push agent's next request."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await router.ready()
        await bus.arrive("c-1")
        await bus.request("ana")
        offer = await bus.until_decided("chat-assigned", "c-1")
        assert (offer["agent_id"], offer["origin"], offer["sessions"]) == ("ana", "manual", 1)
        await bus.accept("ana", "c-1", offer_id=offer["offer_id"])
        await bus.until_decided("assignment-confirmed", "c-1")
        follow_up = await bus.until_decided("chat-requested", "ana")
        assert follow_up["origin"] == "push"
        assert await router.stop() < 5
        assert await bus.check() == 3
        assert [each["source"][0] for each in bus.journaled] == [
            bus.names.of(topic) for topic in (Topic.CHAT_ARRIVAL, Topic.REQUEST_CHAT, Topic.CHAT_ACCEPTED)
        ]
