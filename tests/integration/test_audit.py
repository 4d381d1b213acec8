"""The audit of live topics: what a real router decided is found right, and what is planted in its topics is found."""

import orjson
from aiokafka import AIOKafkaProducer

from switchboard.kafka.clients import producer
from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus


async def happen(bus: Bus) -> None:
    """A few chats with a push agent and a pull agent, up to a release."""
    async with bus.router() as router:
        await router.ready()
        await bus.presence("agent-logged-in", "ana")
        await bus.arrive("c-1", "c-2")
        offer = await bus.until_decided("chat-assigned", "c-1")
        await bus.accept("ana", "c-1", offer_id=offer["offer_id"])
        await bus.until_decided("chat-assigned", "c-2")
        await bus.request("bob")
        await bus.lifecycle("chat-declined", "c-2", agent_id="ana")
        await bus.until(lambda: len(bus.of("chat-assigned")) == 3)
        await bus.lifecycle("chat-concluded", "c-1")
        await bus.until_decided("chat-closed", "c-1")
        assert await router.stop() < 5


async def publish(bus: Bus, topic: Topic, value: bytes, partition: int) -> None:
    """Write what no router would."""
    writer: AIOKafkaProducer
    async with producer(bus.conn) as writer:
        await writer.send_and_wait(bus.names.of(topic), value, partition=partition)


async def test_a_router_s_topics_pass_and_a_foreign_decision_is_found(broker_bootstrap: str, bus_prefix: str) -> None:
    """Exit code 0, and 1 once somebody else has written to `assignment`; both say what was looked at."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        await happen(bus)
        good = await bus.run("audit", "--json")
        told = orjson.loads(good.out)
        assert (good.code, told["findings"]) == (0, []), good.err
        assert (told["offers"], told["chats"], told["logins"]) == (3, 2, 2)
        assert told["decisions"] == len(bus.decisions)
        closed = bus.of("chat-closed")[0]
        shard = int(closed["id"].split("/")[1])
        await publish(bus, Topic.ASSIGNMENT, orjson.dumps(closed), shard)
        bad = await bus.run("audit")
        assert bad.code == 1, bad.err
        assert f"decision {closed['id']}" in bad.out
        assert f"{bus.names.of(Topic.JOURNAL)}/{shard}@" in bad.out


async def test_topics_that_no_router_has_written_to_pass(broker_bootstrap: str, bus_prefix: str) -> None:
    """An empty journal holds nothing that could be wrong."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        done = await bus.run("audit")
        assert done.code == 0, done.err
        assert done.out.startswith("nothing found; looked at 0 frames")
