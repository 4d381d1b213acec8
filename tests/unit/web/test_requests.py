"""What a web server answers to requests that no well-meaning client sends, byte by byte."""

import re

import pytest
from aiohttp import web

from switchboard.web.connections import Deadlines, Limits
from switchboard.web.server import MOST_BODY_BYTES, whole
from tests.sockets import an_app, connected, rest

LIMITS = Limits(20, 20, Deadlines(lingering=0.05))


def echo() -> web.Application:
    """An app that tells how long the body of a POST is."""
    app = web.Application(middlewares=[whole], client_max_size=MOST_BODY_BYTES)

    async def size(request: web.Request) -> web.Response:
        return web.Response(text=f"took {len(await request.read())} bytes")

    app.router.add_route("*", "/size", size)
    return app


async def statuses(sent: bytes, limits: Limits = LIMITS) -> list[int]:
    """The status of each answer to what was sent over one connection, until the server closes it."""
    async with an_app(limits, echo()) as port:
        answer = await rest(await connected(port, sent))
    assert b"Traceback" not in answer
    return [int(status) for status in re.findall(rb"HTTP/[0-9.]+ (\d+) ", answer)]


def post(body: bytes, *headers: str) -> bytes:
    """A POST as its bytes."""
    lines = ["POST /size HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (post(b"a" * 4_096, "Content-Length: 4096"), [200]),
        (post(b"a" * 4_097, "Content-Length: 4097"), [413]),
        (post(b"", "Content-Length: 1000000000"), [413]),
        (post(b"1000\r\n" + b"a" * 4_096 + b"\r\n0\r\n\r\n", CHUNKED), [200]),
        (post(b"1001\r\n" + b"a" * 4_097 + b"\r\n0\r\n\r\n", CHUNKED), [413]),
        (post(b"xyz\r\n", CHUNKED), [400]),
        (post(b"\x1f\x8b\x08\x00" + b"\xff" * 20, "Content-Length: 24", "Content-Encoding: gzip"), [200]),
    ],
    ids=["all of it", "too long", "announced", "chunked", "chunked, too long", "bad chunk", "is not unpacked"],
)
async def test_a_body_is_bounded_however_it_comes(sent: bytes, wanted: list[int]) -> None:
    """4 KiB, whether its length is announced or not; it is never unpacked."""
    assert await statuses(sent) == wanted


@pytest.mark.parametrize("sent", [post(b"", "Content-Length: 10"), post(b"4\r\nab", CHUNKED)])
async def test_a_body_that_does_not_come_is_waited_for_with_a_bound(sent: bytes) -> None:
    """408, and the connection is closed."""
    assert await statuses(sent, Limits(20, 20, Deadlines(body=0.1, lingering=0.05))) == [408]


SMUGGLED = b"GET /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", CHUNKED),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: +5",),
        ("Content-Length: 5, 5",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: x-chunked",),
        ("Content-Length : 5",),
        (" Content-Length: 5",),
        ("X: a\rb",),
        ("X: a\0b",),
    ],
)
async def test_two_ways_to_read_where_a_request_ends_are_refused(headers: tuple[str, ...]) -> None:
    """A proxy in front that reads it the other way would take what follows for the next request, of someone else."""
    assert await statuses(post(b"0\r\n\r\n" + SMUGGLED, *headers)) == [400]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /size HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /size HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET /size\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /size HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /size HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 9_000 + b"\r\n\r\n",
        b"GET /size HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["no host", "two hosts", "HTTP/0.9", "TLS", "HTTP/9.9", "long path", "long cookie", "many headers"],
)
async def test_what_is_no_request_of_ours_is_a_bad_request(sent: bytes) -> None:
    """400 and the connection is closed, whatever follows."""
    assert await statuses(sent + SMUGGLED) == [400]


async def test_a_bad_request_is_not_repeated_to_the_browser() -> None:
    """No markup of the request's comes back, and no browser takes the answer for a page."""
    async with an_app(LIMITS, echo()) as port:
        answer = await rest(await connected(port, b"GET /<script>alert(1)</script> HTTP/one\r\n\r\n"))
    assert b" 400 " in answer.splitlines()[0]
    assert b"script" not in answer
    assert b"X-Content-Type-Options: nosniff" in answer


async def test_pipelined_requests_are_answered_in_order() -> None:
    """As many as come; more than 32 wait unread until the first are answered."""
    one = b"GET /size HTTP/1.1\r\nHost: x\r\n\r\n"
    assert await statuses(one * 200 + SMUGGLED) == [200] * 201


async def test_an_upgrade_is_not_taken_up() -> None:
    """There are no web sockets here: the request is answered as if it had not asked for one."""
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    lines = ["GET /size HTTP/1.1", "Host: x", "Connection: Upgrade", *upgrade, "", ""]
    assert await statuses("\r\n".join(lines).encode() + SMUGGLED) == [200, 200]


async def test_a_client_that_asks_whether_to_send_its_body_is_told_to() -> None:
    """`Expect: 100-continue`; any other expectation is refused."""
    assert await statuses(post(b"abc", "Content-Length: 3", "Expect: 100-continue")) == [100, 200]
    assert await statuses(post(b"abc", "Content-Length: 3", "Expect: the-impossible")) == [417]
    assert await statuses(post(b"abc", "Content-Length: 3", "Expect: \xff")) == [417]
    assert await statuses(post(b"abc", "Content-Length: 3", "Expect: \xff").replace(b"/size", b"/no")) == [417]


@pytest.mark.parametrize("path", ["/../size", "/%2e%2e/etc/passwd", "/%", "/%zz", "/size%00", "//size", "/\xff"])
async def test_a_path_leads_nowhere_but_to_a_route(path: str) -> None:
    """There are no files behind the routes; percent-encoding that is none is no path of ours either."""
    sent = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1")
    assert (await statuses(sent))[0] in ({200, 404} if path == "/../size" else {400, 404})


@pytest.mark.parametrize("query", ["a" * 8_000, "&".join(["a=b"] * 2_000), "%zz&=&&;==%00" * 200])
async def test_any_query_that_fits_into_a_line_is_read(query: str) -> None:
    """8 KB at most: the bound of the line is the bound of the number of parameters."""
    sent = f"GET /size?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert await statuses(sent.encode()) == [200]
