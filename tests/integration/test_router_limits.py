"""What anyone on the bus can make up is bounded, and who is there is served as if nothing had happened."""

from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord

from switchboard.journal.codec import MAX_VALUE_BYTES
from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus


def told(record: ConsumerRecord) -> tuple[str, str]:
    """Reason and limit of a dead letter."""
    headers = {name: value.decode() for name, value in record.headers}
    return headers["reason"], headers["detail"].partition(":")[0]


def refused(bus: Bus, limit: str) -> list[dict[str, Any]]:
    """The bodies of the records that a limit refused, as seen so far."""
    return [orjson.loads(each.value) for each in bus.dead if told(each) == ("over-limit", limit)]


async def test_made_up_agents_chats_and_pools_are_refused_and_those_that_exist_are_served(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Before and after a restart; when one has left there is room for another. The journal replays to the same."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        async with bus.router(max_agents=2, max_chats=2, max_pools=1) as router:
            await bus.answered("ana", "chat-1")
            await bus.presence("agent-logged-in", "ben", mode="pull")
            await bus.presence("agent-logged-in", "cyd")
            await bus.request("dan")
            await bus.until(lambda: len(refused(bus, "agents")) == 2)
            await bus.arrive("chat-2", "chat-3", "chat-2")
            await bus.until(lambda: len(refused(bus, "chats")) == 1)
            await bus.presence("agent-logged-in", "zoe", pool="pool-1")
            await bus.until_decided("chat-requested", "zoe")
            for number in range(2, 5):
                await bus.arrive("c", pool=f"pool-{number}")
            await bus.until(lambda: len(refused(bus, "pools")) == 3)
            assert [each["agent_id"] for each in refused(bus, "agents")] == ["cyd", "dan"]
            assert [each["chat_id"] for each in refused(bus, "chats")] == ["chat-3"]
            figures = await router.metrics()
            assert figures['switchboard_dead_letters_total{reason="over-limit"}'] == 6
            assert figures['switchboard_over_limit_total{limit="agents"}'] == 2
            assert figures['switchboard_limit_max{limit="chats",shard="0"}'] == 2
            await router.stop()
        async with bus.router(max_agents=2, max_chats=2, max_pools=1) as router:
            await bus.presence("agent-logged-in", "eve")
            await bus.until(lambda: len(refused(bus, "agents")) == 3)
            await bus.lifecycle("chat-concluded", "chat-1")
            await bus.until_decided("chat-closed", "chat-1")
            await bus.arrive("chat-4")
            await bus.until_decided("chat-queued", "chat-4")
            await bus.presence("agent-logged-out", "ben")
            await bus.presence("agent-logged-in", "eve")
            await bus.until_decided("chat-requested", "eve")
            await router.stop()
        assert {event["data"].get("agent_id") for event in bus.journaled} & {"cyd", "dan"} == set()
        await bus.check()


async def test_pools_that_were_never_configured_can_be_refused(broker_bootstrap: str, bus_prefix: str) -> None:
    """`default` among them; from its configuration on a pool is served."""
    async with (
        a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus,
        bus.router(unconfigured_pools="refuse") as router,
    ):
        await bus.arrive("chat-1")
        await bus.arrive("chat-2", pool="made-up")
        await bus.until(lambda: len(refused(bus, "unconfigured-pools")) == 2)
        await bus.configure("default")
        await bus.until(lambda: any(event["type"] == "pool-configured" for event in bus.journaled))
        await bus.arrive("chat-3")
        await bus.until_decided("chat-queued", "chat-3")
        await bus.arrive("chat-4", pool="made-up")
        await bus.until(lambda: len(refused(bus, "unconfigured-pools")) == 3)
        assert bus.ids("chat-queued") == ["chat-3"]
        await router.stop()
        await bus.check()


async def test_a_configuration_that_would_take_a_second_to_apply_is_refused(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """2,000 queues times 1,900 profiles are 64 KB of JSON; the configuration before holds."""
    queues, profiles = [{"name": f"q{number}"} for number in range(2_000)], [{"name": f"p{n}"} for n in range(1_900)]
    huge = {"pool": "default", "config": {"queues": queues, "profiles": profiles}}
    assert len(orjson.dumps(huge)) < MAX_VALUE_BYTES
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        await bus.configure("default", queues=[{"name": "before"}])
        for _ in range(10):
            await bus.say(Topic.ROUTING_CONFIG, huge, key=b"default")
        await bus.until(lambda: len(refused(bus, "configuration")) == 10)
        await bus.arrive("chat-1")
        assert (await bus.until_decided("chat-queued", "chat-1"))["queue"] == "before"
        await router.stop()
        await bus.check()
