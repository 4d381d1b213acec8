"""An event that makes the engine fail is set aside, alone, and all around it is served; failing timers stop a shard."""

import asyncio
import contextlib

import aiohttp
import pytest

from switchboard.domain import engine
from switchboard.domain.events import RequestChat
from switchboard.domain.pool import Pool
from switchboard.domain.step import Step
from switchboard.kafka.topics import Topic
from switchboard.router.endpoints import serve_endpoints
from switchboard.router.loop_actions import FrameLimits
from tests.routers import Bus, a_bus


def curse(monkeypatch: pytest.MonkeyPatch, *agents: str) -> None:
    """Have the engine fail on requests of these agents, once they are applied."""
    fields, apply = engine._APPLICATIONS["request-chat"]

    def cursed(pool: Pool, step: Step, event: RequestChat) -> str | None:
        ignored = apply(pool, step, event)
        if event.agent_id in agents:
            raise ZeroDivisionError(f"cursed: {event.agent_id}")
        return ignored

    monkeypatch.setitem(engine._APPLICATIONS, "request-chat", (fields, cursed))


def headers(bus: Bus) -> list[dict[str, str]]:
    """The headers of the dead letters, as text."""
    return [{name: value.decode() for name, value in each.headers} for each in bus.dead]


async def test_an_event_that_fails_alone_is_set_aside(
    broker_bootstrap: str, bus_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on `dead-letter` as it came, with the error; what came before it and what comes after is decided on."""
    curse(monkeypatch, "boom")
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        async with bus.router_here() as router:
            await bus.arrive("c-1")
            await bus.until_decided("chat-queued", "c-1")
            await bus.request("boom", request_id="r-1", nonsense=[1, 2])
            await bus.until(lambda: len(bus.dead) == 1)
            await bus.request("ana")
            assert (await bus.until_decided("chat-assigned", "c-1"))["agent_id"] == "ana"
            assert router.status().health == {}
        [told] = headers(bus)
        assert (told["reason"], told["detail"]) == ("engine-error", "ZeroDivisionError: cursed: boom")
        assert bus.dead[0].value == b'{"agent_id":"boom","request_id":"r-1","nonsense":[1,2]}'
        where = (told["source-topic"], told["source-partition"], told["source-offset"])
        assert where == (bus.names.of(Topic.REQUEST_CHAT), "0", "0")
        await bus.check()


async def test_failing_events_of_a_large_frame_are_found(
    broker_bootstrap: str, bus_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two among many that came while no router was there: those two are set aside, and none of the others is lost."""
    curse(monkeypatch, "agent-3", "agent-17")
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        await bus.arrive(*(f"c-{number}" for number in range(20)))
        for number in range(20):
            await bus.request(f"agent-{number}")
        async with bus.router_here():
            await bus.until(lambda: len(bus.ids("chat-assigned")) >= 18)
            await bus.arrive("late")
            await bus.until_decided("chat-queued", "late")
        assert [each["detail"][-8:].strip() for each in headers(bus)] == ["agent-3", "agent-17"]
        assert sorted(bus.ids("chat-queued")) == sorted([*(f"c-{number}" for number in range(20)), "late"])
        assert {"agent-3", "agent-17"}.isdisjoint(bus.ids("chat-assigned", "agent_id"))
        assert await bus.check() == 41


async def test_an_event_that_makes_a_row_too_large_is_set_aside(broker_bootstrap: str, bus_prefix: str) -> None:
    """A chat that too many have passed over can't be remembered: who asks for it next is not heard, all else is."""
    small_rows = FrameLimits(2_000, row_bytes=1000)  # of agents with such ids some 7,000 would be needed, not 5
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        async with bus.router_here(frames=small_rows):
            await bus.arrive("c-1")
            for agent in (f"{number}{'x' * 127}" for number in range(8)):
                await bus.request(agent)
                await bus.until(lambda: bool(bus.dead) or len(bus.of("chat-assigned")) > len(bus.of("chat-requeued")))
                if bus.dead:
                    break
                await bus.lifecycle("chat-declined", "c-1", agent_id=agent)
                await bus.until(lambda: len(bus.of("chat-assigned")) == len(bus.of("chat-requeued")))
            await bus.arrive("c-2")
            await bus.until_decided("chat-queued", "c-2")
        [told] = headers(bus)
        assert told["reason"] == "engine-error"
        assert "the row of open-chats for default/c-1 takes" in told["detail"]
        assert told["source-topic"] == bus.names.of(Topic.REQUEST_CHAT)
        await bus.check()


async def test_a_shard_whose_timers_fail_stops_and_says_so(
    broker_bootstrap: str, bus_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much traffic there is: nobody can go on, so /healthz says it, the process stays, nothing is half done."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("time itself is cursed")

    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        await bus.configure(profiles=[{"name": "default", "offer_timeout": 5}])
        async with bus.router_here() as router:
            web = await serve_endpoints(router.status, "127.0.0.1", 0)
            address = "http://{}:{}".format(*web.addresses[0][:2])
            await bus.request("ana")
            await bus.arrive("c-1")
            await bus.until_decided("chat-assigned", "c-1")
            monkeypatch.setattr(engine, "pass_time", fail)

            async def go_on() -> None:
                while True:
                    await asyncio.gather(*(bus.presence("agent-heartbeat", "ana") for _ in range(50)))

            traffic = asyncio.create_task(go_on())

            try:
                await bus.until(lambda: bool(router.status().health), 40)
                async with aiohttp.ClientSession(address) as session:
                    async with session.get("/healthz") as answer:
                        assert answer.status == 503
                        told = await answer.json()
                        assert "shard 0 stopped for a human: shard 0, frame " in told["reason"]
                        assert "ZeroDivisionError at " in told["reason"]
                        assert told["shards"]["0"]["state"] == "stopped"
                    async with session.get("/livez") as answer:
                        assert answer.status == 200, "it would stop again after a restart, and other shards with it"
                assert not router.status().is_ready
            finally:
                traffic.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await traffic
                await web.cleanup()
        assert bus.dead == []
        monkeypatch.undo()
        async with bus.router_here():
            await bus.until(lambda: bus.of("assignment-ended") != [])
        assert bus.of("assignment-ended")[0]["reason"] == "missed"
        await bus.check()
