"""Signing in and out: forms, cookies and guesses, with real sockets."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from switchboard.monitor.access import MOST_SESSIONS, STRANGER, Attempts, Door, Sessions
from switchboard.monitor.bus_watch import Pulse, Routing
from switchboard.monitor.live_stream import Stream, Times
from switchboard.monitor.site import site
from switchboard.monitor.tables import Tables
from switchboard.web.connections import Limits, Proxies
from tests.sockets import an_app, connected, rest

TOKEN = "a-long-secret-of-readers"  # noqa: S105 - of this test
FORM = "application/x-www-form-urlencoded"


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Monitor:
    """A monitor's web server that wants the token, and raw requests to it."""

    def __init__(self, port: int, stream: Stream) -> None:
        self.port = port
        self.stream = stream

    async def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", *length, *headers, "", ""]
        if not any(each.startswith("Host:") for each in headers):
            lines.insert(1, "Host: board.example:8080")
        answer = await rest(await connected(self.port, "\r\n".join(lines).encode() + body))
        head, _, rest_of_it = answer.partition(b"\r\n\r\n")
        first, *others = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.split(": ", 1) for line in others), rest_of_it

    async def sign_in(self, *headers: str, token: str = TOKEN, kind: str = FORM) -> tuple[int, dict[str, str], bytes]:
        """Send the form."""
        return await self.send("POST", "/sign-in", f"Content-Type: {kind}", *headers, body=f"token={token}".encode())

    async def reads(self, *headers: str) -> int:
        """The status of what only readers get."""
        return (await self.send("GET", "/api/agents", *headers))[0]


def cookie_of(headers: dict[str, str]) -> str:
    """The cookie that an answer sets, as a request sends it."""
    (morsel,) = SimpleCookie(headers["Set-Cookie"]).values()
    return f"Cookie: {morsel.key}={morsel.value}"


@pytest.fixture
def clock() -> Clock:
    """The sessions' clock."""
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Door:
    """Wants the token, and counts guesses by what a proxy on 127.0.0.1 says."""
    return Door("board.example", SecretStr(TOKEN), Sessions(3_600, clock), Proxies(["127.0.0.1"]), Attempts(clock))


@pytest.fixture
async def monitor(door: Door) -> AsyncIterator[Monitor]:
    """The web server."""
    tables, pulse = Tables(), Pulse(1.0)
    stream = Stream(
        tables, pulse, Routing(1, "chat-arrival"), {}, may_read=door.still_admits, times=Times(heartbeat=0.2)
    )
    running = asyncio.create_task(stream.run())
    async with an_app(Limits(200, 200), site(door, tables, stream, pulse, lambda: True)) as port:
        yield Monitor(port, stream)
        stream.close()
    running.cancel()


@pytest.mark.parametrize("way", ["form", "address"])
async def test_a_sign_in_gives_a_cookie_that_is_worth_nothing_elsewhere(monitor: Monitor, way: str) -> None:
    """No script and no other site can use it; it is random, another one each time, and says how long it lasts."""
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
    """The server counts it: a cookie that was copied is worth nothing after."""
    cookie = cookie_of((await monitor.sign_in())[1])
    clock.now += 3_599
    assert await monitor.reads(cookie) == 200
    clock.now += 2
    assert await monitor.reads(cookie) == 401


async def test_a_sign_out_ends_the_session_and_its_open_page(monitor: Monitor) -> None:
    """Also for whoever copied the cookie; other sessions go on, and so do the streams of programs with the token."""
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
    assert len(monitor.stream._clients) == 1
    program.close()


async def test_a_token_in_the_authorization_header_needs_no_session(monitor: Monitor) -> None:
    """Programs send it with each request."""
    assert await monitor.reads(f"Authorization: Bearer {TOKEN}") == 200
    assert await monitor.reads(f"authorization: bearer {TOKEN}") == 200


def test_sessions_are_bounded() -> None:
    """The oldest goes; one that is over takes no place."""
    clock = Clock()
    sessions = Sessions(60, clock)
    first = sessions.open()
    second = sessions.open()
    for _ in range(MOST_SESSIONS - 1):
        sessions.open()
    assert (sessions.is_open(first), sessions.is_open(second)) == (False, True)
    clock.now += 61
    sessions.open()
    assert len(sessions._ends) == 1


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
    """No other decoder is run on what anybody sends: some take minutes, and some unpack."""
    assert (await monitor.sign_in(kind=kind))[0] == status


async def test_half_a_megabyte_of_punycode_is_refused_at_once(monitor: Monitor) -> None:
    """Decoding it took 27 s, in which the monitor did nothing else. It is not even read."""
    kind = f"Content-Type: {FORM}; charset=punycode"
    status, _, _ = await monitor.send("POST", "/sign-in", kind, body=b"token=" + b"a-" + b"b" * 499_000)
    assert status == 413


@pytest.mark.parametrize("body", [b"token=\xff", b"token=%ff", b"&".join([b"a=b"] * 9), b""])
async def test_a_form_that_is_none_of_ours_is_refused(monitor: Monitor, body: bytes) -> None:
    """A bad request, or a wrong token; never a failure."""
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
    """A page on the internet can make somebody's browser send forms here; the browser says where they come from."""
    answer = await monitor.send("POST", path, f"Content-Type: {FORM}", *headers, body=f"token={TOKEN}".encode())
    assert answer[0] == status
    assert ("Set-Cookie" in answer[1]) == (status == 303)


@pytest.mark.parametrize(("dest", "status"), [("document", 303), ("image", 403), ("iframe", 403), ("empty", 403)])
async def test_a_sign_in_by_the_address_is_a_page_that_is_opened(monitor: Monitor, dest: str, status: int) -> None:
    """No image of another site's page guesses at the token through somebody's browser."""
    assert (await monitor.send("GET", f"/?token={TOKEN}", f"Sec-Fetch-Dest: {dest}"))[0] == status


async def test_without_a_token_there_is_no_way_in_that_could_be_asked(door: Door) -> None:
    """Neither the form nor what takes it."""
    tables, pulse = Tables(), Pulse(1.0)
    stream = Stream(tables, pulse, Routing(1, "chat-arrival"), {})
    app = site(Door("127.0.0.1", None), tables, stream, pulse, lambda: True)
    async with an_app(Limits(20, 20), app) as port:
        monitor = Monitor(port, stream)
        for method, path in (("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out")):
            assert (await monitor.send(method, path, "Host: 127.0.0.1"))[0] == 404
    assert door.token is not None


async def guess(monitor: Monitor, address: str, token: str) -> int:
    """The status of a sign-in with a token, from an address behind the proxy."""
    return (await monitor.sign_in(f"X-Forwarded-For: {address}", token=token))[0]


async def test_guesses_from_one_address_are_limited_and_others_sign_in(monitor: Monitor, clock: Clock) -> None:
    """429 and when to come back; the right token is not looked at either, or guessing would go on."""
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


async def test_a_session_goes_on_whoever_guesses_at_its_address(monitor: Monitor) -> None:
    """Its cookie is no guess."""
    cookie = cookie_of((await monitor.sign_in("X-Forwarded-For: 203.0.113.1"))[1])
    for number in range(150):
        await guess(monitor, "203.0.113.1", f"wrong-{number}")
    assert await guess(monitor, "203.0.113.1", TOKEN) == 429
    assert await monitor.reads(cookie, "X-Forwarded-For: 203.0.113.1") == 200


async def test_a_program_with_an_old_token_keeps_nobody_out(monitor: Monitor) -> None:
    """It tries the same one again and again: that is one guess."""
    for _ in range(30):
        assert await monitor.reads("X-Forwarded-For: 203.0.113.1", "Authorization: Bearer the-token-of-old") == 401
    assert "Set-Cookie" in (await monitor.sign_in("X-Forwarded-For: 203.0.113.1"))[1]


NUMBERS = count()


def guesses(attempts: Attempts, address: str, most: int) -> int:
    """How many wrong tokens are looked at of so many that one address sends at once."""
    looked_at = 0
    for _ in range(most):
        guessed = str(next(NUMBERS))
        if attempts.wait(address) == 0:
            attempts.failed(address, guessed)
            looked_at += 1
    return looked_at


def test_guesses_from_many_addresses_don_t_lock_out_who_has_not_guessed() -> None:
    """All together are limited too. They use up what those may who guessed before; a reader who comes is let in."""
    clock = Clock()
    attempts = Attempts(clock)
    crowd = [f"203.0.{n // 250}.{n % 250}" for n in range(500)]
    looked_at = 0
    for _ in range(60):
        looked_at += sum(guesses(attempts, address, 3) for address in crowd)
        clock.now += 1
    # At first each is a stranger; from then on the strangers' allowance fills again, and the guessers' is used up.
    assert looked_at <= 2 * (100 + 60 * 10) + 10
    for _ in range(60):  # by now each of them has guessed wrong, and is none of those who have not
        sum(guesses(attempts, address, 3) for address in crowd)
        clock.now += 1
        sum(guesses(attempts, address, 3) for address in crowd)
        assert attempts.wait("198.51.100.1") == 0


def test_guesses_from_ever_new_addresses_don_t_lock_out_who_was_in_before() -> None:
    """A network has more addresses than can be kept: they use up what newcomers may, and nothing of the others'."""
    clock = Clock()
    attempts = Attempts(clock)
    attempts.succeeded("198.51.100.1")
    assert sum(guesses(attempts, str(number), 1) for number in range(20_000)) == 100
    assert attempts.wait("198.51.100.2") > 0
    assert attempts.wait("198.51.100.1") == 0


def test_who_has_the_token_may_mistype_more_often() -> None:
    """A proxy or a network with one address: one of its people guesses, and the others must still get in."""
    clock = Clock()
    attempts = Attempts(clock)
    attempts.succeeded("203.0.113.1")
    assert guesses(attempts, "203.0.113.1", 1_000) == 100
    clock.now += 0.2
    assert attempts.wait("203.0.113.1") == 0


def test_what_is_kept_of_guesses_is_bounded() -> None:
    """However many addresses they come from."""
    clock = Clock()
    attempts = Attempts(clock)
    for number in range(30_000):
        clock.now += 1
        attempts.failed(f"{number}", "wrong")
        attempts.succeeded(f"known {number}")
    kept: dict[str, Any] = {name: len(getattr(attempts, name)) for name in ("_guesses", "_known")}
    assert kept == {"_guesses": 10_000, "_known": 1_000}
