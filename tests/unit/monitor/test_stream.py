"""What open pages are told as the tables change."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count, pairwise
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from switchboard.kafka.topics import Topic
from switchboard.monitor import stream as streams
from switchboard.monitor.changes import Look, whole
from switchboard.monitor.pulse import Pulse
from switchboard.monitor.routing import Routing
from switchboard.monitor.stream import Stream
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.web import add_routes
from tests.floors import Floor
from tests.unit.monitor.test_openapi import AGENT
from tests.waiting import eventually


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
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})) as client,
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
    monkeypatch.setattr(streams, "TICK_SECONDS", 0.01)
    tables = Tables()
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})
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
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})) as client,
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
        serving(tables, Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})) as client,
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
    stream = Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})
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
    assert tables.past.stories.ended
    assert tables.past.counting.windows.days

    async def left() -> tuple[int, int, int]:
        windows = tables.past.counting.windows
        return len(tables.past.stories.ended), len(windows.days), len(windows.minutes)

    with running(Stream(tables, Pulse(), Routing(1, "chat-arrival"), {})):
        await eventually(left, lambda kept: kept == (0, 0, 0))
