"""The monitor as its users have it: a process of its own on a real broker, asked over HTTP."""

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
import pytest

from switchboard.kafka.admin import create_topics, session
from switchboard.kafka.clients import Connection, producer, transactional_producer
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.local_broker import LocalBroker
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.waiting import eventually

MEANT_FOR_OTHERS = {"PROCESSING_GUARANTEE": "at_least_once", "WEB_PORT": "1", "BROKER_URL": "kafka://127.0.0.1:1"}
"""Variables that Faust would put above what it is told."""

NOTHING_COUNTED = {
    "arrived": 0,
    "answered": 0,
    "answered_in_time": 0,
    "abandoned": 0,
    "abandoned_soon": 0,
    "service_level": None,
    "service_level_without_short": None,
    "mean_wait_seconds": None,
    "longest_wait_seconds": None,
}

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


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        taken: int = probe.getsockname()[1]
        return taken


@pytest.fixture
async def start(conn: Connection, plan: TopicPlan, port: int) -> AsyncIterator[Start]:
    """Starts monitors; those that still run at the end of the test are killed."""
    async with AsyncExitStack() as ending:
        client = await ending.enter_async_context(aiohttp.ClientSession())

        async def run(bootstrap: str = conn.bootstrap, at: int = port) -> Monitor:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "switchboard", "run", "monitor"),
                env=os.environ | MEANT_FOR_OTHERS | _settings(bootstrap, plan.names, at),
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
        """One transaction of a shard; a value of None is a tombstone."""
        batch = CommitBatch()
        for topic, key, value in rows:
            batch.add(topic, key, None if value is None else orjson.dumps(value))
        await self._ledgers[shard].commit(batch)


@asynccontextmanager
async def router(conn: Connection, names: TopicNames, shards: int = 2) -> AsyncIterator[Rows]:
    """A writer of rows, its shards open."""
    ledgers = [Ledger(conn, f"{names.prefix}shard-{shard}", names, shard) for shard in range(shards)]
    for ledger in ledgers:
        await ledger.open()
    try:
        yield Rows(ledgers)
    finally:
        for ledger in ledgers:
            await ledger.close()


@pytest.fixture
async def rows(conn: Connection, names: TopicNames) -> AsyncIterator[Rows]:
    """A writer of rows to both shards."""
    async with router(conn, names) as writer:
        yield writer


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


def ids(agents: list[Any]) -> list[str]:
    """The ids of the agents in an answer."""
    return [row["agent_id"] for row in agents]


async def test_committed_rows_appear_with_their_public_fields_and_vanish_with_their_tombstones(
    start: Start, rows: Rows
) -> None:
    """Agents and queues follow the topics, over all partitions; what the engine keeps for itself is not told."""
    await rows.commit(0, agent("ann"), chat("c1", "active"), chat("c2", "waiting"))
    monitor = await start()
    assert await monitor.first("/api/agents") == [
        {
            "pool": "default",
            "agent_id": "ann",
            "profile": "all",
            "mode": "push",
            "status": "available",
            "max_sessions": 2,
            "sessions": [{"chat_id": "c1", "stage": "active", "offer_id": "default/0/1/0"}],
            "free": 1,
            "request": {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z"},
        },
    ]
    (queue,) = await monitor.first("/api/queues")
    assert queue.pop("oldest_wait_seconds") > 0
    assert queue.pop("now") == queue.pop("today") == NOTHING_COUNTED
    assert queue == {
        "pool": "default",
        "queue": "sales",
        "waiting": 1,
        "oldest_arrived_at": "2024-05-01T12:00:00.000Z",
        "offered": 0,
        "active": 1,
        "wrapping": 0,
        "agents_requesting": 1,
        "sessions_free": 1,
        "agents_available": 1,
    }

    await rows.commit(1, agent("bob", "shop"))
    await monitor.shows("/api/agents", lambda agents: ids(agents) == ["ann", "bob"])
    assert ids(await monitor.first("/api/agents?pool=shop")) == ["bob"]

    await rows.commit(0, gone(agent("ann")), gone(chat("c1", "active")), gone(chat("c2", "waiting")))
    await monitor.shows("/api/agents", lambda agents: ids(agents) == ["bob"])
    await monitor.shows("/api/queues", lambda queues: queues == [])


async def test_rows_of_aborted_transactions_never_show(
    start: Start, rows: Rows, conn: Connection, names: TopicNames
) -> None:
    """Neither those that stood there at the start nor those that came later, in no answer at all."""
    stranger = transactional_producer(conn, f"{names.prefix}stranger")
    await stranger.start()

    async def abort(agent_id: str) -> None:
        topic, key, value = agent(agent_id)
        await stranger.begin_transaction()
        for partition in range(2):
            await stranger.send_and_wait(names.of(topic), orjson.dumps(value), key=key, partition=partition)
        await stranger.abort_transaction()

    await abort("ghost")
    await rows.commit(0, agent("ann"))
    await abort("spirit")
    monitor = await start()
    seen = await monitor.shows("/api/agents", lambda agents: "ann" in ids(agents))
    await abort("phantom")
    await rows.commit(0, agent("bob"))
    await rows.commit(1, agent("cid"))
    seen += await monitor.shows("/api/agents", lambda agents: {"bob", "cid"} <= set(ids(agents)))
    await stranger.stop()
    assert {agent_id for status, agents in seen if status == 200 for agent_id in ids(agents)} == {"ann", "bob", "cid"}


async def test_killed_and_restarted_it_shows_the_same_from_its_first_answer(
    start: Start, rows: Rows, conn: Connection, names: TopicNames, port: int
) -> None:
    """All partitions, many transactions, tombstones, and an end of markers and aborted records; two of them agree."""
    for turn in range(20):
        shard = turn % 2
        pool = f"pool{shard}"
        changed = [agent(f"a{number}", pool) for number in range(turn, turn + 50)]
        await rows.commit(shard, *changed, *(chat(f"c{number}", "waiting", pool) for number in range(turn, turn + 50)))
        await rows.commit(shard, gone(agent(f"a{turn}", pool)), chat(f"c{turn}", "wrapping", pool))
    stranger = transactional_producer(conn, f"{names.prefix}stranger")
    await stranger.start()
    for _ in range(40):
        await stranger.begin_transaction()
        await stranger.send_and_wait(names.of(Topic.OPEN_CHATS), b"{}", key=b"x", partition=0)
        await stranger.abort_transaction()
    await stranger.stop()

    async def told(monitor: Monitor) -> tuple[Any, Any]:
        queues = await monitor.first("/api/queues")
        return await monitor.first("/api/agents"), [queue | {"oldest_wait_seconds": None} for queue in queues]

    monitor = await start()
    before = await told(monitor)
    assert len(before[0]) == 2 * (50 + 18) - 20
    assert [(queue["waiting"], queue["wrapping"]) for queue in before[1]] == [(58, 10), (58, 10)]
    monitor.send(signal.SIGKILL)
    await monitor.ends(5)

    assert await told(await start()) == before
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        another: int = probe.getsockname()[1]
    assert another != port
    assert await told(await start(at=another)) == before


async def test_stopped_past_its_session_it_goes_on_without_a_gap_or_a_step_back(
    start: Start, rows: Rows, conn: Connection, names: TopicNames
) -> None:
    """It rejoins and reads on; no answer shows an agent who logged out long ago, or lacks one."""
    await rows.commit(0, agent("old"), agent("ann"))
    await rows.commit(0, gone(agent("old")))
    monitor = await start()
    await monitor.first("/api/agents")

    async def members() -> int:
        async with session(conn) as client:
            groups = [group for group, _ in await client.list_consumer_groups() if group.startswith(names.prefix)]
            told = await client.describe_consumer_groups(groups)
        return sum(len(group["members"]) for answer in told for group in answer.to_object()["groups"])

    assert await members() == 1
    monitor.send(signal.SIGSTOP)
    await eventually(members, lambda count: count == 0, seconds=30)
    await rows.commit(1, agent("bob"))
    monitor.send(signal.SIGCONT)
    seen = await monitor.shows("/api/agents", lambda agents: "bob" in ids(agents))
    await rows.commit(0, agent("cid"))
    seen += await monitor.shows("/api/agents", lambda agents: "cid" in ids(agents))
    assert all(status == 200 and "ann" in ids(agents) and "old" not in ids(agents) for status, agents in seen)


async def test_configured_queues_are_told_of_while_they_are_empty(
    start: Start, conn: Connection, names: TopicNames
) -> None:
    """From `routing-config`, which need hold nothing else."""
    config = {"queues": [{"name": "sales"}, {"name": "support"}], "profiles": [{"name": "all"}]}
    writer = producer(conn)
    await writer.start()
    value = orjson.dumps({"type": "pool-configured", "pool": "shop", "config": config})
    await writer.send_and_wait(names.of(Topic.ROUTING_CONFIG), value, key=b"shop")
    await writer.stop()
    monitor = await start()
    assert [(row["pool"], row["queue"], row["waiting"]) for row in await monitor.first("/api/queues")] == [
        ("shop", "sales", 0),
        ("shop", "support", 0),
    ]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_within_5_seconds_and_the_bus_is_as_it_was(
    start: Start, rows: Rows, conn: Connection, sent: signal.Signals
) -> None:
    """Exit code 0, no trace of a fault, and no topic that was not there before."""
    async with session(conn) as client:
        topics = await client.list_topics()
    await rows.commit(0, agent("ann"))
    monitor = await start()
    await monitor.first("/healthz")
    monitor.send(sent)
    code, stderr = await monitor.ends(5)
    assert code == 0
    assert "Traceback" not in stderr
    async with session(conn) as client:
        assert set(await client.list_topics()) == set(topics)


async def test_an_address_that_is_taken_is_named(start: Start, rows: Rows, port: int) -> None:
    """Exit code 2, and what to set."""
    await rows.commit(0, agent("ann"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code, stderr = await (await start()).ends(20)
    assert code == 2
    assert f"127.0.0.1:{port}" in stderr
    assert "SWITCHBOARD_WEB_PORT" in stderr
    assert "Traceback" not in stderr


async def test_a_broker_that_is_away_at_the_start_is_exit_code_3(start: Start, port: int) -> None:
    """After a bounded wait, and saying where it was looked for."""
    code, stderr = await (await start(bootstrap=f"127.0.0.1:{port}")).ends(20)
    assert code == 3
    assert f"no broker answers at 127.0.0.1:{port}" in stderr
    assert "Traceback" not in stderr


async def test_topics_that_are_missing_are_named(start: Start, plan: TopicPlan) -> None:
    """It makes none itself: it says who does."""
    code, stderr = await (await start()).ends(20)
    assert code == 2
    assert plan.names.of(Topic.AGENT_CAPACITY) in stderr
    assert "switchboard topics create" in stderr
    assert "Traceback" not in stderr


async def test_while_the_broker_is_away_it_shows_what_it_has_and_then_goes_on(
    start: Start, private_broker: LocalBroker, plan: TopicPlan
) -> None:
    """A broker killed and started again costs the monitor nothing but the news meanwhile."""
    conn = Connection(private_broker.bootstrap)
    await create_topics(conn, plan)
    async with router(conn, plan.names) as writer:
        await writer.commit(0, agent("ann"))
    monitor = await start(bootstrap=conn.bootstrap)
    assert ids(await monitor.first("/api/agents")) == ["ann"]
    private_broker.kill()
    assert ids(await monitor.first("/api/agents")) == ["ann"]
    private_broker.restart()
    async with router(conn, plan.names) as writer:
        await writer.commit(1, agent("bob"))
    await monitor.shows("/api/agents", lambda agents: ids(agents) == ["ann", "bob"])
