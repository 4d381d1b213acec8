"""The middleware that every request goes through first: it is whole, small and names one host."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import HttpVersion10, HttpVersion11, web

from switchboard.web.connections import (
    IDLE_SECONDS,
    LINGERING_SECONDS,
    SWEEP_SECONDS,
    Connections,
    Limits,
    Line,
    Proxies,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BODY_BYTES: Final = 4 * 1024
"""The only body that any route takes is the sign-in form, with one token. Give it to `web.Application` as
`client_max_size`: aiohttp stops reading there, and answers 413."""
BODY_SECONDS: Final = 5.0
"""How long a body may take."""


@web.middleware
async def whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, bounded in size and time, before anything is done for the request.

    Until then the connection counts as one that waits, which a new one may replace.

    Raises:
        HTTPBadRequest: a body that is not as its headers say, a request of HTTP/1.1 that names no host, or one
            of HTTP/0.9, which has no headers.
        HTTPRequestTimeout: the body took longer than BODY_SECONDS.
        HTTPRequestEntityTooLarge: it is longer than MOST_BODY_BYTES.
    """
    # More than one host is refused by aiohttp's parser.
    if request.version < HttpVersion10 or (request.version >= HttpVersion11 and "Host" not in request.headers):
        raise web.HTTPBadRequest
    if request.content_length is not None and request.content_length > MOST_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MOST_BODY_BYTES, request.content_length)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest from None
    if isinstance(request.protocol, Line):
        request.protocol.begin()
    return await handler(request)


STOP_SECONDS: Final = 1.0
"""How long answers that have begun may take once the server is told to stop."""
BACKLOG: Final = 128
"""Connections that wait to be accepted. As many are accepted in one step of the loop, before those that gave their
places are closed: this many file descriptors are needed beside those of `Limits`."""


class WebServer:
    """A server that answers.

    Args:
        runner: aiohttp's, set up.
        server: what accepts the connections.
        sweeping: looks at the deadlines.
    """

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, sweeping: asyncio.Task[None]) -> None:
        self._runner = runner
        self._server = server
        self._sweeping = sweeping
        self.addresses: list[Any] = [each.getsockname() for each in server.sockets]
        """As `socket.getsockname` tells them: (host, port, …)."""

    async def cleanup(self) -> None:
        """Stop: accept no more, and give answers that have begun STOP_SECONDS to end."""
        self._server.close()
        await self._runner.cleanup()
        self._sweeping.cancel()


async def serve(
    app: web.Application, host: str, port: int, limits: Limits, proxies: Proxies | None = None
) -> WebServer:
    """Begin to answer.

    Args:
        app: what is served; its middlewares begin with `switchboard.web.server.whole`.
        host: the address to listen at.
        port: likewise; 0 for any that is free.
        limits: how many connections there may be, if the process may have so many file descriptors.
        proxies: in front of the server, if any.

    Raises:
        OSError: the address can't be had.
    """
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    connections = Connections(limits.within_descriptors(), (proxies or Proxies()).hold)

    def line() -> Line:
        assert runner.server is not None  # noqa: S101 - it is set up
        return Line(
            connections,
            runner.server,
            loop=loop,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            # No route takes a compressed body, and unpacking one costs what its sender likes.
            auto_decompress=False,
        )

    try:
        server = await loop.create_server(line, host, port, backlog=BACKLOG)
    except OSError:
        await runner.cleanup()
        raise
    return WebServer(runner, server, asyncio.create_task(_sweep(connections)))


async def _sweep(connections: Connections) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        connections.sweep(loop.time())
