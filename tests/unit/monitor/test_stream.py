"""The stream: what it sends to open pages as the tables change, and to how many pages."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count, pairwise
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from switchboard.kafka.topics import Topic
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream, StreamLimits, send_in_pieces
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.web_api import add_routes
from switchboard.web import server
from switchboard.web.connections import Deadlines, Limits
from tests.floors import Floor
from tests.sockets import an_app, connected
from tests.unit.monitor.test_openapi import AGENT
from tests.waiting import eventually

QUICK: dict[str, Any] = {"least_tick_seconds": 0.01, "heartbeat_seconds": 0.05}
"""Intervals of streams under test; tests add limits."""


def a_stream(tables: Tables, may_read: Callable[[], bool] = lambda: True, **limits: Any) -> Stream:
    """A stream of tables, with short intervals and these limits."""
    return Stream(
        tables,
        BusContact(),
        RoutingStatus(1, "chat-arrival"),
        {},
        limits=StreamLimits(**(QUICK | limits)),
        may_read=lambda _: may_read(),
    )


@contextmanager
def running(stream: Stream) -> Iterator[None]:
    """Run a stream."""
    task = asyncio.create_task(stream.run())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def serving(tables: Tables, stream: Stream) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A client of a web server that serves a running stream."""
    app = web.Application()
    add_routes(app, tables, stream, lambda: True)
    async with TestClient(TestServer(app)) as client:
        with running(stream):
            yield client


async def event(answer: ClientResponse, kind: str) -> Any:
    """The data of the next event of a kind."""
    return (await numbered_event(answer, kind))[1]


async def numbered_event(answer: ClientResponse, kind: str) -> tuple[str, Any]:
    """The id and the data of the next event of a kind."""
    number = ""
    while True:
        line = (await asyncio.wait_for(answer.content.readline(), 10)).decode()
        assert line, "the stream ended"
        name, _, value = line.strip().partition(": ")
        if name == "id":
            number = value
        elif (name, value) == ("event", kind):
            return number, orjson.loads((await answer.content.readline()).decode().removeprefix("data: "))


def agent_row(tables: Tables, offset: int, agent_id: str, **fields: Any) -> None:
    """Apply a row of an agent; with `gone` its tombstone."""
    value = None if fields.pop("gone", False) else orjson.dumps(AGENT | {"agent_id": agent_id} | fields)
    apply(tables, Record(Topic.AGENT_CAPACITY, 0, offset, f"default/{agent_id}".encode(), value))


async def test_a_page_is_told_all_there_is_and_then_what_changes() -> None:
    """An event holds rows that are new or differ, and the keys of those gone; an equal row is no change."""
    tables = Tables()
    agent_row(tables, 0, "ann")
    agent_row(tables, 1, "bob")
    async with (
        serving(tables, a_stream(tables)) as client,
        client.get("/api/stream") as answer,
    ):
        first = await event(answer, "agents")
        assert (first["full"], [row["agent_id"] for row in first["changed"]]) == (True, ["ann", "bob"])
        agent_row(tables, 2, "ann")
        agent_row(tables, 3, "bob", gone=True)
        agent_row(tables, 4, "cid")
        changes = await event(answer, "agents")
        assert [row["agent_id"] for row in changes["changed"]] == ["cid"]
        assert changes["gone"] == [{"pool": "default", "agent_id": "bob"}]
        assert (await event(answer, "heartbeat"))["bus_answered_at"] is None


async def test_a_page_that_does_not_keep_up_is_cut_off_and_the_others_go_on() -> None:
    """The messages that wait for a page have a limit: beyond it the page connects again and receives all rows."""
    tables = Tables()
    # 20 large messages a second at most: the page that reads keeps up with those on a busy machine too.
    stream = a_stream(tables, most_waiting=2, heartbeat_seconds=2.0, least_tick_seconds=0.05)
    async with serving(tables, stream) as client, client.get("/api/stream") as slow, client.get("/api/stream") as quick:
        await event(slow, "heartbeat")
        reading = asyncio.create_task(_read_on(quick))
        offsets = count()

        async def pages() -> int:
            # Each message is larger than the buffers of a connection.
            agent_row(tables, offset := next(offsets), "ann", profile=f"{offset}" + "x" * 4_000_000)
            return len(stream.clients)

        await eventually(pages, lambda number: number == 1)
        assert not reading.done()
        reading.cancel()


async def _read_on(answer: ClientResponse) -> None:
    while await answer.content.readany():
        pass


async def test_pages_that_connect_while_nothing_changes_receive_the_same_bytes() -> None:
    """After a restart all pages connect at once: the rows are encoded once, and again only after a change.

    Each encoding has ids of its own, so equal ids are the same bytes.
    """
    tables = Tables()
    agent_row(tables, 0, "ann")
    async with (
        serving(tables, a_stream(tables)) as client,
        AsyncExitStack() as leaving,
    ):
        pages = [await leaving.enter_async_context(client.get("/api/stream")) for _ in range(5)]
        first = [await numbered_event(page, "agents") for page in pages]
        assert [row["agent_id"] for row in first[0][1]["changed"]] == ["ann"]
        assert all(each == first[0] for each in first)
        agent_row(tables, 1, "bob")
        for page in pages:
            assert [row["agent_id"] for row in (await event(page, "agents"))["changed"]] == ["bob"]
        late = [await leaving.enter_async_context(client.get("/api/stream")) for _ in range(2)]
        then = [await numbered_event(page, "agents") for page in late]
        assert [row["agent_id"] for row in then[0][1]["changed"]] == ["ann", "bob"]
        assert then[0] == then[1]
        assert then[0][0] != first[0][0]


async def test_a_large_message_is_sent_in_pieces_and_the_event_loop_runs_between_them() -> None:
    """Whole messages to 200 pages would be copied into as many buffers, and block the event loop for seconds."""
    sent: list[tuple[bytes, int]] = []
    turns = count()

    async def write(piece: memoryview) -> None:
        sent.append((bytes(piece), next(turns)))

    async def other_work() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    message = bytes(10_240)
    others = asyncio.create_task(other_work())
    await send_in_pieces(write, message, 1_000)
    others.cancel()
    pieces, when = zip(*sent, strict=True)
    assert b"".join(pieces) == message
    assert [len(piece) for piece in pieces] == [1_000] * 10 + [240]
    assert all(later > sooner + 1 for sooner, later in pairwise(when))


async def test_closing_ends_every_stream() -> None:
    """A monitor that stops does not wait for pages to leave."""
    tables = Tables()
    stream = a_stream(tables)
    async with serving(tables, stream) as client:
        async with client.get("/api/stream") as answer:
            await event(answer, "heartbeat")
            stream.close()
            assert (await asyncio.wait_for(answer.content.read(), 10)) is not None
        async with client.get("/api/stream") as answer:
            assert answer.status == 503


async def test_old_figures_and_stories_are_dropped_while_no_page_is_open() -> None:
    """The memory of a monitor without pages does not grow over a weekend."""
    tables = Tables()
    floor = Floor("elsewhere", since=time.time() - 3 * 24 * 3600)
    for offset, each in enumerate((floor.queued(0), floor.closed(1, "abandoned"))):
        apply(tables, Record(Topic.ASSIGNMENT, 0, offset, b"c1", each.value))
    assert tables.history.stories.closed
    assert tables.history.outcomes.windows.days

    async def left() -> tuple[int, int, int]:
        windows = tables.history.outcomes.windows
        return len(tables.history.stories.closed), len(windows.days), len(windows.minutes)

    with running(a_stream(tables)):
        await eventually(left, lambda kept: kept == (0, 0, 0))


class Streams:
    """A server of a stream with real sockets, and pages that may read nothing."""

    def __init__(self, port: int, stream: Stream) -> None:
        self.port = port
        self.stream = stream

    async def open(self, address: str, *, reads: bool = False) -> socket.socket:
        """Connect a page from an address; with `reads` it reads its first messages, else nothing."""
        client = await connected(self.port, b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n", address)
        if reads:
            read = b""
            while b"event: heartbeat" not in read:
                part = await asyncio.get_running_loop().sock_recv(client, 65_536)
                assert part, read
                read += part
        return client

    async def status(self, address: str) -> int:
        """The status of the answer to a new page from an address."""
        client = await connected(self.port, b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n", address)
        answer = await asyncio.get_running_loop().sock_recv(client, 100)
        client.close()
        return int(answer.split(b" ")[1])

    async def addresses(self) -> Counter[str]:
        """The number of pages by address."""
        return Counter(client.address for client in self.stream.clients)


@asynccontextmanager
async def bounded(most: int, *, row_bytes: int = 0, **limits: Any) -> AsyncIterator[Streams]:
    """A server for `most` pages; with `row_bytes` a row of this size changes all the time."""
    tables = Tables()
    agent_row(tables, 0, "ann")
    stream = a_stream(tables, most_clients=most, **limits)
    app = web.Application(middlewares=[server.whole])
    add_routes(app, tables, stream, lambda: True)

    async def change() -> None:
        for offset in count(1):
            agent_row(tables, offset, "ann", profile=f"{offset}" + "x" * row_bytes)
            await asyncio.sleep(0.01)

    changing = asyncio.create_task(change()) if row_bytes else None
    async with an_app(Limits(1_000, 1_000, Deadlines(write=1_000, stop=0.1)), app) as port:
        with running(stream):
            yield Streams(port, stream)
        if changing:
            changing.cancel()
        stream.close()


async def test_one_address_has_half_of_the_places_at_most() -> None:
    """An address that has opened all its pages leaves places to others."""
    async with bounded(20) as served:
        held = [await served.open("127.0.0.2", reads=True) for _ in range(10)]
        assert await served.status("127.0.0.2") == 503
        assert await served.status("127.0.0.3") == 200
        for each in held:
            each.close()


@pytest.mark.parametrize(("addresses", "source"), [(20, "127.0.0.99"), (2, "127.0.0.2")])
async def test_pages_that_read_nothing_lose_their_places_to_one_that_reads(addresses: int, source: str) -> None:
    """All places are taken by pages that read nothing: each new page takes that of the page furthest behind."""
    # Without a limit on waiting messages, so that no other limit cuts the pages off.
    limits: dict[str, Any] = {"behind_seconds": 0.2, "least_tick_seconds": 0.02, "most_waiting": 100_000}
    async with bounded(20, row_bytes=400_000, **limits) as served:
        held = [await served.open(f"127.0.0.{2 + n % addresses}") for n in range(20)]

        async def status() -> int:
            return await served.status(source)

        await eventually(status, lambda found: found == 200)
        assert sum((await served.addresses()).values()) <= 20
        for each in held:
            each.close()


async def test_if_all_pages_read_an_address_with_fewer_pages_gets_its_share() -> None:
    """Two addresses have all places: a third takes some of them until all have about as many, and no more."""
    async with bounded(20) as served:
        held = [await served.open(f"127.0.0.{2 + n % 2}", reads=True) for n in range(20)]
        held += [await served.open("127.0.0.9", reads=True) for _ in range(6)]
        found = await eventually(served.addresses, lambda by_address: sum(by_address.values()) == 20)
        assert sorted(found.values()) == [6, 7, 7]
        assert await served.status("127.0.0.9") == 503
        for each in held:
            each.close()


async def test_a_page_whose_session_is_over_is_ended() -> None:
    """The stream asks with each heartbeat whether the page may still read."""
    may_read = True
    tables = Tables()
    stream = a_stream(tables, may_read=lambda: may_read)
    async with serving(tables, stream) as client, client.get("/api/stream") as answer:
        await event(answer, "heartbeat")
        may_read = False
        await asyncio.wait_for(answer.content.read(), 10)


async def test_a_page_shows_a_limited_number_of_rows_and_how_many_there_are() -> None:
    """Configured pools come first, and of them the queues with the longest wait."""
    tables = Tables(queues={"shop": ("a", "b", "c", "d")})
    for number, pool in enumerate(("aaa", "shop", "zzz", "shop")):
        agent_row(tables, number, f"{number}", pool=pool)
    for number, (pool, queue) in enumerate((("made-up", "x"), ("shop", "d"), ("shop", "c"))):
        arrived = f"2024-05-01T12:00:0{number}.000Z"
        row = {"pool": pool, "queue": queue, "stage": "waiting", "arrived_at": arrived}
        apply(tables, Record(Topic.OPEN_CHATS, 0, number, f"{pool}/c{queue}".encode(), orjson.dumps(row)))
    stream = a_stream(tables, most_queues=3, most_agents=2)
    async with serving(tables, stream) as client, client.get("/api/stream") as answer:
        queues = await event(answer, "queues")
        agents = await event(answer, "agents")
    assert [row["queue"] for row in queues["changed"]] == ["d", "c", "a"]
    assert (queues["total"], agents["total"]) == (5, 4)
    assert {(row["pool"], row["agent_id"]) for row in agents["changed"]} == {("shop", "1"), ("shop", "3")}
