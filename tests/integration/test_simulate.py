"""`switchboard simulate` on a real broker with a real router: people come, are served, and go home."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import orjson

from switchboard.dev.local_broker import LocalBroker
from switchboard.kafka.reading import ends_of, partitions_of, restore
from switchboard.kafka.topics import Topic
from tests.routers import Bus, a_bus
from tests.waiting import eventually

ROUTING = """
[[pools.retail.queues]]
name = "accounts"
[[pools.retail.profiles]]
name = "pushed"
max_sessions = 2

[[pools.business.queues]]
name = "gold"
[[pools.business.queues]]
name = "standard"
[[pools.business.profiles]]
name = "pulled"
mode = "pull"
pull_policy = "strict-priority"
"""


async def who_is_there(bus: Bus) -> tuple[list[str], list[str]]:
    """The agents that are logged in and the chats that are open, by the router's own rows."""
    agents: list[str] = []
    chats: list[str] = []
    for shard in range(bus.plan.shards):
        rows = await restore(bus.conn, bus.names, shard)
        agents += [key.decode() for key in rows[Topic.AGENT_CAPACITY]]
        open_chats = rows[Topic.OPEN_CHATS].items()
        chats += [key.decode() for key, value in open_chats if orjson.loads(value)["stage"] != "closed"]
    return agents, chats


async def test_people_are_served_and_go_home(broker_bootstrap: str, bus_prefix: str) -> None:
    """On a bus without configuration: half push, half pull; at the end nobody is left, and nothing was lost."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        async with bus.router() as router:
            await router.ready()
            ran = await bus.run("simulate", "--agents", "8", "--speed", "200", "--for", "8s", "--json", seconds=60)
            assert ran.code == 0, ran.err
            told = orjson.loads(ran.out)
            assert told["arrived"] > 20
            assert told["accepted"] > 5
            assert told["follow_ups"] > 4
            assert told["clicks"] > 4
            assert told["events_lost"] == 0
            delay = told["publish_to_visible_ms"]["all"]
            assert 0 < delay["median"] <= delay["p99"]
            assert await bus.check() > told["arrived"]
            assert await who_is_there(bus) == ([], [])
            await router.stop()
        await bus.until(lambda: len(bus.of("assignment-confirmed")) >= told["accepted"])
        modes = {(each["mode"], each["origin"]) for each in bus.of("chat-assigned")}
        assert {("push", "push"), ("pull", "manual")} <= modes


async def test_a_routing_file_says_who_works_where_and_ctrl_c_ends_it_clean(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """Agents and chats are dealt out over its pools; interrupted, everyone goes home and the summary is printed."""
    file = tmp_path / "routing.toml"
    file.write_text(ROUTING)
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus, bus.router() as router:
        await router.ready()
        assert (await bus.run("config", "apply", str(file))).code == 0
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switchboard", "simulate", "--routing", str(file), "--speed", "200"),
            stdout=PIPE,
            stderr=PIPE,
            env=bus.environment(),
        )
        await bus.until(lambda: len(bus.of("assignment-confirmed")) > 10, seconds=60)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, err
        assert "accept to assignment-confirmed: median" in out.decode()
        await bus.check()
        await router.stop()
        assert await who_is_there(bus) == ([], [])

        def served() -> set[tuple[str, str, str]]:
            return {(each["profile"], each["mode"], each["queue"]) for each in bus.of("chat-assigned")}

        everyone = {("pushed", "push", "accounts"), ("pulled", "pull", "gold"), ("pulled", "pull", "standard")}
        await bus.until(lambda: served() == everyone)


async def test_it_ends_at_a_signal_though_its_broker_does_not_answer(private_broker: LocalBroker) -> None:
    """Customers who leave are said on a topic that its client has not used yet: 40 s of waiting for each of them."""
    async with a_bus(private_broker.bootstrap, "") as bus:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switchboard", "simulate", "--agents", "3", "--speed", "200"),
            stdout=PIPE,
            stderr=PIPE,
            env=bus.environment(),
        )
        arrivals = await partitions_of(bus.conn, [bus.names.of(Topic.CHAT_ARRIVAL)])
        await eventually(lambda: ends_of(bus.conn, arrivals), lambda ends: sum(ends.values()) >= 3)
        private_broker.suspend()
        try:
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 30)
        finally:
            private_broker.resume()
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, err


async def test_without_a_router_it_says_that_nothing_came_back(broker_bootstrap: str, bus_prefix: str) -> None:
    """The events are published all the same."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        ran = await bus.run("simulate", "--agents", "2", "--for", "3s")
        assert ran.code == 0
        assert "is a router running on this bus?" in ran.err
        assert " arrived, 0 assigned" in ran.out


async def test_wrong_use_is_told_before_anything_is_sent(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """Bad files and times: exit code 2, with file and line; no topics: 1; no broker: 3."""
    day = tmp_path / "day.csv"
    day.write_text("start,calls\n09:00,1\n09:15,many\n")
    routing = tmp_path / "routing.toml"
    routing.write_text('[pools.a]\nsed = "x"\n')
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        for arguments, says in (
            (("--arrivals", str(day)), f"{day}:3: expected a whole number of calls"),
            (("--routing", str(routing)), f"{routing}:2:"),
            (("--start", "noon"), "expected a time of day as HH:MM"),
            (("--for", "soon"), "expected a span of time as 45s"),
        ):
            ran = await bus.run("simulate", *arguments)
            assert (ran.code, says in ran.err) == (2, True), ran.err
        ran = await bus.run("simulate", topic_prefix=f"{bus_prefix}none.")
        assert ran.code == 2
        assert "switchboard topics create" in ran.err
        ran = await bus.run("simulate", bootstrap_servers="127.0.0.1:1", broker_wait_seconds=1)
        assert ran.code == 3
        assert "no broker answers at 127.0.0.1:1" in ran.err
