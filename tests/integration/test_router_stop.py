"""A clean stop under load is quick and loses nothing."""

from collections import Counter

from switchboard.kafka.clients import transactional_producer
from switchboard.kafka.topics import Topic
from tests.crowds import a_crowd, configure
from tests.routers import Bus, a_bus
from tests.waiting import eventually


async def decided(bus: Bus, number: int) -> None:
    """Wait until so many more decisions are visible."""
    goal = len(bus.decisions) + number
    await bus.until(lambda: len(bus.decisions) >= goal, 30)


async def test_a_router_that_is_stopped_under_load_is_gone_within_5_s_and_the_next_goes_on(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """SIGTERM in mid-stream, twice: exit code 0 each time; what came meanwhile is served by the next one, once."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus:
        await configure(bus)
        async with a_crowd(bus, chats_a_second=40, seed="stop") as tally:
            for _ in range(2):
                async with bus.router() as router:
                    await decided(bus, 300)
                    assert await router.stop() < 5
            async with bus.router() as router:
                await router.ready()
                await decided(bus, 300)

                async def accepted() -> int:
                    return tally.seen["assignment-confirmed"]

                await eventually(accepted, lambda number: number > 50)
        async with bus.router() as router:
            await bus.caught_up()
            await router.stop()
        assert await bus.check() == sum(tally.sent.values()) + 4
        closed = Counter(bus.ids("chat-closed"))
        assert closed
        assert max(closed.values()) == 1


async def test_a_router_that_is_stopped_while_it_opens_a_shard_is_gone_within_5_s(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Somebody's transaction on the rows stays open, and a restore waits for it: a stop does not."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        stranger = transactional_producer(bus.conn, f"{bus_prefix}stranger", timeout_ms=60_000)
        await stranger.start()
        try:
            await stranger.begin_transaction()
            await stranger.send_and_wait(bus.names.of(Topic.OPEN_CHATS), b"{}", key=b"x", partition=0)
            async with bus.router() as router:
                await router.logged("assigned shards")
                assert (await router.get("/readyz"))[0] == 503
                assert await router.stop() < 5
                assert "shard 0 is open" not in router.log
        finally:
            await stranger.abort_transaction()
            await stranger.stop()
