"""The monitor's log, and the level of any worker's, changed while it runs: nobody's id in it above debug."""

import asyncio
import signal
from functools import partial
from pathlib import Path

from switchboard.kafka.clients import Connection
from switchboard.kafka.topics import Topic, TopicNames
from tests.monitors import agent, chat, free_port, starting, writing
from tests.routers import Worker, a_bus, a_process
from tests.waiting import eventually

SOMEONE = "eve-4711"
"""Stands wherever an id, or something else of somebody's, can."""
NOON = "2024-05-01T12:00:00Z"


def malformed(number: int) -> list[tuple[Topic, bytes, object]]:
    """Records that can't be shown, and would say of whom they are."""
    who = f"{SOMEONE}-{number}"
    queued = {"id": f"default/0/{number}/0", "type": "chat-queued", "at": NOON}
    return [
        (Topic.AGENT_CAPACITY, who.encode(), {**agent(who)[2], "sessions": [who]}),
        (Topic.OPEN_CHATS, who.encode(), {**chat(who, "waiting")[2], "arrived_at": who}),
        (Topic.ASSIGNMENT, who.encode(), {"id": f"default/0/{number}/{who}", "type": "chat-queued"}),
        (Topic.ASSIGNMENT, who.encode(), {**queued, "chat_id": who}),
    ]


async def test_a_monitors_level_is_changed_while_it_runs(conn: Connection, names: TopicNames) -> None:
    """SIGUSR1: debug, what is malformed is told; SIGUSR2: as it was set, and only where that is."""
    async with writing(conn, names) as rows, starting(conn, names, free_port()) as start:
        monitor = await start(log_format="json")
        await monitor.first("/healthz")

        async def said_of_bad_records(number: int, *, lines: int) -> str:
            before = len(monitor.log)
            await rows.commit(0, *malformed(number))
            await monitor.logged(rf"(?s)^.{{{before}}}(.*?\bnot a (row|decision)\b){{{lines}}}")
            return monitor.log[before:]

        assert SOMEONE not in await said_of_bad_records(1, lines=4)
        monitor.send(signal.SIGUSR1)
        await monitor.logged("the log level is debug")
        assert f"{SOMEONE}-2" in await said_of_bad_records(2, lines=8)
        monitor.send(signal.SIGUSR2)
        await monitor.logged("the log level is info")
        assert SOMEONE not in await said_of_bad_records(3, lines=4)
        await monitor.stop()


async def test_run_all_passes_the_level_on(broker_bootstrap: str, bus_prefix: str) -> None:
    """One signal, both workers: each says so, and who was decided on is told, or no more."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        told = bus.environment(web_port=free_port(), log_format="json")
        async with a_process(Worker, "run", "all", "--from", "earliest", env=told) as both:
            await both.logged("is open after")
            await both.logged("serving at ")
            both.send(signal.SIGUSR1)
            await both.logged("(?s)(the log level is debug.*){2}")
            await bus.request(f"{SOMEONE}-agent")
            await bus.arrive(f"{SOMEONE}-1")
            await both.logged(rf"decided: .*{SOMEONE}-1")
            both.send(signal.SIGUSR2)
            await both.logged("(?s)(the log level is info.*){2}")
            detailed = both.log
            await bus.arrive(f"{SOMEONE}-2")
            await bus.until_decided("chat-queued", f"{SOMEONE}-2")
            await both.stop()
            assert SOMEONE not in both.log.removeprefix(detailed)


async def children(worker: Worker) -> list[str]:
    """The processes that it started."""
    pid = worker.process.pid
    told = await asyncio.to_thread(Path(f"/proc/{pid}/task/{pid}/children").read_text)
    return told.split()


async def test_a_level_asked_for_at_once_ends_nobody(broker_bootstrap: str, bus_prefix: str) -> None:
    """Before the workers heed the signal it is lost on them, and they start all the same."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        told = bus.environment(web_port=free_port())
        async with a_process(Worker, "run", "all", "--from", "earliest", env=told) as both:
            await eventually(partial(children, both), lambda pids: len(pids) == 2)
            both.send(signal.SIGUSR1)
            await both.logged("is open after")
            await both.logged("serving at ")
            await both.stop()
