"""A web server with bounded connections, and the middleware that bounds each request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import HttpVersion10, HttpVersion11, web

from switchboard.web.connections import ClientConnection, Connections, Deadlines, Limits, Proxies

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BODY_BYTES: Final = 4 * 1024
"""The only body that a route accepts is the sign-in form with one token. Pass this to `web.Application` as
`client_max_size`: aiohttp stops reading there, and answers 413."""


@web.middleware
async def whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, bounded in size and time, before the handler is called.

    Until then the connection counts as waiting, and may be closed for a new one.

    Raises:
        HTTPBadRequest: the body contradicts its headers; a request of HTTP/1.1 without a host; HTTP/0.9, which has no
            headers.
        HTTPRequestTimeout: the body took longer than `Deadlines.body`.
        HTTPRequestEntityTooLarge: the body is longer than MOST_BODY_BYTES.
    """
    # aiohttp's parser refuses more than one Host header.
    if request.version < HttpVersion10 or (request.version >= HttpVersion11 and "Host" not in request.headers):
        raise web.HTTPBadRequest
    if request.content_length is not None and request.content_length > MOST_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MOST_BODY_BYTES, request.content_length)
    client = request.protocol if isinstance(request.protocol, ClientConnection) else None
    try:
        async with asyncio.timeout(client.body_seconds if client else Deadlines().body):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest from None
    if client:
        client.begin()
    return await handler(request)


BACKLOG: Final = 128
"""Connections that wait to be accepted. The loop may accept all of them in one step, before replaced connections are
closed: so many file descriptors are needed beside those of `Limits`."""


class WebServer:
    """A running web server.

    Args:
        runner: of aiohttp, set up.
        server: accepts the connections.
        sweeping: the task that checks the deadlines.
    """

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, sweeping: asyncio.Task[None]) -> None:
        self._runner = runner
        self._server = server
        self._sweeping = sweeping
        self.addresses: list[Any] = [each.getsockname() for each in server.sockets]
        """As `socket.getsockname` returns them: (host, port, …)."""

    async def cleanup(self) -> None:
        """Stop: accept no more connections, and give answers that have begun `Deadlines.stop` to end."""
        self._server.close()
        await self._runner.cleanup()
        self._sweeping.cancel()


async def serve(
    app: web.Application, host: str, port: int, limits: Limits, proxies: Proxies | None = None
) -> WebServer:
    """Start a web server.

    Args:
        app: the application; `switchboard.web.server.whole` is the first of its middlewares.
        host: the address to listen at.
        port: the port to listen at; 0 for any free port.
        limits: on connections, with the deadlines of clients; lowered if the process may have few file descriptors.
        proxies: in front of the server.

    Raises:
        OSError: the address is in use or invalid.
    """
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=limits.deadlines.stop)
    await runner.setup()
    connections = Connections(limits.within_descriptors(), (proxies or Proxies()).hold)

    def connect() -> ClientConnection:
        assert runner.server is not None  # noqa: S101 - set up above
        return ClientConnection(
            connections,
            runner.server,
            loop=loop,
            access_log=None,
            # No route accepts a compressed body, and the sender would decide how much memory unpacking takes.
            auto_decompress=False,
        )

    try:
        server = await loop.create_server(connect, host, port, backlog=BACKLOG)
    except OSError:
        await runner.cleanup()
        raise
    return WebServer(runner, server, asyncio.create_task(_sweep(connections)))


async def _sweep(connections: Connections) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(connections.deadlines.sweep)
        connections.sweep(loop.time())
