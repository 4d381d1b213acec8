"""Monitors as processes on the bus of a test, and a writer of the rows that they read."""

import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import IO, Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer

from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.topics import Topic, TopicNames, routers_group
from switchboard.monitor.public_rows import DecisionRecord
from tests.routers import Worker, a_process, environment
from tests.waiting import eventually

MEANT_FOR_OTHERS = {"PROCESSING_GUARANTEE": "at_least_once", "WEB_PORT": "1", "BROKER_URL": "kafka://127.0.0.1:1"}
"""Environment variables that Faust would prefer to its arguments."""

Answer = tuple[int, Any]


class Monitor(Worker):
    """A process `switchboard run monitor`, and a client of its web server."""

    def __init__(self, process: Process, log: IO[bytes], port: int, client: aiohttp.ClientSession) -> None:
        super().__init__(process, log)
        self._url = f"http://127.0.0.1:{port}"
        self._client = client

    async def ask(self, path: str) -> Answer:
        """The status and JSON of an answer; status 0 if nothing listens."""
        try:
            async with self._client.get(self._url + path) as answer:
                body: Any = await answer.json()
                return answer.status, body
        except aiohttp.ClientConnectionError:
            return 0, None

    async def first(self, path: str) -> Any:
        """The JSON of the first answer with status 200."""

        async def look() -> Answer:
            assert self.process.returncode is None, f"the monitor ended:\n{self.log}"
            return await self.ask(path)

        return (await eventually(look, lambda answer: answer[0] == 200, seconds=60))[1]

    async def shows(self, path: str, holds: Callable[[list[Any]], bool]) -> list[Answer]:
        """Ask until `holds` is true of the answer; all answers, the last included."""
        answers: list[Answer] = []

        async def look() -> Answer:
            answers.append(await self.ask(path))
            return answers[-1]

        await eventually(look, lambda answer: answer[0] == 200 and holds(answer[1]), seconds=60)
        return answers

    async def heartbeat(self) -> Any:
        """The next heartbeat of the stream."""
        async with self._client.get(f"{self._url}/api/stream") as answer:
            async for line in answer.content:
                if line == b"event: heartbeat\n":
                    return orjson.loads((await answer.content.readline()).removeprefix(b"data: "))
        raise AssertionError("the stream ended")

    async def ends(self, seconds: float) -> tuple[int, str]:
        """Wait for the end of the process; the exit code and the log."""
        return await self.ended(seconds), self.log


Start = Callable[..., Awaitable[Monitor]]


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        taken: int = probe.getsockname()[1]
        return taken


def installation(names: TopicNames) -> str:
    """The group id of the monitors that `starting` starts."""
    return f"{names.prefix}switchboard"


@asynccontextmanager
async def a_monitor(**settings: object) -> AsyncIterator[Monitor]:
    """A monitor with these settings, by default at a free port; killed at the end."""
    port = settings.setdefault("web_port", free_port())
    async with aiohttp.ClientSession() as client:
        kind = partial(Monitor, port=int(str(port)), client=client)
        async with a_process(kind, "run", "monitor", env=environment(**settings) | MEANT_FOR_OTHERS) as monitor:
            yield monitor


@asynccontextmanager
async def starting(conn: Connection, names: TopicNames, port: int) -> AsyncIterator[Start]:
    """A function that starts monitors; monitors that still run at the end are killed."""
    async with AsyncExitStack() as ending:

        async def run(**settings: object) -> Monitor:
            defaults = {
                "bootstrap_servers": conn.bootstrap,
                "topic_prefix": names.prefix,
                "source_prefix": names.source_prefix,
                "group_id": installation(names),
                "replication": 1,
                "web_port": port,
                "broker_wait_seconds": 3,
            }
            return await ending.enter_async_context(a_monitor(**defaults | settings))

        yield run


@asynccontextmanager
async def a_member(conn: Connection, names: TopicNames) -> AsyncIterator[AIOKafkaConsumer]:
    """A member of the routers' group that owns all shards and routes none."""
    consumer = AIOKafkaConsumer(
        names.of(Topic.JOURNAL),
        bootstrap_servers=conn.bootstrap,
        group_id=routers_group(installation(names)),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        await consumer.getmany(timeout_ms=100)
        yield consumer
    finally:
        await consumer.stop()


class Rows:
    """Writes rows as routers do: in one transaction for all changes, each shard in its own partition."""

    def __init__(self, ledgers: list[Ledger]) -> None:
        self._ledgers = ledgers

    async def commit(self, shard: int, *rows: tuple[Topic, bytes, object]) -> None:
        """Commit rows of a shard in one transaction; None is a tombstone, and bytes are written as they are."""
        batch = CommitBatch()
        for topic, key, value in rows:
            batch.add(topic, key, value if isinstance(value, bytes | None) else orjson.dumps(value))
        await self._ledgers[shard].commit(batch)


@asynccontextmanager
async def writing(conn: Connection, names: TopicNames, shards: int = 2) -> AsyncIterator[Rows]:
    """A writer of rows with open ledgers of all shards."""
    ledgers = [Ledger(conn, f"{names.prefix}shard-{shard}", names, shard) for shard in range(shards)]
    for ledger in ledgers:
        await ledger.open()
    try:
        yield Rows(ledgers)
    finally:
        for ledger in ledgers:
            await ledger.close()


def agent(agent_id: str, pool: str = "default") -> tuple[Topic, bytes, dict[str, Any]]:
    """The topic, key and row of an agent."""
    row = {
        "agent_id": agent_id,
        "pool": pool,
        "profile": "all",
        "mode": "push",
        "status": "available",
        "max_sessions": 2,
        "sessions": [{"chat_id": "c1", "stage": "active", "offer_id": f"{pool}/0/1/0"}],
        "free": 1,
        "request": {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z"},
        "engine": {"lot": 7},
    }
    return Topic.AGENT_CAPACITY, f"{pool}/{agent_id}".encode(), row


def chat(chat_id: str, stage: str, pool: str = "default") -> tuple[Topic, bytes, dict[str, Any]]:
    """The topic, key and row of a chat."""
    row = {
        "chat_id": chat_id,
        "pool": pool,
        "queue": "sales",
        "stage": stage,
        "arrived_at": "2024-05-01T12:00:00.000Z",
        "agent_id": None,
        "offer_id": None,
        "attempt": 0,
        "engine": {"position": [1, 0]},
    }
    return Topic.OPEN_CHATS, f"{pool}/{chat_id}".encode(), row


def gone(row: tuple[Topic, bytes, object]) -> tuple[Topic, bytes, None]:
    """The topic and key of a row, with a tombstone."""
    return row[0], row[1], None


def decision(made: DecisionRecord) -> tuple[Topic, bytes, bytes]:
    """The topic, key and value of a decision."""
    return Topic.ASSIGNMENT, made.fields["chat_id"].encode(), made.value
