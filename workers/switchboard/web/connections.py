"""Who a client is: the address that limits are counted by."""

import asyncio
import ipaddress
import logging
import resource
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from switchboard.kafka.library_logs import Thinned, raised

IPV6_PREFIX: Final = 64
"""One customer of an IPv6 provider has at least a /64, 2^64 addresses: limits count it as one client."""

MOST_HOPS: Final = 16
"""Addresses of X-Forwarded-For that are looked at: more than there are proxies in any row."""


class Proxies:
    """The reverse proxies in front of a web server, whose `X-Forwarded-For` is believed.

    Args:
        networks: addresses and networks, such as `10.0.0.7` and `10.1.0.0/16`.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network.strip(), strict=False) for network in networks)

    def hold(self, address: str) -> bool:
        """Whether a proxy has the address."""
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)

    def client_of(self, request: web.Request) -> str:
        """The address that sent the request, as `client_address` writes it.

        Each proxy appends the address that it was asked from, so the list is read from its end: the first address that
        is no proxy is the client. Whatever stands before it was made up by the client, or can't be told from that.
        """
        client = request.remote or ""
        if self._networks:
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
            hops = iter(reversed(forwarded.split(",")[-MOST_HOPS:]))
            while self.hold(client) and (hop := _without_port(next(hops, "").strip())):
                if _parsed(hop) is None:
                    break
                client = hop
        return client_address(client)


def client_address(address: str) -> str:
    """The address that limits count by: an IPv4 address, the /64 of an IPv6 address, or the text if it is neither."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))
    return address if found is None else str(found)


def _without_port(hop: str) -> str:
    """The address of `192.0.2.7:4711` or `[2001:db8::7]:4711`, as some proxies write it, or of one without a port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


REQUEST_SECONDS: Final = 10.0
"""How long a client may take to send a whole request, from the connection or from the request's first byte on."""
IDLE_SECONDS: Final = 75.0
"""How long a connection may stay open between requests: longer than proxies keep theirs (60 s is common), so that a
proxy never sends a request into a connection that is just being closed."""
WRITE_SECONDS: Final = 20.0
"""How long a client may take to read what waits for it: at most 64 KiB, so a reader of 3.3 KB/s keeps up."""
SLOW_SECONDS: Final = 5.0
"""A client that has not read for so long gives its place to a new one where all places are taken."""
LINGERING_SECONDS: Final = 1.0
"""How long the rest of a body that nobody wants is read after the answer, so that the client can read the answer."""
SWEEP_SECONDS: Final = 1.0
"""How often the deadlines are looked at."""
WRITE_BUFFER_BYTES: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 128 * 1024
"""Of the system for each connection. Left alone it grows to 4 MiB, of which 500 clients that don't read take 2 GB."""
SPARE_DESCRIPTORS: Final = 2
"""The connections take at most one in so many of the file descriptors that the process may have."""
LEAST_CONNECTIONS: Final = 16
RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for 0 s."""

SERVER: Final = "switchboard"
"""What an answer says that it comes from, in place of the names and versions of what the server is made with."""

log = logging.getLogger(__name__)
log.addFilter(Thinned(seconds=60))


@dataclass(slots=True, frozen=True)
class Limits:
    """How many connections a web server holds."""

    connections: int
    by_address: int
    """Of one client's address."""

    def within_descriptors(self) -> "Limits":
        """The same, or less where the process may have few file descriptors (`ulimit -n`)."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = self.connections if soft == resource.RLIM_INFINITY else soft // SPARE_DESCRIPTORS
        connections = max(LEAST_CONNECTIONS, min(self.connections, most))
        return Limits(connections, min(self.by_address, connections))


class Connections:
    """The open connections, each with the state of its request.

    A connection waits while its client has not sent a whole request. Where all places are taken, the one that has
    waited longest is closed for a new one, first of the same address, then of the address with the most of them. So a
    new connection gets a place whatever others hold open, and clients who open many are closed before the others.

    Args:
        limits: how many there may be.
        is_proxy: whether an address is a proxy's, behind which are many clients: it has no limit of its own.
    """

    def __init__(self, limits: Limits, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        self._limits = limits
        self._is_proxy = is_proxy
        self._all: set[Line] = set()
        self._by_address: Counter[str] = Counter()
        self._waiting: defaultdict[str, dict[Line, None]] = defaultdict(dict)
        """By address, the one that has waited longest first."""

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, line: "Line") -> bool:
        """Give a new connection a place, if need be another one's. False: it gets none."""
        if not self._has_room(line):
            log.warning("a web client was refused: all %d connections are in use", len(self._all))
            return False
        self._all.add(line)
        self._by_address[line.address] += 1
        self._waiting[line.address][line] = None
        return True

    def leave(self, line: "Line") -> None:
        """Free the place of a connection; without effect for one that has none."""
        if line not in self._all:
            return
        self.works(line)
        self._all.remove(line)
        self._by_address[line.address] -= 1
        if not self._by_address[line.address]:
            del self._by_address[line.address]

    def works(self, line: "Line") -> None:
        """Note that a connection has sent a whole request, which is being answered."""
        waiting = self._waiting.get(line.address, {})
        waiting.pop(line, None)
        if not waiting:
            self._waiting.pop(line.address, None)

    def waits(self, line: "Line") -> None:
        """Note that a connection waits for its next request."""
        if line in self._all:
            self._waiting[line.address][line] = None

    def is_waiting(self, line: "Line") -> bool:
        """Whether a connection waits for a whole request."""
        return line in self._waiting.get(line.address, ())

    def sweep(self, now: float) -> None:
        """Close the connections that are past a deadline.

        Args:
            now: the loop's time.
        """
        for line in [line for line in self._all if line.is_overdue(now)]:
            self._close(line, "a web client took too long to send a request or to read the answer")

    def _has_room(self, line: "Line") -> bool:
        limits = self._limits
        if self._by_address[line.address] >= limits.by_address and not self._is_proxy(line.address):
            return self._make_room(line.address, lambda each: each.address == line.address)
        if len(self._all) < limits.connections:
            return True
        return self._make_room(max(self._waiting, key=lambda address: len(self._waiting[address]), default=""))

    def _make_room(self, address: str, is_other: "Callable[[Line], bool]" = lambda _: True) -> bool:
        """Close the connection of an address that has waited longest, or else the other that reads least."""
        found = next(iter(self._waiting.get(address, ())), None)
        if found is None:  # looked for only now: a flood of connections is replaced without it
            slow = [line for line in self._all if is_other(line) and line.unread_seconds() > SLOW_SECONDS]
            found = max(slow, key=lambda line: line.unread_seconds(), default=None)
        if found is not None:
            self._close(found, "a web client gave its place to another: all connections were in use")
        return found is not None

    def _close(self, line: "Line", why: str) -> None:
        log.warning(why)
        self.leave(line)
        line.abort()


class Line(web.RequestHandler):
    """One connection: aiohttp's protocol, with a place among the `Connections` and with deadlines.

    Args:
        connections: of the server.
        manager: aiohttp's server.
        options: of aiohttp's protocol.
    """

    def __init__(self, connections: Connections, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.address = ""
        """As `client_address` writes it."""
        self._connections = connections
        self._open: asyncio.Transport | None = None
        """Until the connection is lost; aiohttp's own `transport` is gone once it is being closed."""
        self._request_since: float | None = None
        """When the request that is being sent began, by the loop's time; None between requests."""
        self._unread_since: float | None = None
        """Since when something waits for the client to read it, by the loop's time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is a place."""
        self._open = opened = cast("asyncio.Transport", transport)  # of TCP it is one; the base class names the base
        peer = opened.get_extra_info("peername")
        self.address = client_address(str(peer[0]) if peer else "")
        self._request_since = self._loop.time()
        if not self._connections.enter(self):
            opened.abort()
            return
        opened.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        opened.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the place."""
        self._open = None
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._request_since is None:
            self._request_since = self._loop.time()
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        if self._unread_since is None:
            self._unread_since = self._loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on, since the client has read most of what waited for it."""
        self._unread_since = None
        super().resume_writing()

    def begin(self) -> None:
        """Note that a whole request has come, and is being answered from now on."""
        self._connections.works(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, or its end; then wait for the next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._request_since = None
            self._connections.waits(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, or whose handler failed: it repeats nothing of what was sent.

        Raises:
            ConnectionError: an answer has begun, and can't be replaced; or the client has left.
        """
        del message
        if isinstance(exc, ConnectionError):
            raise exc
        if isinstance(exc, UnicodeEncodeError) and "Expect" in request.headers:
            # aiohttp answers an expectation that it does not know by repeating it, and fails if it is no UTF-8.
            status = HTTPStatus.EXPECTATION_FAILED
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("a request failed: %s", "" if exc is None else raised(exc))
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun: it can't be replaced by an error")
        answer = web.json_response(
            {"error": HTTPStatus(status).phrase},
            status=status,
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": SERVER},
        )
        answer.force_close()
        return answer

    def is_overdue(self, now: float) -> bool:
        """Whether the client is past a deadline, by the loop's time."""
        if self._open is None:
            return False
        if not self._open.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        is_waiting = self._connections.is_waiting(self)
        is_late = is_waiting and self._request_since is not None and now - self._request_since > REQUEST_SECONDS
        return is_late or (self._unread_since is not None and now - self._unread_since > WRITE_SECONDS)

    def unread_seconds(self) -> float:
        """For how long the client has not read what waits for it."""
        return 0.0 if self._unread_since is None else self._loop.time() - self._unread_since

    def abort(self) -> None:
        """Close the connection at once, and drop what was not sent yet."""
        if self._open is not None:
            # Without this the system keeps what was not sent, for minutes, and sends it on to who does not read.
            self._open.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            self._open.abort()
