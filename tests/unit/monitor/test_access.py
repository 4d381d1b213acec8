"""Signing in and out, sessions, and limits on guessing the token; with real sockets."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from itertools import count

import pytest
from pydantic import SecretStr

from switchboard.monitor.access import (
    MOST_ADDRESSES,
    MOST_KNOWN,
    MOST_SESSIONS,
    STRANGER,
    AccessControl,
    GuessLimiter,
    Sessions,
)
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream, StreamLimits
from switchboard.monitor.site import web_application
from switchboard.monitor.tables import Tables
from switchboard.web.connections import Limits, Proxies
from tests.sockets import an_app, connected, rest

TOKEN = "a-long-secret-of-readers"  # noqa: S105 - of this test
FORM = "application/x-www-form-urlencoded"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


class Monitor:
    """A client that sends raw requests to a monitor with a token."""

    def __init__(self, port: int, stream: Stream) -> None:
        self.port = port
        self.stream = stream

    async def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send a request; the status, headers and body of the answer."""
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", *length, *headers, "", ""]
        if not any(each.startswith("Host:") for each in headers):
            lines.insert(1, "Host: board.example:8080")
        answer = await rest(await connected(self.port, "\r\n".join(lines).encode() + body))
        head, _, rest_of_it = answer.partition(b"\r\n\r\n")
        first, *others = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.split(": ", 1) for line in others), rest_of_it

    async def sign_in(self, *headers: str, token: str = TOKEN, kind: str = FORM) -> tuple[int, dict[str, str], bytes]:
        """Send the sign-in form."""
        return await self.send("POST", "/sign-in", f"Content-Type: {kind}", *headers, body=f"token={token}".encode())

    async def reads(self, *headers: str) -> int:
        """The status of a request that only readers may send."""
        return (await self.send("GET", "/api/agents", *headers))[0]


def cookie_of(headers: dict[str, str]) -> str:
    """The header with which a client sends back the cookie of an answer."""
    (morsel,) = SimpleCookie(headers["Set-Cookie"]).values()
    return f"Cookie: {morsel.key}={morsel.value}"


@pytest.fixture
def clock() -> Clock:
    """The clock of sessions and guesses."""
    return Clock()


@pytest.fixture
def access(clock: Clock) -> AccessControl:
    """Access by token, behind a proxy on 127.0.0.1."""
    return AccessControl(
        "board.example", SecretStr(TOKEN), Sessions(3_600, clock), Proxies(["127.0.0.1"]), GuessLimiter(clock)
    )


@pytest.fixture
async def monitor(access: AccessControl) -> AsyncIterator[Monitor]:
    """A running web server that asks for the token."""
    tables, contact = Tables(), BusContact(1.0)
    stream = Stream(
        tables,
        contact,
        RoutingStatus(1, "chat-arrival"),
        {},
        limits=StreamLimits(heartbeat_seconds=0.1),
        may_read=access.still_admits,
    )
    running = asyncio.create_task(stream.run())
    async with an_app(Limits(200, 200), web_application(access, tables, stream, contact, lambda: True)) as port:
        yield Monitor(port, stream)
        stream.close()
    running.cancel()


@pytest.mark.parametrize("way", ["form", "address"])
async def test_a_sign_in_gives_a_cookie_that_is_worth_nothing_elsewhere(monitor: Monitor, way: str) -> None:
    """Neither scripts nor other sites can use the cookie; its name is random, and it has an age."""
    assert (await monitor.send("GET", "/"))[1]["Location"] == "/sign-in"
    cookies = []
    for _ in range(2):
        answer = await (monitor.sign_in() if way == "form" else monitor.send("GET", f"/?token={TOKEN}"))
        status, headers, _ = answer
        assert (status, headers["Location"]) == (303, "/")
        for part in ("HttpOnly", "SameSite=Strict", "Max-Age=3600", "Path=/"):
            assert part in headers["Set-Cookie"]
        assert TOKEN not in headers["Set-Cookie"]
        cookies.append(cookie_of(headers))
    assert cookies[0] != cookies[1]
    assert [await monitor.reads(cookie) for cookie in cookies] == [200, 200]
    assert await monitor.reads("Cookie: switchboard=x") == 401


async def test_a_session_ends_with_its_time_whatever_the_browser_keeps(monitor: Monitor, clock: Clock) -> None:
    """The server ends the session, so a copied cookie is worth nothing afterwards."""
    cookie = cookie_of((await monitor.sign_in())[1])
    clock.now += 3_599
    assert await monitor.reads(cookie) == 200
    clock.now += 2
    assert await monitor.reads(cookie) == 401


async def test_a_sign_out_ends_the_session_and_its_open_page(monitor: Monitor) -> None:
    """A copied cookie is worth nothing then. Other sessions go on, and so do streams of programs with the token."""
    cookie, other = [cookie_of((await monitor.sign_in())[1]) for _ in range(2)]
    stream = f"GET /api/stream HTTP/1.1\r\nHost: board.example:8080\r\nConnection: close\r\n{cookie}\r\n\r\n".encode()
    kept = f"GET /api/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    page, program = await connected(monitor.port, stream), await connected(monitor.port, kept)
    status, headers, _ = await monitor.send("POST", "/sign-out", cookie, "Origin: http://board.example:8080")
    assert (status, headers["Location"]) == (303, "/sign-in")
    assert "Max-Age=0" in headers["Set-Cookie"]
    assert await monitor.reads(cookie) == 401
    assert await monitor.reads(other) == 200
    assert b"event: board" in await rest(page)  # it ends with the next heartbeat
    assert len(monitor.stream.clients) == 1
    program.close()


async def test_a_token_in_the_authorization_header_needs_no_session(monitor: Monitor) -> None:
    """Programs send the token with each request."""
    assert await monitor.reads(f"Authorization: Bearer {TOKEN}") == 200
    assert await monitor.reads(f"authorization: bearer {TOKEN}") == 200


def test_sessions_are_bounded() -> None:
    """The oldest session ends beyond the limit; a session whose time is over takes no place."""
    clock = Clock()
    sessions = Sessions(60, clock)
    first = sessions.open()
    second = sessions.open()
    for _ in range(MOST_SESSIONS - 1):
        sessions.open()
    assert (sessions.is_open(first), sessions.is_open(second)) == (False, True)
    clock.now += 61
    sessions.open()
    assert len(sessions) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FORM, 303),
        (f"{FORM}; charset=utf-8", 303),
        (f"{FORM}; charset=UTF-8", 303),
        (f"{FORM}; charset=punycode", 415),
        (f"{FORM}; charset=utf-7", 415),
        (f"{FORM}; charset=idna", 415),
        (f"{FORM}; charset=bz2", 415),
        (f"{FORM}; charset=nothing", 415),
        ("multipart/form-data; boundary=x", 415),
        ("multipart/form-data", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
async def test_only_a_form_in_utf8_is_read(monitor: Monitor, kind: str, status: int) -> None:
    """No other decoder runs on bodies of strangers: some take minutes, and some unpack."""
    assert (await monitor.sign_in(kind=kind))[0] == status


async def test_half_a_megabyte_of_punycode_is_refused_at_once(monitor: Monitor) -> None:
    """Decoding it blocked the monitor for 27 s. The body is refused unread."""
    kind = f"Content-Type: {FORM}; charset=punycode"
    status, _, _ = await monitor.send("POST", "/sign-in", kind, body=b"token=" + b"a-" + b"b" * 499_000)
    assert status == 413


@pytest.mark.parametrize("body", [b"token=\xff", b"token=%ff", b"&".join([b"a=b"] * 9), b""])
async def test_a_form_that_is_none_of_ours_is_refused(monitor: Monitor, body: bytes) -> None:
    """The answer is a bad request, or a wrong token if the body is empty; never an error of the server."""
    status, headers, _ = await monitor.send("POST", "/sign-in", f"Content-Type: {FORM}", body=body)
    assert status == 400 or (not body and headers["Location"] == "/sign-in?wrong")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 303),
        (("Origin: http://board.example:8080",), 303),
        (("Origin: https://board.example:8080",), 303),
        (("Origin: http://evil.test",), 403),
        (("Origin: http://board.example",), 403),
        (("Origin: null",), 403),
        (("Origin: http://[",), 403),
        (("Sec-Fetch-Site: same-origin", "Origin: https://outside.example"), 303),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: cross-site", "Origin: http://board.example:8080"), 403),
        (("Sec-Fetch-Site: none",), 403),
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_of_another_sites_page_is_refused(
    monitor: Monitor, path: str, headers: tuple[str, ...], status: int
) -> None:
    """A page on the internet can make a reader's browser send forms here; the browser states their origin."""
    answer = await monitor.send("POST", path, f"Content-Type: {FORM}", *headers, body=f"token={TOKEN}".encode())
    assert answer[0] == status
    assert ("Set-Cookie" in answer[1]) == (status == 303)


@pytest.mark.parametrize(("dest", "status"), [("document", 303), ("image", 403), ("iframe", 403), ("empty", 403)])
async def test_a_sign_in_by_the_address_is_a_page_that_is_opened(monitor: Monitor, dest: str, status: int) -> None:
    """An image in a page of another site must not guess the token through a reader's browser."""
    assert (await monitor.send("GET", f"/?token={TOKEN}", f"Sec-Fetch-Dest: {dest}"))[0] == status


async def test_without_a_token_there_is_no_sign_in() -> None:
    """A monitor without a token has neither the form nor its route."""
    tables, contact = Tables(), BusContact(1.0)
    stream = Stream(tables, contact, RoutingStatus(1, "chat-arrival"), {})
    app = web_application(AccessControl("127.0.0.1", None), tables, stream, contact, lambda: True)
    async with an_app(Limits(20, 20), app) as port:
        monitor = Monitor(port, stream)
        for method, path in (("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out")):
            assert (await monitor.send(method, path, "Host: 127.0.0.1"))[0] == 404


async def guess(monitor: Monitor, address: str, token: str) -> int:
    """Sign in with a token from an address behind the proxy; the status of the answer."""
    return (await monitor.sign_in(f"X-Forwarded-For: {address}", token=token))[0]


async def test_guesses_from_one_address_are_limited_and_others_sign_in(monitor: Monitor, clock: Clock) -> None:
    """The answer is 429 and when to come back, for the right token too: else guessing would still work."""
    for number in range(int(STRANGER.most)):
        assert await guess(monitor, "203.0.113.1", f"wrong-{number}") == 303
    status, headers, body = await monitor.sign_in("X-Forwarded-For: 203.0.113.1")
    assert (status, headers["Retry-After"]) == (429, "2")
    assert b"try again in 2 s" in body
    bearer = ("X-Forwarded-For: 203.0.113.1", f"Authorization: Bearer {TOKEN}")
    assert await monitor.reads(*bearer) == 429
    assert "Set-Cookie" in (await monitor.sign_in("X-Forwarded-For: 203.0.113.2"))[1]
    clock.now += 2
    assert "Set-Cookie" in (await monitor.sign_in("X-Forwarded-For: 203.0.113.1"))[1]


async def test_guesses_from_its_address_do_not_end_a_session(monitor: Monitor) -> None:
    """A request with the cookie of a session is no guess."""
    cookie = cookie_of((await monitor.sign_in("X-Forwarded-For: 203.0.113.1"))[1])
    for number in range(150):
        await guess(monitor, "203.0.113.1", f"wrong-{number}")
    assert await guess(monitor, "203.0.113.1", TOKEN) == 429
    assert await monitor.reads(cookie, "X-Forwarded-For: 203.0.113.1") == 200


async def test_a_program_with_an_outdated_token_locks_out_no_client_at_its_address(monitor: Monitor) -> None:
    """The program retries one token, which counts as one guess."""
    for _ in range(30):
        assert await monitor.reads("X-Forwarded-For: 203.0.113.1", "Authorization: Bearer the-token-of-old") == 401
    assert "Set-Cookie" in (await monitor.sign_in("X-Forwarded-For: 203.0.113.1"))[1]


NUMBERS = count()


def guesses(limiter: GuessLimiter, address: str, most: int) -> int:
    """The number of wrong tokens that are checked, of `most` that an address sends at once."""
    looked_at = 0
    for _ in range(most):
        guessed = str(next(NUMBERS))
        if limiter.wait(address) == 0:
            limiter.failed(address, guessed)
            looked_at += 1
    return looked_at


def test_guesses_from_many_addresses_don_t_lock_out_who_has_not_guessed() -> None:
    """Addresses with wrong tokens share an allowance, which they use up; a reader who signs in has another."""
    clock = Clock()
    limiter = GuessLimiter(clock)
    crowd = [f"203.0.{n // 250}.{n % 250}" for n in range(500)]
    looked_at = 0
    for _ in range(60):
        looked_at += sum(guesses(limiter, address, 3) for address in crowd)
        clock.now += 1
    # The first guess of each address is charged to all others, further ones to the addresses with wrong tokens.
    assert looked_at <= 2 * (100 + 60 * 10) + 10
    for _ in range(60):  # by now each address has sent a wrong token
        sum(guesses(limiter, address, 3) for address in crowd)
        clock.now += 1
        sum(guesses(limiter, address, 3) for address in crowd)
        assert limiter.wait("198.51.100.1") == 0


def test_guesses_from_ever_new_addresses_don_t_lock_out_who_was_in_before() -> None:
    """A network has more addresses than are remembered: they use up the allowance of new addresses only."""
    clock = Clock()
    limiter = GuessLimiter(clock)
    limiter.succeeded("198.51.100.1")
    assert sum(guesses(limiter, str(number), 1) for number in range(20_000)) == 100
    assert limiter.wait("198.51.100.2") > 0
    assert limiter.wait("198.51.100.1") == 0


def test_who_has_the_token_may_mistype_more_often() -> None:
    """Behind a proxy one client may guess while the others must still be admitted."""
    clock = Clock()
    limiter = GuessLimiter(clock)
    limiter.succeeded("203.0.113.1")
    assert guesses(limiter, "203.0.113.1", 1_000) == 100
    clock.now += 0.2
    assert limiter.wait("203.0.113.1") == 0


def test_what_is_kept_of_guesses_is_bounded() -> None:
    """Memory is limited, from however many addresses guesses come."""
    clock = Clock()
    limiter = GuessLimiter(clock)
    for number in range(30_000):
        clock.now += 1
        limiter.failed(f"{number}", "wrong")
        limiter.succeeded(f"known {number}")
    assert limiter.remembered == (MOST_ADDRESSES, MOST_KNOWN)
