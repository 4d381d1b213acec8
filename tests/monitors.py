"""Monitors as processes of their own on a bus of a test's own, and a writer of what they read."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson

from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.monitor.decisions import Decided
from tests.waiting import eventually

MEANT_FOR_OTHERS = {"PROCESSING_GUARANTEE": "at_least_once", "WEB_PORT": "1", "BROKER_URL": "kafka://127.0.0.1:1"}
"""Variables that Faust would put above what it is told."""

Answer = tuple[int, Any]


class Monitor:
    """A monitor's process and a client of it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, client: aiohttp.ClientSession) -> None:
        self._process = process
        self._url = f"http://127.0.0.1:{port}"
        self._client = client

    async def ask(self, path: str) -> Answer:
        """Status and JSON of an answer; status 0 while nobody listens."""
        try:
            async with self._client.get(self._url + path) as answer:
                body: Any = await answer.json()
                return answer.status, body
        except aiohttp.ClientConnectionError:
            return 0, None

    async def first(self, path: str) -> Any:
        """The first answer that is no refusal."""
        return (await eventually(lambda: self.ask(path), lambda answer: answer[0] == 200, seconds=60))[1]

    async def shows(self, path: str, holds: Callable[[list[Any]], bool]) -> list[Answer]:
        """What is told once it holds; every answer before that is kept to look at."""
        answers: list[Answer] = []

        async def look() -> Answer:
            answers.append(await self.ask(path))
            return answers[-1]

        await eventually(look, lambda answer: answer[0] == 200 and holds(answer[1]), seconds=60)
        return answers

    async def ends(self, seconds: float) -> tuple[int, str]:
        """Exit code and stderr, once it has ended."""
        _, stderr = await asyncio.wait_for(self._process.communicate(), seconds)
        assert self._process.returncode is not None
        return self._process.returncode, stderr.decode()

    def send(self, sent: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(sent)


Start = Callable[..., Awaitable[Monitor]]


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        taken: int = probe.getsockname()[1]
        return taken


@asynccontextmanager
async def starting(conn: Connection, names: TopicNames, port: int) -> AsyncIterator[Start]:
    """Starts monitors; those that still run at the end are killed."""
    async with AsyncExitStack() as ending:
        client = await ending.enter_async_context(aiohttp.ClientSession())

        async def run(bootstrap: str = conn.bootstrap, at: int = port, **settings: str) -> Monitor:
            told = _settings(bootstrap, names, at) | {
                f"SWITCHBOARD_{name.upper()}": settings[name] for name in settings
            }
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "switchboard", "run", "monitor"),
                env=os.environ | MEANT_FOR_OTHERS | told,
                stderr=asyncio.subprocess.PIPE,
            )
            ending.push_async_callback(_kill, process)
            return Monitor(process, at, client)

        yield run


def _settings(bootstrap: str, names: TopicNames, port: int) -> dict[str, str]:
    return {
        "SWITCHBOARD_BOOTSTRAP_SERVERS": bootstrap,
        "SWITCHBOARD_TOPIC_PREFIX": names.prefix,
        "SWITCHBOARD_SOURCE_PREFIX": names.source_prefix,
        "SWITCHBOARD_GROUP_ID": f"{names.prefix}switchboard",
        "SWITCHBOARD_REPLICATION": "1",
        "SWITCHBOARD_WEB_PORT": str(port),
        "SWITCHBOARD_BROKER_WAIT_SECONDS": "3",
    }


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


class Rows:
    """Writes rows as a router does: one transaction for all that changed, each shard in its own partition."""

    def __init__(self, ledgers: list[Ledger]) -> None:
        self._ledgers = ledgers

    async def commit(self, shard: int, *rows: tuple[Topic, bytes, object]) -> None:
        """One transaction of a shard; a value of None is a tombstone, and bytes are as they are."""
        batch = CommitBatch()
        for topic, key, value in rows:
            batch.add(topic, key, value if isinstance(value, bytes | None) else orjson.dumps(value))
        await self._ledgers[shard].commit(batch)


@asynccontextmanager
async def writing(conn: Connection, names: TopicNames, shards: int = 2) -> AsyncIterator[Rows]:
    """A writer of rows, its shards open."""
    ledgers = [Ledger(conn, f"{names.prefix}shard-{shard}", names, shard) for shard in range(shards)]
    for ledger in ledgers:
        await ledger.open()
    try:
        yield Rows(ledgers)
    finally:
        for ledger in ledgers:
            await ledger.close()


def agent(agent_id: str, pool: str = "default") -> tuple[Topic, bytes, dict[str, Any]]:
    """An agent's row."""
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
    """A chat's row."""
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
    """The tombstone of a row."""
    return row[0], row[1], None


def decision(made: Decided) -> tuple[Topic, bytes, bytes]:
    """A decision as it goes to its topic."""
    return Topic.ASSIGNMENT, made.fields["chat_id"].encode(), made.value
