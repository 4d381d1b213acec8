"""The monitor's figures: from the bus alone, each decision once, whatever becomes of the monitor meanwhile."""

import signal
import time
from collections import Counter
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from switchboard.kafka.clients import Connection, transactional_producer
from switchboard.kafka.topics import Topic, TopicNames
from tests.crowds import a_crowd, configure
from tests.floors import Floor
from tests.monitors import Monitor, Rows, decision, free_port, starting, writing
from tests.routers import a_bus
from tests.waiting import eventually

HOUR = 3600
OFFERED = (
    "Offered to ann 1.0 s after it arrived: ann was the only agent asking; of 3 chats waiting, this was the one that "
    "had waited longest."
)


async def today(monitor: Monitor) -> dict[tuple[str, str], dict[str, Any]]:
    """What is counted today, by pool and queue."""
    return {(row["pool"], row["queue"]): row["today"] for row in await monitor.first("/api/queues")}


async def test_killed_in_the_middle_of_a_day_it_shows_what_one_that_never_ended_shows(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """A real router under load; one monitor is killed and started anew, one is frozen past its session, one just runs.

    In the end all three tell the same, and what a plain count of the decisions on the bus gives.
    """
    port = free_port()
    async with (
        a_bus(broker_bootstrap, bus_prefix, shards=2) as bus,
        starting(bus.conn, bus.names, free_port()) as start,
    ):
        await configure(bus)
        async with bus.router() as router:
            await router.ready()
            steady, frozen, killed = await start(), await start(web_port=free_port()), await start(web_port=port)
            async with a_crowd(bus, chats_a_second=20, seed="figures"):
                await bus.until(lambda: len(bus.of("assignment-confirmed")) > 20, 60)
                await killed.first("/api/queues")
                await frozen.first("/api/queues")
                killed.send(signal.SIGKILL)
                frozen.send(signal.SIGSTOP)
                await killed.ends(5)
                stopped = time.monotonic()
                killed = await start(web_port=port)
                await bus.until(lambda: time.monotonic() > stopped + 9, 30)  # its session is over after 8 s
                frozen.send(signal.SIGCONT)
            await router.stop()

        async def told() -> list[dict[tuple[str, str], dict[str, Any]]]:
            await bus.look(500)  # one look may not reach the end
            return [await today(each) for each in (steady, frozen, killed)]

        def agree(seen: list[dict[tuple[str, str], dict[str, Any]]]) -> bool:
            counted = _count(bus.of("chat-queued", "assignment-confirmed", "chat-closed"))
            figures = {name: {queue: each[name] for queue, each in seen[0].items() if each[name]} for name in counted}
            return seen[0] == seen[1] == seen[2] and figures == counted

        seen = await eventually(told, agree)
        assert sum(figures["answered"] for figures in seen[0].values()) > 20


def _count(decisions: list[dict[str, Any]]) -> dict[str, Counter[tuple[str, str]]]:
    """Another count of the same: each chat once, in the queue of its arrival. No chat comes twice here."""
    queue_of = {
        (each["pool"], each["chat_id"]): (each["pool"], each["queue"])
        for each in decisions
        if each["type"] == "chat-queued"
    }
    answered, closed = (
        {(each["pool"], each["chat_id"]) for each in decisions if each["type"] == kind}
        for kind in ("assignment-confirmed", "chat-closed")
    )
    return {
        "arrived": Counter(queue_of.values()),
        "answered": Counter(queue_of[chat] for chat in answered),
        "abandoned": Counter(queue_of[chat] for chat in closed - answered),
    }


async def test_a_start_reads_today_and_the_hour_before_and_nothing_older(conn: Connection, names: TopicNames) -> None:
    """By the records' own times: what was decided days ago costs nothing, and is in no figure and no story."""
    now = time.time()
    stranger: AIOKafkaProducer = transactional_producer(conn, f"{names.prefix}days-ago")
    await stranger.start()
    async with stranger.transaction():
        for number, at in enumerate((now - 50 * HOUR, now - 49 * HOUR, now)):
            made = Floor(f"pool{number}", at).queued(0, "c1")
            await stranger.send_and_wait(
                names.of(Topic.ASSIGNMENT), made.value, partition=0, timestamp_ms=int(at * 1000)
            )
    await stranger.stop()
    async with starting(conn, names, free_port()) as start:
        monitor = await start()
        assert {pool for (pool, _), _ in (await today(monitor)).items()} == {"pool2"}
        assert (await monitor.ask("/api/chats/c1"))[1]["pool"] == "pool2"


async def test_decisions_of_aborted_transactions_are_in_no_figure_and_no_story(
    conn: Connection, names: TopicNames
) -> None:
    """They were never made."""
    floor = Floor(since=time.time())
    stranger: AIOKafkaProducer = transactional_producer(conn, f"{names.prefix}stranger")
    await stranger.start()
    await stranger.begin_transaction()
    ghost = floor.queued(0, "ghost")
    await stranger.send_and_wait(names.of(Topic.ASSIGNMENT), ghost.value, partition=0)
    await stranger.abort_transaction()
    await stranger.stop()
    async with writing(conn, names) as rows, starting(conn, names, free_port()) as start:
        await rows.commit(0, decision(floor.queued(1, "c1")))
        monitor = await start()
        assert (await today(monitor))["default", "sales"]["arrived"] == 1
        assert (await monitor.ask("/api/chats/ghost"))[0] == 404


async def test_a_chats_story_is_told_while_it_is_open_and_after(conn: Connection, names: TopicNames) -> None:
    """Its decisions in order, in words, and where it stands."""
    floor = Floor(since=time.time())
    async with writing(conn, names) as rows, starting(conn, names, free_port()) as start:
        await _story(rows, floor)
        told = await (await start()).first("/api/chats/c1")
    assert (told["is_whole"], told["open"]) == (True, None)
    assert [each["words"] for each in told["decisions"]] == [
        "Arrived, and waits in queue sales.",
        OFFERED,
        "ann accepted 2.0 s after the offer.",
        "Closed as concluded.",
    ]


async def _story(rows: Rows, floor: Floor) -> None:
    for made in (floor.queued(0), floor.assigned(1), floor.confirmed(3), floor.closed(60, "concluded")):
        await rows.commit(0, decision(made))


@pytest.mark.parametrize("host", ["0.0.0.0"])  # noqa: S104 - what is refused
async def test_an_address_that_others_reach_is_refused_without_a_token(
    conn: Connection, names: TopicNames, host: str
) -> None:
    """Exit code 2, and what to set; with the token it starts, and tells nothing without it."""
    async with starting(conn, names, free_port()) as start:
        code, stderr = await (await start(web_host=host)).ends(20)
        assert code == 2
        assert "SWITCHBOARD_WEB_TOKEN" in stderr
        assert "Traceback" not in stderr
        monitor = await start(web_host=host, web_token="a-long-secret-of-readers")  # noqa: S106 - of this test
        await monitor.first("/healthz")
        assert (await monitor.ask("/api/queues"))[0] == 401
