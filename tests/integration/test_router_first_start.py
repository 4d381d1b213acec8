"""Where a first start begins on a bus that holds events already, and that it is asked only once."""

from datetime import UTC, datetime

import pytest

from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus

BEGUN = datetime(2026, 1, 31, 8, tzinfo=UTC)


def at(minute: int) -> int:
    """A record's timestamp, so many minutes after the first."""
    return int(BEGUN.timestamp() * 1000) + 60_000 * minute


async def hold_events(bus: Bus) -> None:
    """Three chats, a minute apart, and a configuration older than all of them."""
    await bus.configure(queues=[{"name": "help"}])
    for minute in range(3):
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": f"c-{minute}"}, partition=minute % 2, timestamp_ms=at(minute))


async def test_a_first_start_on_a_bus_with_events_must_be_told_where(broker_bootstrap: str, bus_prefix: str) -> None:
    """It ends with exit code 1, names the topic and the option, and has taken nothing."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        await hold_events(bus)
        ran = await bus.run("run", "router")
        assert ran.code == 1
        assert f"({bus.names.of(Topic.CHAT_ARRIVAL)})" in ran.err
        assert "switchboard run router --from earliest|latest|TIME" in ran.err
        assert "Traceback" not in ran.err
        ran = await bus.run("run", "router", "--from", "yesterday")
        assert ran.code == 2
        assert "expected earliest, latest or a time" in ran.err
        await bus.look(200)
        assert bus.journaled == []


async def test_a_first_start_on_a_bus_without_events_needs_no_telling(broker_bootstrap: str, bus_prefix: str) -> None:
    """A configuration alone is none: it is applied, and what comes then is served."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        await bus.configure(queues=[{"name": "help"}])
        async with bus.router(start=None) as router:
            await router.ready()
            await bus.arrive("c-1")
            assert (await bus.until_decided("chat-queued", "c-1"))["queue"] == "help"


@pytest.mark.parametrize(
    ("start", "taken"),
    [("earliest", {"c-0", "c-1", "c-2"}), ("2026-01-31T08:01:00Z", {"c-1", "c-2"}), ("latest", set())],
)
async def test_a_first_start_begins_where_it_is_told(
    broker_bootstrap: str, bus_prefix: str, start: str, taken: set[str]
) -> None:
    """At the first record, at a time or behind the last; the configuration is read from its beginning all the same."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        await hold_events(bus)
        async with bus.router(start=start) as router:
            await router.ready()
            await bus.arrive("new")
            assert (await bus.until_decided("chat-queued", "new"))["queue"] == "help"
            await bus.until(lambda: set(bus.ids("chat-queued")) == taken | {"new"})
            await router.stop()
        if start != "latest":
            return
        # What is said later is ignored: the shard goes on where it was.
        await bus.arrive("meanwhile")
        async with bus.router(start="latest") as router:
            await router.logged("--from is for a first start only")
            await bus.until_decided("chat-queued", "meanwhile")
            await router.stop()
        assert sorted(bus.ids("chat-queued")) == ["meanwhile", "new"]
