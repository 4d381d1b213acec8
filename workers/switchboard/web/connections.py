"""The open connections of a web server: the address of each client, limits on their number, and deadlines."""

import asyncio
import ipaddress
import logging
import resource
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from switchboard.kafka.library_logs import Thinned, raised

IPV6_PREFIX: Final = 64
"""A customer of an IPv6 provider has at least a /64, 2^64 addresses, which limits count as one client."""

MOST_HOPS: Final = 16
"""Number of addresses of X-Forwarded-For that are read, from the end: more than any chain of proxies has."""


class Proxies:
    """The reverse proxies in front of a web server, whose `X-Forwarded-For` is trusted.

    Args:
        networks: addresses and networks, such as `10.0.0.7` and `10.1.0.0/16`.

    Raises:
        ValueError: an entry is neither an address nor a network.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network.strip(), strict=False) for network in networks)

    def hold(self, address: str) -> bool:
        """True if the address belongs to a proxy."""
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)

    def client_of(self, request: web.Request) -> str:
        """The address that sent the request, as `client_address` writes it.

        Each proxy appends the address of its own client, so the list is read from its end: the first address that is
        not a proxy is the client. Entries before it are not trusted, since the client could have sent them.
        """
        client = request.remote or ""
        if self._networks:
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
            hops = iter(reversed(forwarded.split(",")[-MOST_HOPS:]))
            while self.hold(client) and (hop := _without_port(next(hops, "").strip())):
                if _parsed(hop) is None:
                    break  # no address, such as `unknown`: limits count by the proxy that wrote it
                client = hop
        return client_address(client)


def client_address(address: str) -> str:
    """The key that limits count by: an IPv4 address, the /64 of an IPv6 address, else the text itself."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))
    return address if found is None else str(found)


def _without_port(hop: str) -> str:
    """The address in `192.0.2.7:4711`, `[2001:db8::7]:4711` (as some proxies write them) or `192.0.2.7`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; None if the text is none. An IPv4 address written as IPv6 (`::ffff:192.0.2.7`) is IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


WRITE_BUFFER_BYTES: Final = 64 * 1024
"""Bytes that wait to be sent on a connection before its writer is paused."""
SEND_BUFFER_BYTES: Final = 128 * 1024
"""The kernel's send buffer of a connection. By default it grows to 4 MiB: 500 clients that don't read take 2 GB."""
DESCRIPTOR_SHARE: Final = 2
"""Connections use at most 1/2 of the file descriptors of the process."""
LEAST_CONNECTIONS: Final = 16
"""Connections that are allowed however few file descriptors the process may have."""
RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for 0 s."""

SERVER: Final = "switchboard"
"""Value of the `Server` header, instead of the names and versions of the libraries."""

log = logging.getLogger(__name__)
log.addFilter(Thinned(seconds=60))


@dataclass(slots=True, frozen=True)
class Deadlines:
    """Deadlines of the clients of a web server, in s."""

    request: float = 10.0
    """Time for a client to send a whole request, from the connection or from the first byte of the request."""
    body: float = 5.0
    """Time for a client to send the body, after the headers."""
    idle: float = 75.0
    """Time that a connection may stay open between requests. Proxies commonly use 60 s: with more, a proxy never sends
    a request into a connection that is being closed."""
    write: float = 20.0
    """Time for a client to read the pending bytes, at most 64 KiB: a client that reads 3.3 KB/s keeps up."""
    slow: float = 5.0
    """Time without reading after which a client may be closed for a new one, when all connections are in use."""
    lingering: float = 1.0
    """Time that the rest of an unwanted body is read after the answer, so that the client can read the answer."""
    sweep: float = 1.0
    """Interval between checks of the deadlines."""
    stop: float = 1.0
    """Time for answers that have begun, when the server stops."""


@dataclass(slots=True, frozen=True)
class Limits:
    """Limits on the open connections of a web server."""

    connections: int
    by_address: int
    """Connections of one client address."""
    deadlines: Deadlines = Deadlines()

    def within_descriptors(self) -> "Limits":
        """These limits, lowered if the process may have few file descriptors (`ulimit -n`)."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = self.connections if soft == resource.RLIM_INFINITY else soft // DESCRIPTOR_SHARE
        connections = max(LEAST_CONNECTIONS, min(self.connections, most))
        return replace(self, connections=connections, by_address=min(self.by_address, connections))


class Connections:
    """The open connections of a server, and which of them wait for a request.

    A connection waits while its client has not sent a whole request. At the limit, the longest waiting connection is
    closed for a new one: of the same address if that address is at its limit, else of the address with the most waiting
    connections. A new connection therefore gets a place whatever others hold open, and clients that open many
    connections lose theirs first.

    Args:
        limits: on the number of connections.
        is_proxy: True for the address of a proxy, which has many clients behind it and no limit of its own.
    """

    def __init__(self, limits: Limits, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        self.deadlines = limits.deadlines
        self._limits = limits
        self._is_proxy = is_proxy
        self._all: set[ClientConnection] = set()
        self._by_address: Counter[str] = Counter()
        self._waiting: defaultdict[str, dict[ClientConnection, None]] = defaultdict(dict)
        """By address; the longest waiting connection first."""

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: "ClientConnection") -> bool:
        """Add a new connection, closing another if needed. False: there is no place for the new one."""
        if not self._has_room(connection):
            log.warning("a web client was refused: all %d connections are in use", len(self._all))
            return False
        self._all.add(connection)
        self._by_address[connection.address] += 1
        self._waiting[connection.address][connection] = None
        return True

    def leave(self, connection: "ClientConnection") -> None:
        """Remove a connection; no effect if it was not added."""
        if connection not in self._all:
            return
        self.works(connection)
        self._all.remove(connection)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]

    def works(self, connection: "ClientConnection") -> None:
        """Note that a whole request has arrived and is being answered."""
        waiting = self._waiting.get(connection.address, {})
        waiting.pop(connection, None)
        if not waiting:
            self._waiting.pop(connection.address, None)

    def waits(self, connection: "ClientConnection") -> None:
        """Note that a connection waits for its next request."""
        if connection in self._all:
            self._waiting[connection.address][connection] = None

    def is_waiting(self, connection: "ClientConnection") -> bool:
        """True if a connection waits for a whole request."""
        return connection in self._waiting.get(connection.address, ())

    def sweep(self, now: float) -> None:
        """Close the connections that are past a deadline.

        Args:
            now: time of the event loop, s.
        """
        for connection in [connection for connection in self._all if connection.is_overdue(now)]:
            self._close(connection, "a web client took too long to send a request or to read the answer")

    def _has_room(self, connection: "ClientConnection") -> bool:
        """True if there is a place for a new connection, or another connection was closed for it."""
        limits = self._limits
        # At its own limit, an address can only replace one of its connections.
        if self._by_address[connection.address] >= limits.by_address and not self._is_proxy(connection.address):
            return self._make_room(connection.address, lambda each: each.address == connection.address)
        if len(self._all) < limits.connections:
            return True
        # At the limit of all, the address with the most waiting connections loses one.
        return self._make_room(max(self._waiting, key=lambda address: len(self._waiting[address]), default=""))

    def _make_room(self, address: str, is_other: "Callable[[ClientConnection], bool]" = lambda _: True) -> bool:
        """Close the longest waiting connection of an address; else the slowest reader that `is_other` accepts."""
        found = next(iter(self._waiting.get(address, ())), None)
        if found is None:
            # This search reads all connections, but is rare: in a flood there are waiting connections.
            slow = [
                connection
                for connection in self._all
                if is_other(connection) and connection.unread_seconds() > self.deadlines.slow
            ]
            found = max(slow, key=lambda connection: connection.unread_seconds(), default=None)
        if found is not None:
            self._close(found, "a web client gave its place to another: all connections were in use")
        return found is not None

    def _close(self, connection: "ClientConnection", why: str) -> None:
        """Close a connection and log the reason."""
        log.warning(why)
        self.leave(connection)
        connection.abort()


class ClientConnection(web.RequestHandler):
    """One connection: aiohttp's protocol with deadlines, counted in `Connections`.

    Args:
        connections: of the server.
        manager: aiohttp's server.
        options: of aiohttp's protocol.
    """

    def __init__(self, connections: Connections, manager: web.Server, **options: Any) -> None:
        deadlines = connections.deadlines
        super().__init__(manager, keepalive_timeout=deadlines.idle, lingering_time=deadlines.lingering, **options)
        self.address = ""
        """As `client_address` returns it."""
        self._connections = connections
        self._open: asyncio.Transport | None = None
        """Set until the connection is lost; aiohttp drops its own `transport` when it begins to close."""
        self._request_since: float | None = None
        """Time of the loop at which the present request began to arrive; None between requests."""
        self._unread_since: float | None = None
        """Time of the loop since which bytes wait for the client to read them; None if none do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start, or close at once if there is no place."""
        # The signature of the base class is wider than a TCP transport.
        self._open = opened = cast("asyncio.Transport", transport)
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
        """Remove the connection."""
        self._open = None
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive bytes from the client."""
        if self._request_since is None:
            self._request_since = self._loop.time()
        super().data_received(data)

    def pause_writing(self) -> None:
        """Stop writing until the client has read."""
        if self._unread_since is None:
            self._unread_since = self._loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Write again: the client has read most of the pending bytes."""
        self._unread_since = None
        super().resume_writing()

    @property
    def body_seconds(self) -> float:
        """Time for the body of a request to arrive, s."""
        return self._connections.deadlines.body

    def begin(self) -> None:
        """Note that a whole request has arrived."""
        self._connections.works(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, or its last part; then wait for the next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._request_since = None
            self._connections.waits(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to invalid HTTP, or to a request whose handler failed. It repeats nothing of the request.

        Raises:
            ConnectionError: an answer has begun, and can't be replaced; or the client is gone.
        """
        del message
        if isinstance(exc, ConnectionError):
            raise exc
        if isinstance(exc, UnicodeEncodeError) and "Expect" in request.headers:
            # aiohttp repeats an unknown expectation in its answer, and fails if the expectation is not UTF-8.
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
        """True if the client has missed a deadline; `now` is the time of the loop, s."""
        if self._open is None:
            return False
        # The end of an answer may wait in the buffer without pausing a writer, so the buffer itself is looked at.
        if not self._open.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        deadlines = self._connections.deadlines
        is_waiting = self._connections.is_waiting(self)
        is_late = is_waiting and self._request_since is not None and now - self._request_since > deadlines.request
        return is_late or (self._unread_since is not None and now - self._unread_since > deadlines.write)

    def unread_seconds(self) -> float:
        """Seconds since the client last read, while bytes wait for it; else 0."""
        return 0.0 if self._unread_since is None else self._loop.time() - self._unread_since

    def abort(self) -> None:
        """Close the connection at once, and drop unsent bytes."""
        if self._open is not None:
            # Without SO_LINGER the kernel keeps unsent bytes of a client that does not read for minutes.
            self._open.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            self._open.abort()
