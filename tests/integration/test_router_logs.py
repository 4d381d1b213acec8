"""A router's log: lines that machines read, one for each turn of a shard's life, and nobody's id in them."""

import asyncio
import re
import signal
from typing import Any

import orjson

from switchboard.domain.rfc3339 import parse_ms
from switchboard.kafka.topics import Topic
from tests.routers import Bus, Router, a_bus
from tests.waiting import eventually

SOMEONE = "eve-4711"
"""Stands in every id and attribute of the test."""


def lines(router: Router) -> list[dict[str, Any]]:
    """Its log; every line is JSON with a time, a level and what happened."""
    found = [orjson.loads(line) for line in router.log.splitlines()]
    for line in found:
        assert parse_ms(line["time"]) > 0
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}
        assert line["event"]
    return found


async def good_and_bad(bus: Bus, number: int) -> None:
    """A chat offered, and records that can't be taken, each with an id; wait until all were."""
    agent, chat = f"{SOMEONE}-agent-{number}", f"{SOMEONE}-chat-{number}"
    before = len(bus.dead)
    await bus.request(agent)
    await bus.arrive(chat, attributes={"name": SOMEONE})
    await bus.say(Topic.CHAT_ARRIVAL, b"no JSON of " + SOMEONE.encode())
    await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": chat, "queue": {SOMEONE: 1}})
    await bus.say(Topic.AGENT_PRESENCE, {"type": SOMEONE, "agent_id": agent})
    await bus.until_decided("chat-assigned", chat)
    await bus.until(lambda: len(bus.dead) == before + 3)


async def test_a_log_tells_a_shards_life_and_nobodys_id(broker_bootstrap: str, bus_prefix: str) -> None:
    """Opened, dead letters set aside, given up, stopped: with the shard in a field of its own."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_format="json") as router:
        await router.ready()
        await good_and_bad(bus, 1)
        await router.logged("set aside on dead-letter")
        await router.stop()
        assert SOMEONE not in router.log
        told = lines(router)
        for words in ("is open after", "set aside on dead-letter: ", "is given up"):
            (first, *_) = (line for line in told if words in line["event"])
            assert first["shard"] == 0, first
        assert told[-1]["event"] == "the router has stopped"
        opened = next(line for line in told if "is open after" in line["event"])
        assert opened["seconds"] > 0


async def test_a_flood_of_bad_records_is_a_few_lines(broker_bootstrap: str, bus_prefix: str) -> None:
    """They are counted in metrics and kept in dead-letter; the log says that there are some, and where."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_format="json") as router:
        await router.ready()
        await asyncio.gather(*(bus.say(Topic.CHAT_ARRIVAL, b"no JSON") for _ in range(500)))
        await bus.until(lambda: len(bus.dead) == 500)
        await router.stop()
        told = [line for line in lines(router) if "set aside" in line["event"]]
        assert 1 <= len(told) <= 10
        assert {"topic", "partition", "offset"} <= told[0].keys()


async def test_the_level_is_changed_while_it_runs(broker_bootstrap: str, bus_prefix: str) -> None:
    """SIGUSR1: debug, who was decided on is told; SIGUSR2: as it was set, and no more of that."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_format="json") as router:
        await router.ready()
        router.send(signal.SIGUSR1)
        await router.logged("the log level is debug")
        await good_and_bad(bus, 1)
        await router.logged(rf"decided: .*{SOMEONE}-chat-1")
        router.send(signal.SIGUSR2)
        await router.logged("the log level is info")
        detailed = router.log
        await good_and_bad(bus, 2)
        await router.stop()
        assert SOMEONE not in router.log.removeprefix(detailed)
        assert len(lines(router)) > len(re.findall("decided: ", router.log)) > 0


async def test_a_console_has_the_same_lines(broker_bootstrap: str, bus_prefix: str) -> None:
    """For people: no JSON, no colours where it is no terminal, and no ids either."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await router.ready()
        await good_and_bad(bus, 1)
        await router.logged("set aside on dead-letter")
        await router.stop()

        async def log() -> str:
            return router.log

        told = await eventually(log, lambda text: "the router has stopped" in text)
        assert SOMEONE not in told
        assert "\x1b[" not in told
        assert re.search(r"shard=0\b", told)
