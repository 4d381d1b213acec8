"""The middleware that every request goes through first: it is whole, small and names one host."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, web

from switchboard.web.connections import Line

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
