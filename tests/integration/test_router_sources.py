"""Source topics change under a router: new partitions are taken up; one made anew stops it until it is told more."""

import orjson
from aiokafka.admin import NewPartitions

from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import session
from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus
from tests.waiting import eventually


async def make_anew(bus: Bus, topic: Topic) -> None:
    """Delete a topic of the bus, and make it again, empty."""
    name = bus.names.of(topic)
    async with session(bus.conn) as client:
        await client.delete_topics([name])

        async def there() -> bool:
            return name in {told["topic"] for told in await client.describe_topics(None)}

        await eventually(there, lambda is_there: not is_there)
    await create_topics(bus.conn, bus.plan, bus_partitions=2)


async def test_new_partitions_of_a_source_topic_are_taken_up(broker_bootstrap: str, bus_prefix: str) -> None:
    """What is in them from their beginning is read, while the others are read on."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        async with bus.router_here(relist_every=0.5):
            for partition in (0, 1):
                await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": f"old-{partition}"}, partition=partition)
            await bus.until(lambda: len(bus.ids("chat-queued")) == 2)
            async with session(bus.conn) as client:
                await client.create_partitions({bus.names.of(Topic.CHAT_ARRIVAL): NewPartitions(4)})

            async def known() -> int:
                await bus._producer.client.force_metadata_update()
                return len(await bus._producer.partitions_for(bus.names.of(Topic.CHAT_ARRIVAL)))

            await eventually(known, lambda count: count == 4)  # brokers learn of them a little later
            for partition in range(4):
                await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": f"new-{partition}"}, partition=partition)
            await bus.until(lambda: len(bus.ids("chat-queued")) == 6, 30)
        await bus.check()


async def test_a_source_topic_made_anew_stops_the_router_until_it_is_told_where_to_go_on(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Never a silent jump: it ends, naming the command; after the command it goes on, with its state as it was."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        async with bus.router() as router:
            await router.ready()
            for number in range(6):
                await bus.arrive(f"c-{number}")
            await bus.until(lambda: len(bus.ids("chat-queued")) == 6)
            await make_anew(bus, Topic.CHAT_ARRIVAL)
            assert await router.ended(60) == 1
            name = bus.names.of(Topic.CHAT_ARRIVAL)
            command = f"switchboard topics reset {name} --from earliest|latest|TIME"
            assert command in router.log
            assert "Traceback" not in router.log
        ran = await bus.run("run", "router")
        assert ran.code == 1
        assert command in ran.err
        refusal = next(line.removeprefix("switchboard: ") for line in ran.err.splitlines() if command in line)
        ran = await bus.run("topics", "check")
        assert (ran.code, ran.out, ran.err) == (1, f"fault: {refusal}\n", ""), "as the router says it"
        ran = await bus.run("topics", "check", "--json")
        (told,) = orjson.loads(ran.out)
        assert (told["topic"], told["remedy"], told["fatal"]) == (name, command, True)
        await bus._producer.client.force_metadata_update()
        await bus.arrive("anew")
        ran = await bus.run("topics", "reset", name, "--from", "earliest", "--yes")
        assert ran.code == 0, ran.err
        assert f"shard 0 goes on reading {name} at offsets 0: 0, 1: 0" in ran.out
        ran = await bus.run("topics", "check")
        assert (ran.code, ran.out) == (0, "all topics are as they should be\n")
        async with bus.router() as router:
            await bus.until_decided("chat-queued", "anew")
            await bus.request("ana")
            assert (await bus.until_decided("chat-assigned", "c-0"))["agent_id"] == "ana"
            await router.stop()


async def test_a_reset_is_refused_while_routers_run(broker_bootstrap: str, bus_prefix: str) -> None:
    """They are named with their shards; --force resets all the same, and what runs goes on once it was fenced."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus:
        name = bus.names.of(Topic.CHAT_ARRIVAL)
        reset = ("topics", "reset", name, "--from", "earliest", "--yes")
        async with bus.router() as router:
            await router.ready()
            await bus.arrive("c-1")
            await bus.until_decided("chat-queued", "c-1")
            ran = await bus.run(*reset)
            assert (ran.code, ran.out) == (2, "")
            assert "nothing was reset: 1 router runs in group" in ran.err
            assert ", shards 0, 1\n" in ran.err
            assert "Traceback" not in ran.err
            ran = await bus.run(*reset, "--force")
            assert ran.code == 0, ran.err
            assert f"shard 1 goes on reading {name} at offsets" in ran.out
            await router.stop()
        ran = await bus.run(*reset)
        assert ran.code == 0, ran.err


async def test_a_reset_is_for_source_topics_that_are_there(broker_bootstrap: str, bus_prefix: str) -> None:
    """Any other name is wrong use: told, with those that there are."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        ran = await bus.run("topics", "reset", "chat-arrivals", "--from", "earliest", "--yes")
        assert ran.code == 2
        assert f"no source topic chat-arrivals on the bus; the router reads {bus_prefix}chat-arrival" in ran.err
        ran = await bus.run("topics", "reset", bus.names.of(Topic.CHAT_ARRIVAL), "--from", "soon", "--yes")
        assert ran.code == 2
        ran = await bus.run("topics", "reset", bus.names.of(Topic.CHAT_ARRIVAL), "--from", "latest", "--yes")
        assert ran.code == 2, "it would take the place of a first start, and of its --from for all other topics"
        assert "has never read the bus" in ran.err
