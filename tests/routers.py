"""Routers as processes of their own on a bus of a test's own: publish, read what became visible, kill, stop, wait."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection, producer, reader
from switchboard.kafka.configuration_topic import write_configuration
from switchboard.kafka.positions import Start, caught_up
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from switchboard.router.loop_actions import FrameLimits
from switchboard.router.router import Router as RouterHere
from switchboard.router.shard import RouterConfig
from switchboard.tools.final_check import final_check
from tests.waiting import eventually

WRITTEN = (Topic.ASSIGNMENT, Topic.PUSH_REQUEST, Topic.DEAD_LETTER, Topic.JOURNAL)
"""What a test follows of the topics that the router writes."""
SESSION_MS = 4_000
READY_SECONDS = 45
FRAMES = FrameLimits(2_000)
EARLIEST = Start("earliest")
"""Where routers begin unless a test says otherwise: so it may publish before they are there."""
_COMMAND = (sys.executable, "-m", "switchboard")

Decision = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str


def environment(**settings: object) -> dict[str, str]:
    """Settings as a user gives them, and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return inherited | {f"SWITCHBOARD_{name.upper()}": str(value) for name, value in settings.items()}


async def run(*command: str, seconds: float = 40, **settings: object) -> Ran:
    """Run a `switchboard` command to its end."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *command, stdout=PIPE, stderr=PIPE, env=environment(**settings), cwd=tempfile.gettempdir()
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


class Worker:
    """A process of `switchboard run`; made by `a_process`."""

    def __init__(self, process: Process, log: IO[bytes]) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """All that it has logged until now."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode()

    async def logged(self, pattern: str, seconds: float = READY_SECONDS) -> re.Match[str]:
        """Wait until it has logged what the pattern tells."""

        async def look() -> re.Match[str] | None:
            found = re.search(pattern, self.log)
            assert found or self.process.returncode is None, f"it ended and never said {pattern}:\n{self.log}"
            return found

        found = await eventually(look, seconds=seconds)
        assert found is not None
        return found

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.kill()
        await self.process.wait()

    async def ended(self, seconds: float = 30) -> int:
        """Wait for its end; the exit code."""
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def stop(self) -> float:
        """SIGTERM; the seconds until it had ended, with exit code 0."""
        began = time.monotonic()
        self.process.terminate()
        code = await self.ended()
        assert code == 0, f"it ended with {code}:\n{self.log}"
        return time.monotonic() - began


class Router(Worker):
    """A `switchboard run router` of its own; made by `Bus.router`."""

    async def get(self, path: str) -> tuple[int, str]:
        """Ask its web server: status and body."""
        address = (await self.logged(r"/metrics, /healthz and /readyz at (http://127\.0\.0\.1:\d+)"))[1]
        async with aiohttp.ClientSession() as session, session.get(address + path) as answer:
            return answer.status, await answer.text()

    async def ready(self, seconds: float = READY_SECONDS) -> "Router":
        """Wait until it says that it is ready."""

        async def look() -> int:
            assert self.process.returncode is None, f"it ended:\n{self.log}"
            return (await self.get("/readyz"))[0]

        await eventually(look, lambda status: status == 200, seconds)
        return self

    async def metrics(self) -> dict[str, float]:
        """Its metrics: `name{labels}` as Prometheus reads them -> value."""
        status, body = await self.get("/metrics")
        assert status == 200
        lines = (line for line in body.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    async def owned(self) -> set[int]:
        """The shards that it serves now."""
        found = await self.metrics()
        owned = (re.fullmatch(r'switchboard_shard_owned\{shard="(\d+)"\}', name) for name, on in found.items() if on)
        return {int(each[1]) for each in owned if each}


Started = TypeVar("Started", bound=Worker)


@asynccontextmanager
async def a_router(start: str | None = None, **settings: object) -> AsyncIterator[Router]:
    """A router process with these settings; it is killed at the end if it is still there, and its log is printed."""
    begin = ["--from", start] if start is not None else []
    async with a_process(Router, "run", "router", *begin, env=environment(**settings)) as router:
        yield router


@asynccontextmanager
async def a_process(
    kind: Callable[[Process, IO[bytes]], Started],
    *arguments: str,
    env: dict[str, str],
    entry: Sequence[str] = _COMMAND,
    folder: str = tempfile.gettempdir(),
) -> AsyncIterator[Started]:
    """A worker started by `switchboard` with these arguments; killed at the end if it is still there, its log printed.

    Args:
        kind: what it is to a test.
        arguments: of the command.
        env: the whole environment.
        entry: another way to the command.
        folder: where it runs.
    """
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(*entry, *arguments, stdout=log, stderr=log, env=env, cwd=folder)
        worker = kind(process, log)
        try:
            yield worker
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            print(f"--- {' '.join(arguments)}: {process.pid}, exit code {process.returncode}\n{worker.log}")  # noqa: T201


class Bus:
    """Topics of a test's own, a producer to the bus's, and all that became visible on the router's so far."""

    def __init__(self, conn: Connection, plan: TopicPlan, group: str, session_ms: int) -> None:
        self.conn = conn
        self.plan = plan
        self.names = plan.names
        self.group = group
        self.session_ms = session_ms
        self.seen: dict[Topic, list[ConsumerRecord]] = {topic: [] for topic in WRITTEN}
        self._producer: AIOKafkaProducer = producer(conn)
        self._consumer: AIOKafkaConsumer = reader(conn)
        self._numbers = count(1)

    async def open(self) -> None:
        """Begin to follow what becomes visible, from the beginning."""
        await self._producer.start()
        await self._consumer.start()
        self._topics = {self.names.of(topic): topic for topic in WRITTEN}
        tps = [TopicPartition(name, shard) for name in self._topics for shard in range(self.plan.shards)]
        self._consumer.assign(tps)
        for tp in tps:
            self._consumer.seek(tp, 0)

    async def close(self) -> None:
        """Disconnect."""
        await self._producer.stop()
        await self._consumer.stop()

    async def say(self, topic: Topic | str, body: dict[str, Any] | bytes | None, **more: Any) -> None:
        """Publish a record to a source topic; more: key, headers, partition, timestamp_ms."""
        value = orjson.dumps(body) if isinstance(body, dict) else body
        await self._producer.send_and_wait(self.names.of(Topic(topic)), value, **more)

    async def arrive(self, *chats: str, **more: Any) -> None:
        """Chats arrive."""
        for chat in chats:
            await self.say(Topic.CHAT_ARRIVAL, {"chat_id": chat, **more})

    async def request(self, agent: str, **more: Any) -> None:
        """An agent asks for a chat."""
        await self.say(Topic.REQUEST_CHAT, {"agent_id": agent, **more})

    async def accept(self, agent: str, chat: str, **more: Any) -> None:
        """An agent accepts a chat."""
        await self.say(Topic.CHAT_ACCEPTED, {"agent_id": agent, "chat_id": chat, **more})

    async def lifecycle(self, event: str, chat: str, **more: Any) -> None:
        """Something else happens to a chat."""
        await self.say(Topic.CHAT_LIFECYCLE, {"type": event, "chat_id": chat, **more})

    async def presence(self, event: str, agent: str, **more: Any) -> None:
        """Something else happens to an agent."""
        await self.say(Topic.AGENT_PRESENCE, {"type": event, "agent_id": agent, **more})

    async def configure(self, pool: str = "default", **config: Any) -> None:
        """Apply a configuration; one queue and one profile, both `default`, unless told."""
        whole = {"queues": [{"name": "default"}], "profiles": [{"name": "default"}], **config}
        await write_configuration(self.conn, self.names, self.group, [{"pool": pool, "config": whole}])

    async def look(self, milliseconds: int = 50) -> None:
        """Take in what has become visible."""
        for tp, records in (await self._consumer.getmany(timeout_ms=milliseconds)).items():
            self.seen[self._topics[tp.topic]].extend(records)

    @property
    def decisions(self) -> list[Decision]:
        """The decisions seen so far: those on `assignment`, then those on `push-request`."""
        return [orjson.loads(each.value) for each in self.seen[Topic.ASSIGNMENT] + self.seen[Topic.PUSH_REQUEST]]

    def of(self, *types: str) -> list[Decision]:
        """The decisions of these types seen so far."""
        return [each for each in self.decisions if each["type"] in types]

    def ids(self, decision_type: str, subject: str = "chat_id") -> list[str]:
        """Whom the decisions of a type seen so far are about, in order."""
        return [each[subject] for each in self.of(decision_type)]

    @property
    def dead(self) -> list[ConsumerRecord]:
        """The dead letters seen so far."""
        return self.seen[Topic.DEAD_LETTER]

    @property
    def journaled(self) -> list[dict[str, Any]]:
        """The events in the journals seen so far."""
        return [event for each in self.seen[Topic.JOURNAL] for event in orjson.loads(each.value)["events"]]

    async def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        """Take in what becomes visible until something holds of it."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"not within {seconds} s; seen:\n" + "\n".join(map(str, self.decisions))
            await self.look()

    async def until_decided(self, decision_type: str, subject: str, seconds: float = 20) -> Decision:
        """Wait for a decision of a type about a chat or an agent."""

        def found() -> Decision | None:
            named = (each for each in self.of(decision_type) if subject in (each.get("chat_id"), each.get("agent_id")))
            return next(named, None)

        await self.until(lambda: found() is not None, seconds)
        decision = found()
        assert decision is not None
        return decision

    async def answered(self, agent: str, chat: str) -> None:
        """A chat arrives, and an agent asks for one, is offered it and accepts."""
        await self.arrive(chat)
        await self.request(agent)
        await self.until_decided("chat-assigned", chat)
        await self.accept(agent, chat)
        await self.until_decided("assignment-confirmed", chat)

    async def serves(self, pool: str = "default", seconds: float = 20) -> None:
        """Have a new agent and a new chat meet: whatever was published before has then been taken, if of one shard."""
        number = next(self._numbers)
        agent, chat = f"probe-agent-{number}", f"probe-chat-{number}"
        await self.presence("agent-logged-in", agent, pool=pool, max_sessions=1, mode="pull")
        await self.say(Topic.CHAT_ARRIVAL, {"chat_id": chat, "pool": pool})
        await self.until(lambda: chat in self.ids("chat-queued"), seconds)

    def in_process(
        self, start: Start | None = EARLIEST, *, frames: FrameLimits = FRAMES, **config: Any
    ) -> RouterConfig:
        """The configuration of a router or shard within the test's own process; more: fields of `RouterConfig`."""
        return RouterConfig(
            self.conn, self.names, self.plan.shards, self.group, frames, merge_wait=0.5, start=start, **config
        )

    @asynccontextmanager
    async def router_here(self, start: Start | None = EARLIEST, **config: Any) -> AsyncIterator[RouterHere]:
        """A router in the test's own process, to be looked into or tampered with; stopped at the end."""
        stop = asyncio.Event()
        router = RouterHere(self.in_process(start, **config), self.plan, self.session_ms)
        running = asyncio.create_task(router.run(stop))
        try:
            yield router
        finally:
            stop.set()
            await running

    def settings(self, **settings: object) -> dict[str, object]:
        """The settings of this bus, and more."""
        return {
            "bootstrap_servers": self.conn.bootstrap,
            "topic_prefix": self.names.prefix,
            "source_prefix": self.names.source_prefix,
            "group_id": self.group,
            "shards": self.plan.shards,
            "replication": self.plan.replication,
            "session_timeout_ms": self.session_ms,
            "metrics_port": 0,
            **settings,
        }

    def environment(self, **settings: object) -> dict[str, str]:
        """They, as a process gets them."""
        return environment(**self.settings(**settings))

    async def run(self, *command: str, seconds: float = 40, **settings: object) -> Ran:
        """Run a `switchboard` command on this bus to its end."""
        return await run(*command, seconds=seconds, **self.settings(**settings))

    @asynccontextmanager
    async def router(self, start: str | None = "earliest", **settings: object) -> AsyncIterator[Router]:
        """A router process on this bus; it is killed at the end if it is still there, and its log is printed."""
        async with a_router(start, **self.settings(**settings)) as router:
            yield router

    async def caught_up(self, within: float = 40) -> None:
        """Wait until the routers have taken all that was published."""
        assert await caught_up(self.conn, self.names, self.plan.shards, within=within), "the routers fell behind"

    async def check(self) -> int:
        """The final check, once all was taken; how many source records there were. Stop busy routers first."""
        await self.caught_up()
        found = await final_check(self.conn, self.names, self.plan.shards)
        assert found.holds, "\n".join(found.lines())
        return found.source_records


@asynccontextmanager
async def a_bus(
    where: str | Connection,
    prefix: str,
    *,
    shards: int = 1,
    bus_partitions: int = 2,
    session_ms: int = SESSION_MS,
    replication: int = 1,
) -> AsyncIterator[Bus]:
    """A bus with its topics made, on the brokers of these host:port or of this connection."""
    conn = Connection(where) if isinstance(where, str) else where
    min_insync = min(2, replication)
    plan = TopicPlan(TopicNames(prefix, prefix), shards=shards, replication=replication, min_insync=min_insync)
    await create_topics(conn, plan, bus_partitions=bus_partitions)
    bus = Bus(conn, plan, f"{prefix}group", session_ms)
    try:
        await bus.open()
        yield bus
    finally:
        await bus.close()


REPOSITORY = Path(__file__).parents[1]
