"""Raw HTTP clients, for what client libraries don't send."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohttp import web

from switchboard.web.connections import Limits
from switchboard.web.server import MOST_BODY_BYTES, serve, whole

HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
"""A request that lacks its end."""
WHOLE = HALF + b"\r\n"


@contextmanager
def descriptors(least: int) -> Iterator[None]:
    """Allow this process that many file descriptors at least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, least), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def an_app(limits: Limits, app: web.Application | None = None) -> AsyncIterator[int]:
    """A server of an app, by default one that answers on /healthz, /livez and /readyz; its port."""
    if app is None:
        app = web.Application(middlewares=[whole], client_max_size=MOST_BODY_BYTES)

        async def probe(_: web.Request) -> web.Response:
            return web.Response(text="well")

        for path in ("/healthz", "/livez", "/readyz"):
            app.router.add_get(path, probe)
    server = await serve(app, "127.0.0.1", 0, limits)
    try:
        yield server.addresses[0][1]
    finally:
        await server.cleanup()


async def connected(
    port: int, sent: bytes = b"", source: str = "127.0.0.1", *, small_buffer: bool = False
) -> socket.socket:
    """A connection from an address of this machine, over which something was sent.

    With a small buffer the kernel takes a few KB for a client that does not read, otherwise up to 6 MB.
    """
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003 - it takes nothing else
    if small_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.bind((source, 0))
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    with suppress(ConnectionError):  # it may be closed for another one already
        await loop.sock_sendall(client, sent)
    return client


def still_open(clients: Iterable[socket.socket]) -> int:
    """How many of the connections the server has not closed; those that it answered count as open."""

    def is_open(client: socket.socket) -> bool:
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return False  # reset, with an answer that was not read
        try:
            return client.recv(1) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    return sum(is_open(client) for client in clients)


async def rest(client: socket.socket, seconds: float = 10) -> bytes:
    """All that the server sends until it closes the connection."""
    loop = asyncio.get_running_loop()
    found = b""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            while part := await loop.sock_recv(client, 65_536):
                found += part
    client.close()
    return found


async def ask(port: int, path: str, *headers: str, source: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and whole answer of a GET with a connection of its own; status 0 if it is closed without one."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""]
    answer = await rest(await connected(port, "\r\n".join(lines).encode(), source))
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer
