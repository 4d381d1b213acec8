"""How often the token may be guessed at."""

import hashlib
import hmac
import ipaddress
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from switchboard.errors import ExposedError
from switchboard.kafka.library_logs import Thinned
from switchboard.web.connections import Proxies
from switchboard.web.server import Handler


@dataclass(slots=True, frozen=True)
class Allowance:
    """So many wrong tokens at once, and one more each `1 / per_second` seconds."""

    most: float
    per_second: float


STRANGER: Final = Allowance(10, 0.5)
"""Of an address: a person who mistypes is never held up for long; who tries all day long tries 43,000."""
KNOWN: Final = Allowance(100, 10)
"""Of an address that the right token came from: a proxy, or a network with one address, where one client may guess and
others must still come in."""
ALL: Final = Allowance(100, 10)
"""Of all addresses together from which the right token came, as much again of all that have guessed wrong, and again of
all others. Who guesses from many addresses uses up the last two, and nothing of what those need who were in before."""
KNOWN_SECONDS: Final = 24 * 3600.0
MOST_ADDRESSES: Final = 10_000
"""Whose wrong guesses are kept, 3 MB; with one more, the one that guessed longest ago is forgotten."""
MOST_KNOWN: Final = 1_000


class Bucket:
    """What is left of an allowance."""

    __slots__ = ("_allowed", "_at", "_left")

    def __init__(self, allowed: Allowance, now: float) -> None:
        self._allowed = allowed
        self._left = allowed.most
        self._at = now

    def wait(self, now: float) -> float:
        """In how many seconds one more is allowed; 0 if one is now."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self._allowed.per_second)

    def take(self, now: float) -> None:
        """Use one."""
        self._fill(now)
        self._left = max(0.0, self._left - 1)

    def _fill(self, now: float) -> None:
        self._left = min(self._allowed.most, self._left + max(0.0, now - self._at) * self._allowed.per_second)
        self._at = now


@dataclass(slots=True)
class Guesses:
    """The wrong tokens of one address."""

    bucket: Bucket
    latest: bytes = b""
    """The hash of the last one. The same again is no new guess: a program that was not told of a new token, and tries
    again each second, does not keep others of its address out."""


class Attempts:
    """Limits wrong tokens, by address and in all, in bounded memory. Right ones cost nothing.

    Args:
        clock: tells the time in seconds; it never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guesses: OrderedDict[str, Guesses] = OrderedDict()
        self._known: OrderedDict[str, float] = OrderedDict()
        """Until when, by address."""
        now = clock()
        self._all_known, self._all_guessing, self._all_others = (Bucket(ALL, now) for _ in range(3))

    def wait(self, address: str) -> float:
        """In how many seconds a token that comes from an address may be looked at; 0 if it may be now."""
        now = self._clock()
        guesses = self._guesses.get(address)
        return max(0.0 if guesses is None else guesses.bucket.wait(now), self._in_all(address).wait(now))

    def failed(self, address: str, shown: str) -> None:
        """Note that it was a wrong one."""
        now = self._clock()
        guesses, hashed = self._guesses.get(address), _hashed(shown)
        if guesses is not None and guesses.latest == hashed:
            return
        self._in_all(address).take(now)
        if guesses is None:
            allowed = KNOWN if self._is_known(address) else STRANGER
            guesses = self._guesses[address] = Guesses(Bucket(allowed, now))
        guesses.latest = hashed
        guesses.bucket.take(now)
        self._guesses.move_to_end(address)
        while len(self._guesses) > MOST_ADDRESSES:
            self._guesses.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note that it was the right one."""
        if not self._is_known(address):
            self._guesses.pop(address, None)  # its bucket is a stranger's
        self._known[address] = self._clock() + KNOWN_SECONDS
        self._known.move_to_end(address)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _in_all(self, address: str) -> Bucket:
        """What an address shares with others like it."""
        if self._is_known(address):
            return self._all_known
        return self._all_guessing if address in self._guesses else self._all_others

    def _is_known(self, address: str) -> bool:
        return self._known.get(address, 0.0) > self._clock()


def _hashed(shown: str) -> bytes:
    return hashlib.sha256(shown.encode(errors="surrogateescape")).digest()


MOST_SESSIONS: Final = 10_000
"""2 MB. Only those who have the token can open any; with one more the oldest is over."""


class Sessions:
    """The open sessions. Each ends after a time that is fixed when it is opened, at a sign-out, or with the process.

    A cookie made from the token would be shorter to write and would outlive a restart, but nobody could take it back
    from whoever copied it, short of a new token for all.

    Args:
        seconds: how long a session lasts.
        clock: tells the time in seconds; it never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        """By the hash of the name, so that how long a look-up takes tells nothing of a name; the oldest first."""

    def open(self) -> str:
        """A new session's name, of 256 random bits."""
        self._forget()
        name = secrets.token_urlsafe(32)
        self._ends[_name_hashed(name)] = self._clock() + self.seconds
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return name

    def is_open(self, name: str) -> bool:
        """Whether a session has that name, and is not over."""
        return self._ends.get(_name_hashed(name), 0.0) > self._clock()

    def end(self, name: str) -> None:
        """End the session of that name, if there is one."""
        self._ends.pop(_name_hashed(name), None)

    def _forget(self) -> None:
        while self._ends and next(iter(self._ends.values())) <= self._clock():
            self._ends.popitem(last=False)


def _name_hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


COOKIE: Final = "switchboard"
SESSION_SECONDS: Final = 7 * 24 * 3600.0
"""How long a sign-in lasts, unless set: a screen on a wall is signed in once a week."""
OPEN_PATHS: Final = frozenset({"/healthz", "/livez", "/metrics", "/sign-in", "/sign-out", "/board.css"})
"""Without a token: whether it is well, for probes and Prometheus, that have none, and the way in and out."""

log = logging.getLogger(__name__)
log.addFilter(Thinned())


@dataclass(slots=True, frozen=True)
class Door:
    """What a request must show."""

    host: str
    """The address that is served at."""
    token: SecretStr | None
    sessions: Sessions = field(default_factory=lambda: Sessions(SESSION_SECONDS))
    """Of those who signed in."""
    proxies: Proxies = field(default_factory=Proxies)
    """In front of the monitor."""
    attempts: Attempts = field(default_factory=Attempts)

    def __post_init__(self) -> None:
        """Refuse to stand open.

        Raises:
            ExposedError: the address is not of this machine alone, and there is no token.
        """
        if self.token is None and not is_loopback(self.host):
            raise ExposedError(
                f"web_host is {self.host}, which others can reach: set SWITCHBOARD_WEB_TOKEN or "
                f"SWITCHBOARD_WEB_TOKEN_FILE to a long secret that readers must show, or leave web_host at 127.0.0.1"
            )

    def admits(self, request: web.Request) -> bool:
        """Whether the request has the cookie of an open session, or shows the token as `Authorization: Bearer`.

        Raises:
            HTTPTooManyRequests: too many wrong tokens came from there.
        """
        if self.token is None or self.is_signed_in(request):
            return True
        shown = _bearer(request)
        return shown is not None and self.accepts(request, shown)

    def still_admits(self, request: web.Request) -> bool:
        """Whether a request that was admitted still would be: a session may be over, the token stays the same."""
        if self.token is None or self.is_signed_in(request):
            return True
        return _same(_bearer(request) or "", self.token.get_secret_value())

    def is_signed_in(self, request: web.Request) -> bool:
        """Whether the request has the cookie of an open session."""
        return self.sessions.is_open(session_of(request))

    def accepts(self, request: web.Request, shown: str) -> bool:
        """Whether this is the token; takes as long whatever is shown.

        Raises:
            HTTPTooManyRequests: too many wrong ones came from there; this one was not looked at.
        """
        address = self.proxies.client_of(request)
        if (wait := self.attempts.wait(address)) > 0:
            seconds = math.ceil(wait)
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": str(seconds)},
                reason=f"Too many wrong tokens: try again in {seconds} s",
            )
        if self.token is not None and _same(shown, self.token.get_secret_value()):
            self.attempts.succeeded(address)
            return True
        self.attempts.failed(address, shown)
        log.warning("a wrong token came from %s", address)
        return False

    def is_addressed(self, request: web.Request) -> bool:
        """Whether the request names us as its host.

        Without a token the browser of somebody on this machine is the way in for others: a page of theirs whose name
        suddenly stands for 127.0.0.1 could read everything. It can't hide that name.
        """
        if self.token is not None:
            return True
        try:
            named = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:  # no host name is like that
            return False
        return named == self.host or is_loopback(named)


def _bearer(request: web.Request) -> str | None:
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    return shown.strip() if kind.lower() == "bearer" else None


def session_of(request: web.Request) -> str:
    """What the request's cookie holds; empty without one."""
    return request.cookies.get(COOKIE, "")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def guard(door: Door) -> Middleware:
    """A middleware that lets nobody in who may not read."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not door.is_addressed(request):
            raise _Misdirected
        if request.path in OPEN_PATHS or shows_token(door, request) or door.admits(request):
            return await handler(request)
        if request.path == "/":
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    return guarded


def shows_token(door: Door, request: web.Request) -> bool:
    """Whether this is a sign-in by the address `/?token=…`."""
    return door.token is not None and request.method == "GET" and request.path == "/" and "token" in request.query


class _Misdirected(web.HTTPClientError):
    status_code = HTTPStatus.MISDIRECTED_REQUEST


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), right.encode())
