"""The monitor sees whether chats are routed: with real routers that run, die and come back."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from switchboard import errors
from switchboard.errors import WrongTopicsError
from switchboard.kafka.clients import reader, session, transactional_producer
from switchboard.kafka.topics import Topic, shard_id
from switchboard.monitor.bus_watch import REPORT_AFTER_SECONDS, RoutingStatus, watch_routing
from switchboard.monitor.worker import MonitorConfig, serve_monitor
from tests.routers import Bus, a_bus
from tests.waiting import eventually


@pytest.fixture
async def bus(broker_bootstrap: str, bus_prefix: str) -> AsyncIterator[Bus]:
    """Two shards."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as made:
        yield made


async def test_a_router_that_idles_is_well_and_one_that_was_killed_is_missed(bus: Bus) -> None:
    """Markers of others' transactions are nothing that it left unread; what arrives after its death is."""
    shards = bus.plan.shards
    routing = RoutingStatus(shards, bus.names.of(Topic.CHAT_ARRIVAL))
    watching = asyncio.create_task(watch_routing(bus.conn, bus.group, routing))

    async def told() -> Any:
        return routing.as_json(time.time())

    try:
        async with bus.router() as router:
            await router.ready()
            await in_a_transaction(bus, b'{"chat_id":"c1"}')
            await bus.until_decided("chat-queued", "c1")
            await asyncio.sleep(REPORT_AFTER_SECONDS + 4)
            assert not missed(await told())
            await eventually(lambda: lags(bus), lambda lag: lag == 0)
            await router.kill()
            await retain_nothing(bus)
            await bus.arrive("c2")
        seen = await eventually(told, missed, seconds=50)
        assert (seen["without_router"], seen["arrivals"]) == (list(range(shards)), 1)
        async with bus.router() as router:
            await router.ready()
            await eventually(told, lambda seen: not missed(seen))
    finally:
        watching.cancel()


async def test_a_monitor_that_can_no_longer_tell_whether_chats_are_routed_ends(bus: Bus) -> None:
    """By a defect of ours: to go on would be to say for ever what was so then."""

    async def broken(*_: object) -> None:
        raise RuntimeError("the name of a chat")

    with pytest.raises(errors.MonitorError, match=r"^it failed \(RuntimeError at .+\): start the monitor again$"):
        await serve_monitor(config_of(bus), asyncio.Event(), watch=broken)


async def test_a_monitor_whose_topics_are_gone_says_so_and_not_what_faust_made_of_it(bus: Bus) -> None:
    """To start it again would not help."""

    async def topics_go(*_: object) -> None:
        async with session(bus.conn) as client:
            await client.delete_topics([bus.names.of(Topic.OPEN_CHATS)])
        raise KeyError(bus.names.of(Topic.OPEN_CHATS))

    with pytest.raises(WrongTopicsError, match=rf"no such topic: {bus.names.of(Topic.OPEN_CHATS)};"):
        await serve_monitor(config_of(bus), asyncio.Event(), watch=topics_go)


def config_of(bus: Bus) -> MonitorConfig:
    """A monitor of the bus at any free port."""
    return MonitorConfig(bus.conn, bus.names, bus.group, 1, 5, "127.0.0.1", 0)


def missed(told: dict[str, Any]) -> bool:
    """Whether some shard is told as not routed."""
    return bool(told["without_router"] or told["standing_still"])


async def in_a_transaction(bus: Bus, value: bytes) -> None:
    """A chat arrives by a bus that writes in transactions."""
    stranger = transactional_producer(bus.conn, f"{bus.names.prefix}stranger")
    await stranger.start()
    try:
        async with stranger.transaction():
            await stranger.send_and_wait(bus.names.of(Topic.CHAT_ARRIVAL), value, partition=0)
    finally:
        await stranger.stop()


async def retain_nothing(bus: Bus) -> None:
    """The retention of the arrivals empties their first partition."""
    place = TopicPartition(bus.names.of(Topic.CHAT_ARRIVAL), 0)
    async with session(bus.conn) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=-1)})


async def lags(bus: Bus) -> int:
    """What a lag tool says of the shard of the topic's first partition."""
    place = TopicPartition(bus.names.of(Topic.CHAT_ARRIVAL), 0)
    async with session(bus.conn) as client:
        told = await client.list_consumer_group_offsets(shard_id(bus.group, 0))
    consumer = reader(bus.conn)
    await consumer.start()
    try:
        return int((await consumer.end_offsets([place]))[place] - told[place].offset)
    finally:
        await consumer.stop()
