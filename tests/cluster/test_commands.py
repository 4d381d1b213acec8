"""Every command that talks to brokers, while brokers of a cluster are away."""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from switchboard.dev.local_broker import free_port
from switchboard.dev.local_cluster import LocalCluster
from switchboard.kafka.reading import partitions_of, read_to_now
from switchboard.kafka.topics import Topic
from tests.cluster.outages import ALL, Outage, noticed, whole
from tests.routers import Bus, Worker, a_bus, a_process, run
from tests.waiting import eventually

BAD = b"no JSON"
ROUTING = '[pools.default]\n[[pools.default.queues]]\nname = "default"\n[[pools.default.profiles]]\nname = "default"\n'
PATIENT: dict[str, Any] = {"broker_wait_seconds": 120}
"""What is tested is that the commands come through; how long they wait is tested beside it."""
ENDED_SECONDS = 120
LOADED = """
import importlib, sys, time
from pathlib import Path
from switchboard.cli.main import COMMANDS, main
gate = Path(sys.argv.pop(1))
importlib.import_module(f"switchboard.cli.{COMMANDS[sys.argv[1]].module}")
print("loaded", flush=True)
while not gate.exists():
    time.sleep(0.01)
main()
"""
"""A command that has loaded its libraries and begins once there is a file: all begin in the moment after an outage,
which the brokers notice after 3 s, while fifteen commands take ten to load."""


@asynccontextmanager
async def a_bus_with_a_past(cluster: LocalCluster, prefix: str, folder: Path) -> AsyncIterator[Bus]:
    """One chat was answered, one record is a dead letter, no router runs, and both kinds of logs are recorded."""
    async with a_bus(cluster.bootstrap, prefix, replication=3) as bus:
        (folder / "routing.toml").write_text(ROUTING)
        async with bus.router() as router:
            await router.ready()
            await bus.answered("ana", "chat-1")
            await bus.say(Topic.CHAT_ARRIVAL, BAD)
            await bus.until(lambda: len(bus.dead) == 1)
            await router.stop()
        for what in ("--bus", "--journal"):
            assert (await bus.run("record", what, "--out", str(folder / f"{what[2:]}.jsonl"))).code == 0
        yield bus


def commands(bus: Bus, folder: Path) -> list[tuple[str, ...]]:
    """All that talk to brokers, but the workers."""
    letter = bus.dead[0]
    return [
        ("topics", "create", "--sources"),
        ("topics", "check"),
        ("topics", "reset", bus.names.of(Topic.CHAT_ARRIVAL), "--from", "latest", "--yes"),
        ("config", "apply", str(folder / "routing.toml")),
        ("config", "show"),
        ("record", "--out", str(folder / "journal-again.jsonl")),
        ("record", "--from-rows", "--out", str(folder / "from-rows.jsonl")),
        ("record", "--bus", "--out", str(folder / "bus-again.jsonl")),
        ("replay", str(folder / "bus.jsonl"), "--to-bus"),
        ("verify", str(folder / "journal.jsonl")),
        ("audit",),
        ("dead-letter", "list"),
        ("dead-letter", "show", f"{letter.partition}@{letter.offset}"),
        ("dead-letter", "replay", "--all", "--yes"),
        ("simulate", "--for", "1s", "--agents", "2"),
    ]


async def arrivals(bus: Bus) -> Counter[bytes]:
    """How often each chat that is not simulated stands on `chat-arrival`, and what is no JSON."""
    found = Counter[bytes]()
    async with read_to_now(bus.conn, await partitions_of(bus.conn, [bus.names.of(Topic.CHAT_ARRIVAL)])) as batches:
        async for _, records in batches:
            for record in records:
                name = BAD if record.value == BAD else str(orjson.loads(record.value)["chat_id"]).encode()
                if not name.startswith(b"sim-"):
                    found[name] += 1
    return found


OUTAGES = [(Outage("killed", 0), False), (Outage("frozen", 1), True)]
if ALL:
    OUTAGES = [
        (Outage(how, number), long) for how in ("killed", "frozen") for number in range(3) for long in (False, True)
    ]


@pytest.mark.parametrize(("outage", "long"), OUTAGES, ids=repr)
async def test_every_command_does_its_work_with_one_broker_away(
    cluster: LocalCluster, bus_prefix: str, tmp_path: Path, outage: Outage, *, long: bool
) -> None:
    """Whether it went a moment ago or is known to be away; no record is sent twice because it was tried again."""
    async with a_bus_with_a_past(cluster, bus_prefix, tmp_path) as bus:
        asked, gate = commands(bus, tmp_path), tmp_path / "gate"
        loaded = (sys.executable, "-c", LOADED, str(gate))
        async with AsyncExitStack() as stack:
            env = bus.environment(**PATIENT)
            started = [
                await stack.enter_async_context(a_process(Worker, *each, env=env, entry=loaded)) for each in asked
            ]
            for worker in started:
                await worker.logged("loaded", ENDED_SECONDS)
            await asyncio.to_thread(outage.begin, cluster)
            if long:
                await noticed(cluster, len(cluster.nodes) - 1)
            gate.touch()
            for command, worker in zip(asked, started, strict=True):
                assert await worker.ended(ENDED_SECONDS) == 0, (command, worker.log)
                assert "Traceback" not in worker.log, command
        # Each was there once; the log that was replayed has both, and the dead letter is one of them.
        assert await arrivals(bus) == {b"chat-1": 2, BAD: 3}


async def test_commands_wait_for_one_of_two_brokers_that_are_away(
    cluster: LocalCluster, bus_prefix: str, tmp_path: Path
) -> None:
    """Each comes through by itself once one is back; until then those that can't do their work name both."""
    async with a_bus_with_a_past(cluster, bus_prefix, tmp_path) as bus, AsyncExitStack() as stack:
        outage = Outage("killed", 0, 2)
        await asyncio.to_thread(outage.begin, cluster)
        away = " and ".join(rf"{re.escape(node.bootstrap)} \(connection refused\)" for node in outage.away(cluster))
        asked = commands(bus, tmp_path)
        env = bus.environment(**PATIENT)
        started = [await stack.enter_async_context(a_process(Worker, *each, env=env)) for each in asked]

        async def is_done_or_waits(worker: Worker) -> bool:
            return worker.process.returncode is not None or re.search(f"waiting for {away}", worker.log) is not None

        for worker in started:
            await eventually(partial(is_done_or_waits, worker), seconds=ENDED_SECONDS)
        waiting = [command for command, worker in zip(asked, started, strict=True) if worker.process.returncode is None]
        assert {each[0] for each in waiting} >= {"topics", "config", "replay", "dead-letter"}, "all that write wait"
        await asyncio.to_thread(outage.away(cluster)[0].start)
        for command, worker in zip(asked, started, strict=True):
            assert await worker.ended(ENDED_SECONDS) == 0, (command, worker.log)
        assert await arrivals(bus) == {b"chat-1": 2, BAD: 3}


async def test_topics_are_made_with_a_broker_away_and_one_that_has_never_been_there_is_waited_for(
    cluster: LocalCluster, bus_prefix: str
) -> None:
    """Brokers that the cluster knows hold replicas once they are back; with too few it waits only where one is away."""
    outage = Outage("killed", 1)
    await asyncio.to_thread(outage.begin, cluster)
    settings: dict[str, Any] = {"topic_prefix": bus_prefix, "broker_wait_seconds": 1}
    ran = await run("topics", "create", **settings | PATIENT, bootstrap_servers=cluster.bootstrap)
    assert ran.code == 0, ran.err
    assert f"made: {bus_prefix}journal" in ran.out
    await asyncio.to_thread(cluster.resume)
    await whole(cluster)
    settings |= {"topic_prefix": f"{bus_prefix}more.", "replication": 4}
    fourth = f"127.0.0.1:{free_port()}"
    ran = await run("topics", "create", **settings, bootstrap_servers=f"{cluster.bootstrap},{fourth}")
    told = rf"{fourth} \(connection refused\) is away, and making the topics failed \(waited 1 s\): topic \S+ could not"
    assert (ran.code, ran.out) == (3, ""), ran.err
    assert re.search(told, ran.err), ran.err
    ran = await run("topics", "create", **settings | PATIENT, bootstrap_servers=cluster.bootstrap)
    assert (ran.code, ran.out) == (1, ""), ran.err
    assert "could not be made" in ran.err
