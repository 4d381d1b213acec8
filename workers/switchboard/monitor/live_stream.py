"""What differs between two looks at the tables: what a page must be told to show the second."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from switchboard.monitor.bus_watch import Pulse, Routing
from switchboard.monitor.figures import NOW_MINUTES, WINDOW_SECONDS, Queue
from switchboard.monitor.overview import Agent, Overview, Overviews
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import queue_rows, rfc3339
from switchboard.web.answers import PIECE_BYTES, first, slices
from switchboard.web.connections import ClientConnection

Rows = Mapping[Any, dict[str, Any]]
"""By a key that is unique among the rows of one kind."""

KINDS: Final = ("queues", "agents", "assignments")
MOST_QUEUES: Final = 1_000
"""On the wallboard. No wall shows more, and anyone on the bus can make up names of pools: 200,000 of them were a first
message of 120 MB, for which the loop stood still for 6 s."""
MOST_AGENTS: Final = 10_000


@dataclass(slots=True)
class Look:
    """All that the page shows, as it was at one moment."""

    queues: Rows = field(default_factory=dict)
    agents: Rows = field(default_factory=dict)
    assignments: Rows = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    """By kind, how many rows there are, with those that the page does not show."""


async def look(tables: Tables, taken: Overview, now: float) -> Look:
    """What the page shows of an overview, with `now` in seconds since 1970."""
    chosen = await first(taken.queues, MOST_QUEUES, lambda key: _rank(tables, taken, key))
    windows = tables.history.outcomes.windows
    rows = await queue_rows(taken, chosen, windows, datetime.fromtimestamp(now, UTC))
    for row in rows:
        del row["oldest_wait_seconds"]  # it grows all the time; the page reckons it from oldest_arrived_at
    return Look(
        queues=dict(zip(chosen, rows, strict=True)),
        agents={key: taken.rows[key] for key in await _shown_agents(tables, taken)},
        assignments=dict(tables.history.offers.latest),
        totals={"queues": len(taken.queues), "agents": len(taken.agents)},
    )


def _rank(tables: Tables, taken: Overview, key: Queue) -> tuple[bool, float, Queue]:
    """Which queues are shown where there are too many: configured ones, and of these those who wait longest, first."""
    oldest = taken.counts[key].oldest
    return key[0] not in tables.queues, float("inf") if oldest is None else oldest.timestamp(), key


async def _shown_agents(tables: Tables, taken: Overview) -> list[Agent]:
    """All, or where there are too many the first of them: those of configured pools before the others."""
    if len(taken.agents) <= MOST_AGENTS:
        return taken.agents
    shown: list[Agent] = []
    for configured in (True, False):
        async for part in slices(taken.agents):
            shown += [key for key in part if (key[0] in tables.queues) is configured]
            if len(shown) >= MOST_AGENTS:
                return shown[:MOST_AGENTS]
    return shown


def whole(seen: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind with all rows."""
    return {kind: _event(seen, kind, full=True, changed=list(getattr(seen, kind).values()), gone=[]) for kind in KINDS}


def between(before: Look, after: Look) -> dict[str, dict[str, Any]]:
    """An event of each kind of which anything differs, with the rows that are new or changed, and those gone."""
    told = {}
    for kind in KINDS:
        old, new = getattr(before, kind), getattr(after, kind)
        changed = [row for key, row in new.items() if not _same(old.get(key), row)]
        gone = [_named(kind, row) for key, row in old.items() if key not in new]
        if changed or gone or before.totals.get(kind) != after.totals.get(kind):
            told[kind] = _event(after, kind, full=False, changed=changed, gone=gone)
    return told


def _event(seen: Look, kind: str, **fields: Any) -> dict[str, Any]:
    total = {"total": seen.totals[kind]} if kind in seen.totals else {}
    return fields | total


def _same(old: dict[str, Any] | None, new: dict[str, Any]) -> bool:
    return old is new or old == new


NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "queues": ("pool", "queue"),
    "agents": ("pool", "agent_id"),
    "assignments": ("offer_id",),
}


def _named(kind: str, row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in NAMES[kind]}


def heartbeat(tables: Tables, now: float, bus_answered_at: float | None, routing: Routing) -> dict[str, Any]:
    """What tells a page that it is live.

    The time here, when the bus last answered, whether chats are being routed, and when anything was decided.
    """
    return {
        "at": rfc3339(datetime.fromtimestamp(now, UTC)),
        "bus_answered_at": None if bus_answered_at is None else rfc3339(datetime.fromtimestamp(bus_answered_at, UTC)),
        "routing": routing.told(now),
        "decided_at": tables.history.last_at,
    }


@dataclass(frozen=True, slots=True)
class Times:
    """Intervals of a stream, in seconds."""

    tick: float = 0.25
    """The least between two looks at the tables. Four times as long as the last look took, if that is more."""
    most_tick: float = 2.0
    """The most between two looks. A look that took long because the machine was busy with something else must not keep
    the page waiting."""
    heartbeat: float = 2.0
    behind: float = 2.0
    """A client that has not taken a message for so long is behind, and gives its place to a new one if there is no
    other. It is cut off without that after `Deadlines.write`, or with MOST_WAITING messages."""


RETRY_MS: Final = 1_000
"""How long a page waits before it comes back."""
MOST_CLIENTS: Final = 200
MOST_BY_ADDRESS: Final = 100
"""Clients of one address, or half of all if that is less: no one address has all places."""
MOST_WAITING: Final = 40
"""Messages that wait for one client; with one more it is cut off. At four a second, it is then 10 s behind."""


@dataclass(slots=True, eq=False)
class Client:
    """An open page."""

    request: web.Request
    address: str
    """As limits count it."""
    may_read: Callable[[], bool] = lambda: True
    """Whether its session is still open."""
    waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    """Messages not sent yet; None ends it. Those of all clients are the same objects."""
    sending_since: float | None = None
    """When the message that is being sent was begun, by the monotonic clock; None if there is none."""

    def tell(self, message: bytes | None) -> None:
        """Have it told; one that does not keep up is cut off: it comes back and is shown all."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.cut_off()

    def cut_off(self) -> None:
        """Close its connection at once."""
        if isinstance(self.request.protocol, ClientConnection):
            self.request.protocol.abort()
        elif self.request.transport is not None:
            self.request.transport.abort()

    def behind_seconds(self) -> float:
        """For how long the message that is being sent has not been taken."""
        return 0.0 if self.sending_since is None else time.monotonic() - self.sending_since


class Stream:
    """Tells the open pages of what changes in the tables.

    A page that comes, or comes back, is told all there is; so nothing is kept for those that are away, and the ids of
    the messages only tell one run of the monitor, and one message, from another.

    Args:
        tables: looked at.
        pulse: likewise.
        routing: likewise.
        board: what the page shows of the settings: told to each client first.
        most: how many clients there may be.
        client_of: tells the address that a request counts for.
        may_read: whether who sent a request may still read: asked with each heartbeat.
        times: between looks and heartbeats.
    """

    def __init__(
        self,
        tables: Tables,
        pulse: Pulse,
        routing: Routing,
        board: dict[str, Any],
        *,
        most: int = MOST_CLIENTS,
        client_of: Callable[[web.Request], str] = lambda request: request.remote or "",
        may_read: Callable[[web.Request], bool] = lambda _: True,
        times: Times = Times(),
    ) -> None:
        self.overviews = Overviews(tables)
        """Of the tables; the web API looks at the same."""
        self._tables = tables
        self._pulse = pulse
        self._routing = routing
        self._board = board | {"now_minutes": NOW_MINUTES}
        self._most = most
        self._client_of = client_of
        self._may_read = may_read
        self._times = times
        self._clients: set[Client] = set()
        self._run = uuid4().hex[:8]
        self._number = 0
        self._seen = Look()
        self._all: bytes | None = None
        """What is seen, as a client who comes is told it; None until one comes."""
        self._stamp: tuple[int, int] = (0, 0)
        self._looking = asyncio.Lock()
        self._is_closed = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """`GET /api/stream`.

        Raises:
            HTTPServiceUnavailable: all places are taken, or the monitor is stopping.
        """
        client = Client(request, self._client_of(request), lambda: self._may_read(request))
        if self._is_closed or not self._has_room(client):
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"})
        is_first = not self._clients
        self._clients.add(client)  # counted from now on; it is told nothing before the welcome
        try:
            response = web.StreamResponse(
                status=HTTPStatus.OK,
                headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"},
            )
            await response.prepare(request)
            if is_first:  # with others here, what was seen last is shown, and soon what has changed since
                await self._tell_changes()
            await self._send_all(client, response)
        except ConnectionError:
            pass  # it left, or was cut off
        finally:
            self._clients.discard(client)
        return response

    async def run(self) -> None:
        """Look at the tables again and again, and tell what changed, until cancelled."""
        # Apart: a look at many rows takes longer than a page waits for a heartbeat.
        beating = asyncio.create_task(self._keep_beating())
        try:
            await asyncio.gather(beating, self._keep_looking())
        finally:
            beating.cancel()

    def close(self) -> None:
        """End all streams; who comes from now on is refused."""
        self._is_closed = True
        for client in self._clients:
            client.tell(None)

    def _has_room(self, client: Client) -> bool:
        """Whether a client gets a place, which may be that of one who is behind.

        Where all places are taken and nobody is behind, an address with fewer clients gets one of the address with
        most: who opens 200 streams and reads them all keeps nobody out.
        """
        counts = Counter(each.address for each in self._clients)
        own = counts[client.address]
        if own >= min(MOST_BY_ADDRESS, self._most // 2):
            return self._cut_off_one([each for each in self._clients if each.address == client.address])
        if len(self._clients) < self._most:
            return True
        if self._cut_off_one(self._clients):
            return True
        address, most = counts.most_common(1)[0]
        return most > own + 1 and self._cut_off_one([each for each in self._clients if each.address == address], 0.0)

    def _cut_off_one(self, clients: Iterable[Client], behind_seconds: float | None = None) -> bool:
        """Cut off the one that is furthest behind, if it is so far (default: `Times.behind`); whether there was one."""
        slowest = max(clients, key=Client.behind_seconds, default=None)
        least = self._times.behind if behind_seconds is None else behind_seconds
        if slowest is None or slowest.behind_seconds() < least:
            return False
        self._clients.discard(slowest)
        slowest.cut_off()
        return True

    async def _send_all(self, client: Client, response: web.StreamResponse) -> None:
        # What is told from here on comes after the welcome; what was told before is in it.
        while not client.waiting.empty():
            client.waiting.get_nowait()
        if self._is_closed:
            return
        for part in self._welcome(time.time()):
            await _send(client, response, part)
        while (message := await client.waiting.get()) is not None:
            await _send(client, response, message)

    async def _keep_looking(self) -> None:
        forgot = 0
        while True:
            # Also while nobody looks: what is over must not pile up in the night.
            if (minute := int(time.time() // WINDOW_SECONDS)) != forgot:
                forgot = minute
                await self._tables.history.forget(time.time())
            began = time.monotonic()
            if self._clients:
                await self._tell_changes()
            taken = time.monotonic() - began
            await asyncio.sleep(max(self._times.tick, min(4 * taken, self._times.most_tick)))

    async def _keep_beating(self) -> None:
        """Tell the pages that the monitor lives, and end those whose sessions are over."""
        while True:
            await asyncio.sleep(self._times.heartbeat)
            for client in [client for client in self._clients if not client.may_read()]:
                client.tell(None)
            if self._clients:
                self._tell([self._beat(time.time())])

    def _welcome(self, now: float) -> tuple[bytes, ...]:
        if self._all is None:
            self._all = self._messages([("board", self._board), *whole(self._seen).items()])
        return b"retry: %d\n\n" % RETRY_MS, self._all, self._messages([self._beat(now)])

    def _beat(self, now: float) -> tuple[str, dict[str, Any]]:
        return "heartbeat", heartbeat(self._tables, now, self._pulse.answered_at, self._routing)

    async def _tell_changes(self) -> None:
        async with self._looking:
            now = time.time()
            # Figures also change by time alone, when a window begins.
            window = int(now // WINDOW_SECONDS)
            if (sum(self._tables.applied.values()), window) == self._stamp:
                return
            taken = await self.overviews.latest()
            if (taken.applied, window) == self._stamp:
                return  # the same overview as before: of so many rows that none is taken yet of what has changed
            seen = await look(self._tables, taken, now)
            told = between(self._seen, seen)
            self._stamp, self._seen, self._all = (taken.applied, window), seen, None
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


async def _send(client: Client, response: web.StreamResponse, message: bytes) -> None:
    """Send a message by pieces, each once the client has taken most of those before.

    What is not sent is the same for all clients, and while one is sent its piece the loop goes on: 200 clients who come
    together, and are told of 10,000 agents, would hold it for 2 s otherwise.
    """
    client.sending_since = time.monotonic()
    view = memoryview(message)
    for begin in range(0, len(view), PIECE_BYTES):
        await response.write(view[begin : begin + PIECE_BYTES])
        await asyncio.sleep(0)
    client.sending_since = None
