"""The monitor's web server: sign-in forms, paths, queries and headers, byte by byte over a socket."""

import asyncio
import logging
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final
from urllib.parse import quote_from_bytes

import orjson
from pydantic import SecretStr

from switchboard.monitor.access import AccessControl, GuessLimiter
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.site import web_application
from switchboard.monitor.tables import Tables
from switchboard.web.connections import Limits, Proxies
from switchboard.web.server import MOST_BODY_BYTES, WebServer, serve
from tests.floors import Floor
from tests.fuzz.target import Target, require
from tests.fuzz.texts import damaged, odd_bytes, odd_text

TOKEN: Final = "a-long-secret-of-readers"  # noqa: S105 - of these tests
BEARER: Final = b"Bearer " + TOKEN.encode()
STATUSES: Final = frozenset(
    {200, 206, 303, 304, 400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 415, 416, 417, 421, 426, 429, 431, 501, 505}
)
"""What a client may be answered: 500 is a fault of ours."""
SILENCE_SECONDS: Final = 0.05
"""How long an answer is waited for: half of a request has none."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER_BYTES: Final = 256 * 1024
METHODS: Final = ("GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH")
PATHS: Final = (
    "/",
    "/sign-in",
    "/sign-in",
    "/sign-in",
    "/sign-out",
    "/api/agents",
    "/api/agents/ana",
    "/api/agents/x%2Fy",
    "/api/chats",
    "/api/chats/c1",
    "/api/queues",
    "/api/stream",
    "/api/openapi.json",
    "/healthz",
    "/livez",
    "/metrics",
    "/board.js",
    "/board.css",
    "/nothing",
    "/../etc/passwd",
    "//evil.test/",
    "http://evil.test/api/agents",
    "*",
    "evil.test:443",
)
FIELDS: Final = ("token", "pool", "chat_id", "limit", "cursor", "since", "wrong", "a")
CONTENT_TYPES: Final = (
    b"application/x-www-form-urlencoded",
    b"application/x-www-form-urlencoded; charset=utf-8",
    b"application/x-www-form-urlencoded; charset=punycode",
    b"application/x-www-form-urlencoded; charset=idna",
    b"application/x-www-form-urlencoded; charset=zlib_codec",
    b"application/x-www-form-urlencoded; charset=unicode_escape",
    b"application/x-www-form-urlencoded; charset=\xff",
    b'application/x-www-form-urlencoded; charset="',
    b"multipart/form-data; boundary=x",
    b"multipart/form-data",
    b"application/json",
    b"text/plain",
    b";;;=",
    b"",
)
ORIGINS: Final = (
    b"Origin: null",
    b"Origin: http://127.0.0.1",
    b"Origin: http://evil.test",
    b"Origin: http://[::1",
    b"Origin: \xff",
    b"Sec-Fetch-Site: same-origin",
    b"Sec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: ",
)
HEADERS: Final = (
    b"Authorization: " + BEARER,
    b"Authorization: Bearer wrong",
    b"Authorization: Basic \xff",
    b"Cookie: switchboard=" + TOKEN.encode(),
    b"Cookie: switchboard=\xff; ;;=; a=" + b"b" * 300,
    b"Cookie: " + b"a=b; " * 1_000,
    b"Sec-Fetch-Dest: image",
    b"X-Forwarded-For: 203.0.113.9, 127.0.0.1",
    b"X-Forwarded-For: [2001:db8::1]:443, \xff, , ::ffff:1.2.3.4",
    b"X-Forwarded-For: " + b"1.1.1.1," * 900,
    b"X-Forwarded-Proto: https",
    b"Host: evil.test",
    b"Host: [::1",
    b"Host: ",
    b"Host: \xff",
    b"Expect: 100-continue",
    b"Expect: \xff",
    b"Upgrade: websocket",
    b"Connection: upgrade",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Range: bytes=0-" + b"9" * 30,
    b"If-Modified-Since: \xff",
    b"If-None-Match: *",
    b"Last-Event-ID: " + b"9" * 400,
    b"Accept: \xff",
    b"Accept-Encoding: " + b"gzip," * 500,
    b"X" * 9_000 + b": y",
    b"X: " + b"y" * 9_000,
    b": empty",
    b" folded",
    b"no colon",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sends over one connection."""

    data: bytes
    has_token: bool
    """Whether the monitor asks for a token."""


class WebForms(Target[Sent]):
    """Every request is answered within the statuses of the API, in JSON or a page, and nothing fails inside."""

    name: ClassVar = "web-forms"
    checks: ClassVar = "the monitor's server with and without a token, one raw request a connection"
    outcomes: ClassVar = frozenset({"200", "303", "400", "401", "403", "404", "405", "413", "415", "421", "no answer"})

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._note)
        self._failures = _Failures()
        self._servers: dict[bool, WebServer] = {}
        self._streams: list[tuple[Stream, asyncio.Task[None]]] = []
        self._clock = 0.0
        logging.getLogger().addHandler(self._failures)

    def renew(self) -> None:
        """Start the servers anew."""
        self._loop.run_until_complete(self._restart())

    def close(self) -> None:
        """Stop the servers."""
        self._loop.run_until_complete(self._stop())
        self._loop.close()
        logging.getLogger().removeHandler(self._failures)

    def generate(self, random: Random) -> Sent:
        """A request, good in part, over one connection."""
        return Sent(_request(random), random.random() < 0.7)

    def check(self, case: Sent) -> str:
        """Send it and hold the answer against what answers may be."""
        if not self._servers:
            self.renew()
        self._clock += 0.05
        answer = self._loop.run_until_complete(self._answer(case))
        require(not self._failures.told, "nothing fails inside", self._failures.take())
        if not answer:
            return "no answer"
        return _checked(answer, case)

    async def _answer(self, case: Sent) -> bytes:
        host, port = self._servers[case.has_token].addresses[0][:2]
        reader, writer = await asyncio.open_connection(host, port)
        answer = b""
        try:
            writer.write(case.data)
            is_head = case.data.startswith(b"HEAD")
            while not _is_whole(answer, is_head) and len(answer) < ANSWER_BYTES:
                is_begun = answer and not answer.endswith(CONTINUE)
                piece = await asyncio.wait_for(reader.read(65_536), 10.0 if is_begun else SILENCE_SECONDS)
                if not piece:
                    break
                answer += piece
        except (TimeoutError, ConnectionError):
            pass  # half of a request: the server waits for the rest
        finally:
            writer.transport.abort()
        await asyncio.sleep(0)
        return answer

    async def _restart(self) -> None:
        await self._stop()
        for has_token in (False, True):
            tables, pulse = Tables(), BusContact(1.0)
            tables.history.add(0, Floor("default").queued(0, "c1"))
            stream = Stream(tables, pulse, RoutingStatus(1, "chat-arrival"), {})
            self._streams.append((stream, asyncio.create_task(stream.run())))
            door = AccessControl(
                "127.0.0.1",
                SecretStr(TOKEN) if has_token else None,
                proxies=Proxies(["127.0.0.1"]),
                guesses=GuessLimiter(lambda: self._clock),
            )
            app = web_application(door, tables, stream, pulse, lambda: True)
            self._servers[has_token] = await serve(app, "127.0.0.1", 0, Limits(200, 200), door.proxies)

    async def _stop(self) -> None:
        for stream, running in self._streams:
            stream.close()
            running.cancel()
        for server in self._servers.values():
            await server.cleanup()
        self._streams.clear()
        self._servers.clear()

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failures.told.append(f"{context.get('message')}: {context.get('exception')!r}")


class _Failures(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, with the exception that came with it."""
        self.told.append(f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}")

    def take(self) -> str:
        """What was kept, which is forgotten."""
        told, self.told = self.told, []
        return "; ".join(told)


def _is_whole(answer: bytes, is_head: bool) -> bool:
    """Whether the answer is as long as its head says; a stream of events is once it has begun."""
    head, end, body = answer.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    if not end:
        return False
    lines = head.lower().split(b"\r\n")
    if is_head or b"content-type: text/event-stream" in lines or b" 304 " in lines[0]:
        return True
    for line in lines:
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    return False


def _checked(answer: bytes, case: Sent) -> str:
    """The status of an answer, which keeps to the rules for all answers."""
    answer = answer.removeprefix(CONTINUE)
    if not answer:
        return "continue"
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    require(len(words) == 3 and words[0].startswith(b"HTTP/"), "an answer is of HTTP", head[:80])
    require(words[1].isdigit() and int(words[1]) in STATUSES, "the status is one that a client is to get", head[:80])
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b": ")
        require(bool(colon) or line.endswith(b":"), "a header has a name", line)
        headers[name.lower()] = value
    require(
        b"aiohttp" not in head and b"Python" not in head, "an answer does not name what the server is made of", head
    )
    require(b"Traceback" not in body, "an answer holds no trace", body[:200])
    if b"set-cookie" in headers and b'switchboard=""' not in headers[b"set-cookie"]:
        require(TOKEN.encode() in case.data or b"%" in case.data, "a session is opened for the token alone", head)
        require(b"HttpOnly" in headers[b"set-cookie"], "a session is out of scripts' reach", head)
    kind = headers.get(b"content-type", b"")
    if kind.startswith(b"application/json") and body and b"HEAD " not in case.data[:8]:
        orjson.loads(body)
    if case.has_token and int(words[1]) == 200 and b"/api/" in case.data.split(b"\r\n", 1)[0]:
        require(b"earer" in case.data or b"switchboard=" in case.data, "with a token nothing is told without it", head)
    return words[1].decode()


def _request(random: Random) -> bytes:
    """The bytes of a request; now and then of two."""
    method = random.choice(METHODS) if random.random() < 0.97 else odd_text(random)
    is_form = method == "POST" and random.random() < 0.8
    path = random.choice(("/sign-in", "/sign-in", "/sign-out")) if is_form else random.choice(PATHS)
    if random.random() < 0.1:
        path += "/" + quote_from_bytes(odd_bytes(random))
    if random.random() < 0.3:
        path += "?" + _fields(random)
    version = (
        "HTTP/1.1" if random.random() < 0.95 else random.choice(("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9", ""))
    )
    lines = [f"{method} {path} {version}".encode()]
    if random.random() < 0.95:
        lines.append(b"Host: 127.0.0.1")
    if random.random() < 0.35:
        lines.append(random.choice(HEADERS[:2]))
    if is_form and random.random() < 0.3:
        lines.append(random.choice(ORIGINS))
    body = b""
    if method in {"POST", "PUT", "PATCH"} or random.random() < 0.1:
        body = _body(random)
        lines.append(b"Content-Type: " + (CONTENT_TYPES[0] if random.random() < 0.5 else random.choice(CONTENT_TYPES)))
        length = len(body) if random.random() < 0.97 else random.choice((0, len(body) + 1, 2**63, MOST_BODY_BYTES))
        lines.append(f"Content-Length: {length}".encode())
    for _ in range(random.choice((0, 0, 0, 0, 0, 1, 1, 1, 2, 5))):
        lines.insert(random.randrange(1, len(lines) + 1), random.choice(HEADERS))
    data = b"\r\n".join([*lines, b"", b""]) + body
    if random.random() < 0.06:
        data = damaged(random, data)
    return data


def _body(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.25:
        return b"token=" + TOKEN.encode()
    if kind < 0.35:
        return f"token=wrong-{random.randrange(10**9)}".encode()
    if kind < 0.7:
        return _fields(random).encode()
    if kind < 0.8:
        return b"token=" + b"a" * random.choice((MOST_BODY_BYTES - 6, MOST_BODY_BYTES - 5, 500_000))
    if kind < 0.9:
        return odd_bytes(random)
    return b"5\r\ntoken\r\n" + random.choice((b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"5;" + b"x" * 9_000))


def _fields(random: Random) -> str:
    """Fields of a query or a form, percent-encoded or not."""
    found = []
    for _ in range(random.choice((1, 1, 2, 9, 200))):
        value = odd_bytes(random)[:300] if random.random() < 0.7 else random.choice((b"c1", b"default", b"9" * 5_000))
        found.append(f"{random.choice(FIELDS)}={quote_from_bytes(value)}")
        if random.random() < 0.1:
            found.append(random.choice(("%", "%zz", "%ff", "=", "&&", ";", "+", "a", "token=%00", "pool=é")))
    return "&".join(found).encode("ascii", "replace").decode()
