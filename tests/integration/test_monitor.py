"""The monitor as its users have it: a process of its own on a real broker, asked over HTTP."""

import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from switchboard.dev.local_broker import LocalBroker
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection, producer, session, transactional_producer
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.monitors import Monitor, Rows, Start, agent, chat, free_port, gone, starting, writing
from tests.waiting import eventually

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


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    return free_port()


@pytest.fixture
async def start(conn: Connection, plan: TopicPlan, port: int) -> AsyncIterator[Start]:
    """Starts monitors; those that still run at the end of the test are killed."""
    async with starting(conn, plan.names, port) as run:
        yield run


@pytest.fixture
async def rows(conn: Connection, names: TopicNames) -> AsyncIterator[Rows]:
    """A writer of rows to both shards."""
    async with writing(conn, names) as writer:
        yield writer


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
    assert await told(await start(web_port=another)) == before


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
    code, stderr = await (await start(bootstrap_servers=f"127.0.0.1:{port}")).ends(20)
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
    async with writing(conn, plan.names) as writer:
        await writer.commit(0, agent("ann"))
    monitor = await start(bootstrap_servers=conn.bootstrap)
    assert ids(await monitor.first("/api/agents")) == ["ann"]
    private_broker.kill()
    assert ids(await monitor.first("/api/agents")) == ["ann"]
    private_broker.restart()
    async with writing(conn, plan.names) as writer:
        await writer.commit(1, agent("bob"))
    await monitor.shows("/api/agents", lambda agents: ids(agents) == ["ann", "bob"])
