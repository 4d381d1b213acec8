"""The answers of the whole web application to malformed and hostile requests, sent as bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest

from switchboard.monitor.access import AccessControl
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream, StreamLimits
from switchboard.monitor.site import web_application
from switchboard.monitor.tables import Tables
from switchboard.web.connections import Limits
from tests.sockets import an_app, connected, rest


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a monitor without a token, for this machine only."""
    tables, contact = Tables(), BusContact(1.0)
    limits = StreamLimits(heartbeat_seconds=0.3)
    stream = Stream(tables, contact, RoutingStatus(1, "chat-arrival"), {}, limits=limits)
    running = asyncio.create_task(stream.run())
    app = web_application(AccessControl("127.0.0.1", None), tables, stream, contact, lambda: True)
    async with an_app(Limits(50, 50), app) as listening:
        yield listening
        stream.close()
    running.cancel()


async def answer(port: int, line: str, *headers: str, host: str = "127.0.0.1") -> tuple[int, bytes, bytes]:
    """Send a request; the status, head and body of the answer."""
    sent = "\r\n".join([line, f"Host: {host}", "Connection: close", *headers, "", ""]).encode("latin-1")
    head, _, body = (await rest(await connected(port, sent))).partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("OPTIONS /api/agents HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 404),
        ("TRACE /api/agents HTTP/1.1", 405),
        ("DELETE /api/chats/c1 HTTP/1.1", 405),
        ("BREW /api/agents HTTP/1.1", 400),
        ("CONNECT 127.0.0.1:22 HTTP/1.1", 404),
        ("GET http://evil.test/api/agents HTTP/1.1", 421),
        ("GET /../../etc/passwd HTTP/1.1", 404),
        ("GET /board.js/../../entry.py HTTP/1.1", 404),
        ("GET /%2e%2e/%2e%2e/entry.py HTTP/1.1", 404),
        ("GET /page/index.html HTTP/1.1", 404),
        ("GET /api/agents/%zz HTTP/1.1", 404),
        ("GET /api/agents/%00 HTTP/1.1", 404),
        ("GET /api/agents/%ff%fe HTTP/1.1", 404),
        ("GET /api/chats?chat_id=%ff&pool=%ff HTTP/1.1", 404),
        ("GET /api/queues?pool=%ff&limit=1&limit=x HTTP/1.1", 200),
        ("GET /api/agents?" + "a=b&" * 2_000 + " HTTP/1.1", 200),
        ("GET /api/queues?cursor=" + "A" * 8_000 + " HTTP/1.1", 400),
        ("GET /sign-in HTTP/1.1", 404),
        ("GET /?token=a-long-secret-of-readers HTTP/1.1", 200),
    ],
)
async def test_every_answer_is_ours(port: int, line: str, status: int) -> None:
    """Each answer has a fitting status, as JSON or as the page, and no trace, file or name of a library."""
    found, head, body = await answer(port, line)
    assert found == status
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"Server: switchboard" in head
    if found != 200:
        assert set(orjson.loads(body)) == {"error"}


async def test_headers_that_go_wrong_do_no_harm(port: int) -> None:
    """Cookies, expectations, encodings and addresses that are malformed or huge."""
    assert (await answer(port, "GET /api/agents HTTP/1.1", "Cookie: " + "a=b; " * 1_600))[0] == 200
    assert (await answer(port, "GET /api/agents HTTP/1.1", 'Cookie: switchboard="\\200\\777; =;;,'))[0] == 200
    assert (await answer(port, "GET /api/agents HTTP/1.1", "Authorization: Bearer \xff"))[0] == 200
    assert (await answer(port, "GET /api/agents HTTP/1.1", "X-Forwarded-For: " + "1.2.3.4," * 900))[0] == 200
    assert (await answer(port, "GET /api/agents HTTP/1.1", "Expect: 100-continue"))[0] == 100
    assert (await answer(port, "GET /api/agents HTTP/1.1", "Expect: tea"))[0] == 417
    assert (await answer(port, "GET /api/agents HTTP/1.1", "Transfer-Encoding: chunked, gzip"))[0] == 400


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "127.0.0.1@evil.test", "[::1", "", "a b", "\xff"])
async def test_without_a_token_no_other_host_is_answered(port: int, host: str) -> None:
    """A page on the internet may have its host name resolve to 127.0.0.1."""
    status, _, body = await answer(port, "GET /api/agents HTTP/1.1", host=host)
    assert status in (400, 421)
    assert b"[" not in body


async def test_a_stream_of_a_client_that_goes_on_sending_is_a_stream(port: int) -> None:
    """The upgrade to a websocket is ignored, and no more of what follows is read than a buffer holds."""
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    sent = f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}\r\n".encode()
    client = await connected(port, sent)
    loop = asyncio.get_running_loop()
    first = await loop.sock_recv(client, 65_536)
    assert first.startswith(b"HTTP/1.1 200 ")
    endless = asyncio.create_task(_send_on(client))
    while b"event: heartbeat" not in first:
        first += await loop.sock_recv(client, 65_536)
    # The stream goes on: at the second heartbeat, after 0.3 s, the bytes sent have long filled all buffers.
    second = await loop.sock_recv(client, 65_536)
    assert b"event: heartbeat" in second
    assert not endless.done()
    endless.cancel()
    client.close()


async def _send_on(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, bytes(1_000_000))
