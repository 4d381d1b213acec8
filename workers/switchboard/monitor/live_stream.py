"""The stream of server-sent events that keeps open wallboards up to date."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.figures import NOW_MINUTES, WINDOW_SECONDS
from switchboard.monitor.overview import Overviews
from switchboard.monitor.page_rows import (
    MOST_AGENTS,
    MOST_QUEUES,
    PageRows,
    change_events,
    full_events,
    heartbeat,
    page_rows,
)
from switchboard.monitor.tables import Tables
from switchboard.web.answers import PIECE_BYTES
from switchboard.web.connections import ClientConnection

RETRY_MS: Final = 1_000
"""Time after which a page connects again."""


@dataclass(slots=True, frozen=True)
class StreamLimits:
    """Limits and intervals of a stream."""

    most_clients: int = 200
    most_by_address: int = 100
    """Clients of one address, or half of `most_clients` if that is less: no address takes all places."""
    most_queues: int = MOST_QUEUES
    most_agents: int = MOST_AGENTS
    most_waiting: int = 40
    """Messages that wait for one client; a client with one more is cut off. With four messages a second, it is 10 s
    behind by then."""
    behind_seconds: float = 2.0
    """A client that has not read a message for so long loses its place to a new client, if no place is free. Else it is
    cut off after `Deadlines.write`, or at `most_waiting`."""
    least_tick_seconds: float = 0.25
    """Shortest interval between two comparisons of the tables. The interval is four times the duration of the last
    comparison, within these limits."""
    most_tick_seconds: float = 2.0
    """Longest interval: a comparison that was slow because the machine was busy must not delay the page for longer."""
    heartbeat_seconds: float = 2.0


DEFAULT_LIMITS: Final = StreamLimits()


@dataclass(slots=True, eq=False)
class Client:
    """An open page."""

    request: web.Request
    address: str
    """The address that limits count."""
    may_read: Callable[[], bool]
    """False once the session of the page is over."""
    waiting: asyncio.Queue[bytes | None]
    """Messages to send, shared between clients; None ends the stream."""
    sending_since: float | None = None
    """When sending the present message began, by the monotonic clock; None if none is being sent."""

    def put(self, message: bytes | None) -> None:
        """Add a message to those that wait. A client with too many is cut off; its page connects again."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.cut_off()

    def cut_off(self) -> None:
        """Close the connection at once."""
        if isinstance(self.request.protocol, ClientConnection):
            self.request.protocol.abort()
        elif self.request.transport is not None:
            self.request.transport.abort()

    def behind_seconds(self) -> float:
        """How long the message that is being sent has not been read."""
        return 0.0 if self.sending_since is None else time.monotonic() - self.sending_since

    async def send(self, response: web.StreamResponse, message: bytes) -> None:
        """Send a message to the client."""
        self.sending_since = time.monotonic()
        await send_in_pieces(response.write, message)
        self.sending_since = None


async def send_in_pieces(
    write: Callable[[memoryview], Awaitable[None]], message: bytes, piece_bytes: int = PIECE_BYTES
) -> None:
    """Send a message in pieces, each once the client has read most of the piece before.

    The event loop runs between two pieces: a message about 10,000 agents to 200 clients would block it for 2 s. The
    clients share the message, so the unsent part takes memory once.
    """
    view = memoryview(message)
    for begin in range(0, len(view), piece_bytes):
        await write(view[begin : begin + piece_bytes])
        await asyncio.sleep(0)


class Stream:
    """Sends the open pages all rows when they connect, then the changes.

    Nothing is kept for a page that is disconnected, since it receives all rows when it connects again. The ids of the
    messages therefore only tell runs of the monitor, and messages of a run, apart.

    Args:
        tables: compared with what was sent before.
        contact: when the bus last answered.
        routing: which shards are routed.
        board: settings that the page shows; sent first.
        limits: on clients, rows and intervals.
        client_of: the address that limits count a request by.
        may_read: False once the sender of a request may no longer read; asked at each heartbeat.
    """

    def __init__(
        self,
        tables: Tables,
        contact: BusContact,
        routing: RoutingStatus,
        board: Mapping[str, Any],
        *,
        limits: StreamLimits = DEFAULT_LIMITS,
        client_of: Callable[[web.Request], str] = lambda request: request.remote or "",
        may_read: Callable[[web.Request], bool] = lambda _: True,
    ) -> None:
        self.overviews = Overviews(tables)
        """Shared with the web API."""
        self._tables = tables
        self._contact = contact
        self._routing = routing
        self._board = {**board, "now_minutes": NOW_MINUTES}
        self._limits = limits
        self._client_of = client_of
        self._may_read = may_read
        self._clients: set[Client] = set()
        self._run = uuid4().hex[:8]
        self._number = 0
        """Number of the last message."""
        self._sent = PageRows()
        """The rows as last sent."""
        self._full: bytes | None = None
        """`_sent` encoded for a new client; None until a client connects."""
        self._sent_stamp: tuple[int, int] = (0, 0)
        """(applied offsets, window) of `_sent`."""
        self._comparing = asyncio.Lock()
        self._is_closed = False

    @property
    def clients(self) -> Collection[Client]:
        """The open pages."""
        return self._clients

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle `GET /api/stream`.

        Raises:
            HTTPServiceUnavailable: all places are taken, or the monitor is stopping.
        """
        client = Client(
            request,
            self._client_of(request),
            lambda: self._may_read(request),
            asyncio.Queue(self._limits.most_waiting),
        )
        if self._is_closed or not self._make_room(client):
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"})
        is_first = not self._clients
        self._clients.add(client)
        try:
            response = web.StreamResponse(
                status=HTTPStatus.OK,
                headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"},
            )
            await response.prepare(request)
            if is_first:
                # Without clients nothing was compared. With others, the rows last sent are at most a tick old.
                await self._send_changes()
            await self._send_all(client, response)
        except ConnectionError:
            pass  # the client left, or was cut off
        finally:
            self._clients.discard(client)
        return response

    async def run(self) -> None:
        """Send changes and heartbeats to the clients, until cancelled."""
        # Two tasks: comparing many rows takes longer than a page waits for a heartbeat.
        beating = asyncio.create_task(self._keep_beating())
        try:
            await asyncio.gather(beating, self._keep_comparing())
        finally:
            beating.cancel()

    def close(self) -> None:
        """End all streams, and refuse new ones."""
        self._is_closed = True
        for client in self._clients:
            client.put(None)

    def _make_room(self, client: Client) -> bool:
        """True if there is a place for a new client, if need be that of a client who is cut off.

        If all places are taken and no client is behind, the address with the most clients gives one to an address with
        fewer. So a client that opens 200 streams and reads them all keeps nobody out.
        """
        limits = self._limits
        counts = Counter(each.address for each in self._clients)
        own = counts[client.address]
        if own >= min(limits.most_by_address, limits.most_clients // 2):
            return self._cut_off_one(self._clients_of(client.address), limits.behind_seconds)
        if len(self._clients) < limits.most_clients:
            return True
        if self._cut_off_one(self._clients, limits.behind_seconds):
            return True
        address, most = counts.most_common(1)[0]
        return most > own + 1 and self._cut_off_one(self._clients_of(address), 0.0)

    def _clients_of(self, address: str) -> list[Client]:
        return [client for client in self._clients if client.address == address]

    def _cut_off_one(self, clients: Iterable[Client], behind_seconds: float) -> bool:
        """Cut off the client that is furthest behind. False: none is `behind_seconds` behind."""
        slowest = max(clients, key=Client.behind_seconds, default=None)
        if slowest is None or slowest.behind_seconds() < behind_seconds:
            return False
        self._clients.discard(slowest)
        slowest.cut_off()
        return True

    async def _send_all(self, client: Client, response: web.StreamResponse) -> None:
        """Send a new client all rows, then the messages that follow, until the stream ends."""
        # Messages from before are contained in the rows.
        while not client.waiting.empty():
            client.waiting.get_nowait()
        if self._is_closed:
            return
        for message in self._first_messages(time.time()):
            await client.send(response, message)
        while (following := await client.waiting.get()) is not None:
            await client.send(response, following)

    async def _keep_comparing(self) -> None:
        forgot = 0
        limits = self._limits
        while True:
            # Also without clients, or old figures and stories would pile up overnight.
            if (minute := int(time.time() // WINDOW_SECONDS)) != forgot:
                forgot = minute
                await self._tables.history.forget(time.time())
            began = time.monotonic()
            if self._clients:
                await self._send_changes()
            pause = min(4 * (time.monotonic() - began), limits.most_tick_seconds)
            await asyncio.sleep(max(limits.least_tick_seconds, pause))

    async def _keep_beating(self) -> None:
        """Send heartbeats, and end the streams of clients whose sessions are over."""
        while True:
            await asyncio.sleep(self._limits.heartbeat_seconds)
            for client in [client for client in self._clients if not client.may_read()]:
                client.put(None)
            if self._clients:
                self._put([self._heartbeat(time.time())])

    def _first_messages(self, now: float) -> tuple[bytes, ...]:
        if self._full is None:
            self._full = self._encode([("board", self._board), *full_events(self._sent).items()])
        return b"retry: %d\n\n" % RETRY_MS, self._full, self._encode([self._heartbeat(now)])

    def _heartbeat(self, now: float) -> tuple[str, dict[str, Any]]:
        return "heartbeat", heartbeat(self._tables, now, self._contact.answered_at, self._routing)

    async def _send_changes(self) -> None:
        """Send all clients the difference between the tables and the rows last sent."""
        async with self._comparing:
            now = time.time()
            # Figures also change when a window begins, without any record.
            window = int(now // WINDOW_SECONDS)
            if (sum(self._tables.applied.values()), window) == self._sent_stamp:
                return
            overview = await self.overviews.latest()
            if (overview.applied, window) == self._sent_stamp:
                return  # with many rows an overview is reused, and has none of the new records yet
            limits = self._limits
            rows = await page_rows(
                self._tables, overview, now, most_queues=limits.most_queues, most_agents=limits.most_agents
            )
            events = change_events(self._sent, rows)
            self._sent_stamp, self._sent, self._full = (overview.applied, window), rows, None
            self._put(events.items())

    def _put(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Add events to the messages that wait, for all clients."""
        message = self._encode(events)
        if message:
            for client in tuple(self._clients):
                client.put(message)

    def _encode(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> bytes:
        """Events in the format of server-sent events. JSON escapes line breaks, so no id can end an event."""
        encoded = []
        for kind, data in events:
            self._number += 1
            encoded.append(b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
                self._run.encode(), self._number, kind.encode(), orjson.dumps(data),
            ))  # fmt: skip
        return b"".join(encoded)
