"""Server-sent events: what each open page is told, and which page is too slow to be told any more."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from switchboard.monitor.changes import Look, between, heartbeat, look, whole
from switchboard.monitor.pulse import Pulse
from switchboard.monitor.routing import Routing
from switchboard.monitor.tables import Tables
from switchboard.monitor.windows import NOW_MINUTES, WINDOW_SECONDS

TICK_SECONDS: Final = 0.25
"""The least between two looks at the tables. It is also at least ten times as long as the last look took."""
HEARTBEAT_SECONDS: Final = 2.0
RETRY_MS: Final = 1_000
"""How long a page waits before it comes back."""
MOST_CLIENTS: Final = 200
MOST_WAITING: Final = 40
"""Messages that wait for one client; with one more it is cut off. At four a second, it is then 10 s behind."""
PIECE_BYTES: Final = 64 * 1024
"""Of a message that is sent at once. What is not sent is the same for all clients, and while one is sent its piece the
loop goes on: 200 clients who come together, and are told of 10,000 agents, would hold it for 2 s otherwise."""


@dataclass(slots=True, eq=False)
class Client:
    """An open page."""

    request: web.Request
    waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    """Messages not sent yet; None ends it. Those of all clients are the same objects."""

    def tell(self, message: bytes | None) -> None:
        """Have it told; one that does not keep up is cut off: it comes back and is shown all."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            if self.request.transport is not None:
                self.request.transport.abort()


class Stream:
    """Tells the open pages of what changes in the tables.

    A page that comes, or comes back, is told all there is; so nothing is kept for those that are away, and the ids of
    the messages only tell one run of the monitor, and one message, from another.

    Args:
        tables: looked at.
        pulse: likewise.
        routing: likewise.
        board: what the page shows of the settings: told to each client first.
    """

    def __init__(self, tables: Tables, pulse: Pulse, routing: Routing, board: dict[str, Any]) -> None:
        self._tables = tables
        self._pulse = pulse
        self._routing = routing
        self._board = board | {"now_minutes": NOW_MINUTES}
        self._clients: set[Client] = set()
        self._run = uuid4().hex[:8]
        self._number = 0
        self._seen = Look()
        self._all: bytes | None = None
        """What is seen, as a client who comes is told it; None until one comes."""
        self._stamp: tuple[int, int] = (0, 0)
        self._is_closed = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """`GET /api/stream`."""
        if self._is_closed or len(self._clients) >= MOST_CLIENTS:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"})
        response = web.StreamResponse(
            status=HTTPStatus.OK,
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"},
        )
        client = Client(request)
        await response.prepare(request)
        if not self._clients:  # with others here, what was seen last is shown, and soon what has changed since
            self._tell_changes(time.time())
        self._clients.add(client)
        try:
            for part in self._welcome(time.time()):
                await _send(response, part)
            while (message := await client.waiting.get()) is not None:
                await _send(response, message)
        except ConnectionError:
            pass  # it left, or was cut off
        finally:
            self._clients.discard(client)
        return response

    async def run(self) -> None:
        """Look at the tables again and again, and tell what changed, until cancelled."""
        beaten, forgot = 0.0, 0
        while True:
            # Also while nobody looks: what is over must not pile up in the night.
            if (minute := int(time.time() // WINDOW_SECONDS)) != forgot:
                forgot = minute
                self._tables.past.forget(time.time())
            began = time.monotonic()
            if self._clients:
                self._tell_changes(time.time())
                if began - beaten >= HEARTBEAT_SECONDS:
                    beaten = began
                    self._tell([self._beat(time.time())])
            await asyncio.sleep(max(TICK_SECONDS, 10 * (time.monotonic() - began)))

    def close(self) -> None:
        """End all streams; who comes from now on is refused."""
        self._is_closed = True
        for client in self._clients:
            client.tell(None)

    def _welcome(self, now: float) -> tuple[bytes, ...]:
        if self._all is None:
            self._all = self._messages([("board", self._board), *whole(self._seen).items()])
        return b"retry: %d\n\n" % RETRY_MS, self._all, self._messages([self._beat(now)])

    def _beat(self, now: float) -> tuple[str, dict[str, Any]]:
        return "heartbeat", heartbeat(self._tables, now, self._pulse.answered_at, self._routing)

    def _tell_changes(self, now: float) -> None:
        # Figures also change by time alone, when a window begins.
        stamp = (sum(self._tables.applied.values()), int(now // WINDOW_SECONDS))
        if stamp == self._stamp:
            return
        seen = look(self._tables, now)
        told = between(self._seen, seen)
        self._stamp, self._seen, self._all = stamp, seen, None
        self._tell(told.items())

    def _tell(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        message = self._messages(events)
        if message:
            for client in tuple(self._clients):
                client.tell(message)

    def _messages(self, events: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
        """As they go over the wire. JSON has no line breaks of its own, so that an id can't end a message."""
        written = []
        for kind, data in events:
            self._number += 1
            written.append(b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
                self._run.encode(), self._number, kind.encode(), orjson.dumps(data),
            ))  # fmt: skip
        return b"".join(written)


async def _send(response: web.StreamResponse, message: bytes) -> None:
    """Send a message by pieces, each once the client has taken most of those before."""
    view = memoryview(message)
    for begin in range(0, len(view), PIECE_BYTES):
        await response.write(view[begin : begin + PIECE_BYTES])
        await asyncio.sleep(0)
