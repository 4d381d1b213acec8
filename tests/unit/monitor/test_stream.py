"""What open pages are told as the tables change."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count, pairwise
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from switchboard.kafka.topics import Topic
from switchboard.monitor import live_stream
from switchboard.monitor import live_stream as streams
from switchboard.monitor.bus_watch import Pulse, Routing
from switchboard.monitor.live_stream import Look, Stream, Times, whole
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.web_api import add_routes
from switchboard.web import server
from switchboard.web.connections import Deadlines, Limits
from tests.floors import Floor
from tests.sockets import an_app, connected
from tests.unit.monitor.test_openapi import AGENT
from tests.waiting import eventually

QUICK = Times(tick=0.02, heartbeat=0.1)


@contextmanager
def running(stream: Stream) -> Iterator[None]:
    """The stream looks at its tables."""
    task = asyncio.create_task(stream.run())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def serving(tables: Tables, stream: Stream) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A client of the stream."""
    app = web.Application()
    add_routes(app, tables, stream, lambda: True)
    async with TestClient(TestServer(app)) as client:
        with running(stream):
            yield client


async def event(answer: ClientResponse, *kinds: str) -> Any:
    """The data of the next event of one of the kinds."""
    while True:
        line = (await asyncio.wait_for(answer.content.readline(), 10)).decode()
        assert line, "the stream ended"
        if line.startswith("event: ") and line.removeprefix("event: ").strip() in kinds:
            return orjson.loads((await answer.content.readline()).decode().removeprefix("data: "))


def agent_row(tables: Tables, offset: int, agent_id: str, **fields: Any) -> None:
    """A row of an agent comes; with `gone` its tombstone."""
    value = None if fields.pop("gone", False) else orjson.dumps(AGENT | {"agent_id": agent_id} | fields)
    apply(tables, Record(Topic.AGENT_CAPACITY, 0, offset, f"default/{agent_id}".encode(), value))


async def test_a_page_is_told_all_there_is_and_then_what_changes() -> None:
    """Only rows that are new or differ, and those that are gone; one that was written anew the same is no change."""
    tables = Tables()
    agent_row(tables, 0, "ann")
    agent_row(tables, 1, "bob")
    async with (
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)) as client,
        client.get("/api/stream") as answer,
    ):
        first = await event(answer, "agents")
        assert (first["full"], [row["agent_id"] for row in first["changed"]]) == (True, ["ann", "bob"])
        agent_row(tables, 2, "ann")
        agent_row(tables, 3, "bob", gone=True)
        agent_row(tables, 4, "cid")
        told = await event(answer, "agents")
        assert [row["agent_id"] for row in told["changed"]] == ["cid"]
        assert told["gone"] == [{"pool": "default", "agent_id": "bob"}]
        assert (await event(answer, "heartbeat"))["bus_answered_at"] is None


async def test_a_page_that_does_not_keep_up_is_cut_off_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it has a bound: it comes back, and is shown all there is."""
    monkeypatch.setattr(streams, "MOST_WAITING", 2)
    tables = Tables()
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=Times(tick=0.05))
    async with serving(tables, stream) as client, client.get("/api/stream") as slow, client.get("/api/stream") as quick:
        await event(slow, "heartbeat")
        reading = asyncio.create_task(_read_on(quick))
        offsets = count()

        async def pages() -> int:
            # More with each look than the buffers of a connection hold.
            agent_row(tables, offset := next(offsets), "ann", profile=f"{offset}" + "x" * 4_000_000)
            return len(stream._clients)

        await eventually(pages, lambda number: number == 1)
        assert not reading.done()
        reading.cancel()


async def _read_on(answer: ClientResponse) -> None:
    while await answer.content.readany():
        pass


async def test_pages_that_come_while_nothing_changes_are_told_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All come back at once after a restart: the floor is encoded once, and again only when it has changed."""
    encoded: list[Look] = []

    def counting(seen: Look) -> dict[str, dict[str, Any]]:
        encoded.append(seen)
        return whole(seen)

    monkeypatch.setattr(streams, "whole", counting)
    tables = Tables()
    agent_row(tables, 0, "ann")
    async with (
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)) as client,
        AsyncExitStack() as leaving,
    ):
        pages = [await leaving.enter_async_context(client.get("/api/stream")) for _ in range(5)]
        for page in pages:
            assert [row["agent_id"] for row in (await event(page, "agents"))["changed"]] == ["ann"]
        assert len(encoded) == 1
        agent_row(tables, 1, "bob")
        for page in pages:
            assert [row["agent_id"] for row in (await event(page, "agents"))["changed"]] == ["bob"]
        late = await leaving.enter_async_context(client.get("/api/stream"))
        assert [row["agent_id"] for row in (await event(late, "agents"))["changed"]] == ["ann", "bob"]
        assert len(encoded) == 2


async def test_a_large_message_is_sent_by_pieces_and_the_loop_goes_on_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole messages of 200 pages would be copied into as many buffers, and hold the loop for seconds."""
    sent: list[tuple[int, int]] = []
    write, turns = web.StreamResponse.write, count()

    async def writing(response: web.StreamResponse, data: bytes) -> None:
        sent.append((len(data), next(turns)))
        await write(response, data)

    async def beside() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    monkeypatch.setattr(web.StreamResponse, "write", writing)
    monkeypatch.setattr(streams, "PIECE_BYTES", 1024)
    tables = Tables()
    agent_row(tables, 0, "ann", profile="x" * 10_240)
    others = asyncio.create_task(beside())
    async with (
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)) as client,
        client.get("/api/stream") as page,
    ):
        assert len((await event(page, "agents"))["changed"]) == 1
        others.cancel()
    sizes, when = zip(*sent, strict=True)
    assert len(sent) > 10
    assert max(sizes) <= 1024
    assert all(later > sooner + 1 for sooner, later in pairwise(when[:10]))


async def test_closing_ends_every_stream() -> None:
    """So that a monitor that is told to stop need not wait for pages."""
    tables = Tables()
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)
    async with serving(tables, stream) as client:
        async with client.get("/api/stream") as answer:
            await event(answer, "heartbeat")
            stream.close()
            assert (await asyncio.wait_for(answer.content.read(), 10)) is not None
        async with client.get("/api/stream") as answer:
            assert answer.status == 503


async def test_what_is_over_is_dropped_while_no_page_is_open() -> None:
    """A monitor that nobody looks at over a weekend does not grow."""
    tables = Tables()
    floor = Floor("elsewhere", since=time.time() - 3 * 24 * 3600)
    for offset, each in enumerate((floor.queued(0), floor.closed(1, "abandoned"))):
        apply(tables, Record(Topic.ASSIGNMENT, 0, offset, b"c1", each.value))
    assert tables.history.stories.ended
    assert tables.history.outcomes.windows.days

    async def left() -> tuple[int, int, int]:
        windows = tables.history.outcomes.windows
        return len(tables.history.stories.ended), len(windows.days), len(windows.minutes)

    with running(Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)):
        await eventually(left, lambda kept: kept == (0, 0, 0))


class Streams:
    """A server of the stream with real sockets, and pages that may not read."""

    def __init__(self, port: int, stream: Stream) -> None:
        self.port = port
        self.stream = stream

    async def open(self, address: str, *, reads: bool = False) -> socket.socket:
        """A page of an address: one that reads nothing, or one that has read its first message."""
        client = await connected(self.port, b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n", address)
        if reads:
            read = b""
            while b"event: heartbeat" not in read:
                part = await asyncio.get_running_loop().sock_recv(client, 65_536)
                assert part, read
                read += part
        return client

    async def status(self, address: str) -> int:
        """The status that a new page of an address gets."""
        client = await connected(self.port, b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n", address)
        answer = await asyncio.get_running_loop().sock_recv(client, 100)
        client.close()
        return int(answer.split(b" ")[1])

    async def addresses(self) -> Counter[str]:
        """How many pages each address has."""
        return Counter(client.address for client in self.stream._clients)


@asynccontextmanager
async def bounded(most: int, *, row_bytes: int = 0, times: Times = QUICK) -> AsyncIterator[Streams]:
    """A server for so many pages, whose messages hold a row that changes and is so large."""
    tables = Tables()
    agent_row(tables, 0, "ann")
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, most=most, times=times)
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
    """However many pages it opens, another gets one at once."""
    async with bounded(20) as served:
        held = [await served.open("127.0.0.2", reads=True) for _ in range(10)]
        assert await served.status("127.0.0.2") == 503
        assert await served.status("127.0.0.3") == 200
        for each in held:
            each.close()


@pytest.mark.parametrize(("addresses", "source"), [(20, "127.0.0.99"), (2, "127.0.0.2")])
async def test_readers_who_don_t_read_give_their_places_to_one_who_does(
    addresses: int, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All places are taken by pages that read nothing: the one that is furthest behind goes for each that comes."""
    monkeypatch.setattr(streams, "MOST_WAITING", 100_000)  # so that nothing else cuts them off
    async with bounded(20, row_bytes=400_000, times=Times(tick=0.02, behind=0.2)) as served:
        held = [await served.open(f"127.0.0.{2 + n % addresses}") for n in range(20)]

        async def status() -> int:
            return await served.status(source)

        await eventually(status, lambda found: found == 200)
        assert sum((await served.addresses()).values()) <= 20
        for each in held:
            each.close()


async def test_where_everybody_reads_an_address_with_fewer_pages_gets_its_share() -> None:
    """Two addresses have all places: a third gets some, up to as many as they have left, and then waits."""
    async with bounded(20) as served:
        held = [await served.open(f"127.0.0.{2 + n % 2}", reads=True) for n in range(20)]
        held += [await served.open("127.0.0.9", reads=True) for _ in range(6)]
        found = await eventually(served.addresses, lambda by_address: sum(by_address.values()) == 20)
        assert sorted(found.values()) == [6, 7, 7]
        assert await served.status("127.0.0.9") == 503
        for each in held:
            each.close()


async def test_a_page_whose_session_is_over_is_ended() -> None:
    """Within a heartbeat; the others go on."""
    may_read = True
    tables = Tables()
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, may_read=lambda _: may_read, times=QUICK)
    async with serving(tables, stream) as client, client.get("/api/stream") as answer:
        await event(answer, "heartbeat")
        may_read = False
        await asyncio.wait_for(answer.content.read(), 10)


async def test_a_floor_of_more_rows_than_a_wall_shows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured pools first, and of them the queues where somebody waits longest; and how many there are in all."""
    monkeypatch.setattr(live_stream, "MOST_QUEUES", 3)
    monkeypatch.setattr(live_stream, "MOST_AGENTS", 2)
    tables = Tables(queues={"shop": ("a", "b", "c", "d")})
    for number, pool in enumerate(("aaa", "shop", "zzz", "shop")):
        agent_row(tables, number, f"{number}", pool=pool)
    for number, (pool, queue) in enumerate((("made-up", "x"), ("shop", "d"), ("shop", "c"))):
        arrived = f"2024-05-01T12:00:0{number}.000Z"
        row = {"pool": pool, "queue": queue, "stage": "waiting", "arrived_at": arrived}
        apply(tables, Record(Topic.OPEN_CHATS, 0, number, f"{pool}/c{queue}".encode(), orjson.dumps(row)))
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {}, times=QUICK)
    async with serving(tables, stream) as client, client.get("/api/stream") as answer:
        queues = await event(answer, "queues")
        agents = await event(answer, "agents")
    assert [row["queue"] for row in queues["changed"]] == ["d", "c", "a"]
    assert (queues["total"], agents["total"]) == (5, 4)
    assert {(row["pool"], row["agent_id"]) for row in agents["changed"]} == {("shop", "1"), ("shop", "3")}
