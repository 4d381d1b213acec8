"""Events of several topics are taken in the order in which they happened, as far as their timestamps tell."""

from switchboard.kafka.topics import Topic
from tests.routers import a_bus

BEGUN_MS = 1_769_846_400_000
"""2026-01-31T08:00:00Z."""


async def test_after_an_outage_no_abandonment_stands_before_its_own_arrival(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """1,000 chats that came and went while no router was there, over several partitions: journaled by timestamp."""
    chats = 1000
    order = list(range(chats))
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=3) as bus:
        send = bus._producer.send
        for number in order:
            body = b'{"chat_id":"c-%d"}' % number
            at, partition = BEGUN_MS + 10 * number, number * 7 % 3
            await send(bus.names.of(Topic.CHAT_ARRIVAL), body, timestamp_ms=at, partition=partition)
        for number in order:
            body = b'{"type":"chat-abandoned","chat_id":"c-%d"}' % number
            at, partition = BEGUN_MS + 10 * number + 5, number * 5 % 3
            await send(bus.names.of(Topic.CHAT_LIFECYCLE), body, timestamp_ms=at, partition=partition)
        await bus._producer.flush()
        async with bus.router() as router:
            await bus.until(lambda: len(bus.ids("chat-closed")) == chats and len(bus.journaled) == 2 * chats, 40)
            await router.stop()
        assert [event["type"] for event in bus.journaled] == ["chat-arrival", "chat-abandoned"] * chats
        assert bus.ids("chat-queued") == [f"c-{number}" for number in order]
        assert await bus.check() == 2 * chats


async def test_events_of_one_moment_are_taken_by_type(broker_bootstrap: str, bus_prefix: str) -> None:
    """Configuration, login, arrival, request, acceptance, the rest of a chat, the rest of an agent."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        wanted: list[tuple[Topic, dict[str, object]]] = [
            (Topic.ROUTING_CONFIG, {"pool": "p", "config": {"queues": [{"name": "q"}], "profiles": [{"name": "a"}]}}),
            (Topic.AGENT_PRESENCE, {"type": "agent-logged-in", "pool": "p", "agent_id": "ana"}),
            (Topic.CHAT_ARRIVAL, {"type": "chat-arrival", "pool": "p", "chat_id": "c"}),
            (Topic.REQUEST_CHAT, {"type": "request-chat", "pool": "p", "agent_id": "ana"}),
            (Topic.CHAT_ACCEPTED, {"type": "chat-accepted", "pool": "p", "agent_id": "ana", "chat_id": "c"}),
            (Topic.CHAT_LIFECYCLE, {"type": "chat-concluded", "pool": "p", "chat_id": "c"}),
            (Topic.AGENT_PRESENCE, {"type": "agent-heartbeat", "pool": "p", "agent_id": "ana"}),
        ]
        for topic, body in [*reversed(wanted[:-1]), wanted[-1]]:  # the login stands before the heartbeat in its topic
            await bus.say(topic, body, key=b"p", timestamp_ms=BEGUN_MS)
        async with bus.router() as router:
            await bus.until(lambda: len(bus.journaled) == len(wanted))
            await router.stop()
        assert [event["type"] for event in bus.journaled] == [body.get("type", "pool-configured") for _, body in wanted]
        assert bus.ids("assignment-confirmed") == ["c"]
