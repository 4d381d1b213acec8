"""Who may read the monitor: the token, sessions of browsers, and limits on guessing the token."""

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
    """A limit on wrong tokens."""

    most: float
    """Wrong tokens allowed at once."""
    per_second: float
    """Wrong tokens per second by which the allowance grows again, up to `most`."""


STRANGER: Final = Allowance(10, 0.5)
"""Of one address. A person who mistypes never waits for long; a program that guesses all day tries 43,000 tokens."""
KNOWN: Final = Allowance(100, 10)
"""Of one address that sent the right token: a proxy, or a network behind one address, where one client may guess while
others must still be admitted."""
TOTAL: Final = Allowance(100, 10)
"""Of three groups of addresses, each together: those that sent the right token, those that sent a wrong one, and all
others. Guesses from many addresses use up the last two and leave the first."""
KNOWN_SECONDS: Final = 24 * 3600.0
"""Time for which an address that sent the right token is known."""
MOST_ADDRESSES: Final = 10_000
"""Addresses whose wrong tokens are remembered, 3 MB. Beyond, the address with the oldest wrong token is forgotten."""
MOST_KNOWN: Final = 1_000
"""Known addresses that are remembered."""


class Bucket:
    """The remaining part of an allowance: a token bucket. Times are in seconds, by one clock."""

    __slots__ = ("_allowed", "_at", "_left")

    def __init__(self, allowed: Allowance, now: float) -> None:
        self._allowed = allowed
        self._left = allowed.most
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until one more is allowed; 0 if one is allowed now."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self._allowed.per_second)

    def take(self, now: float) -> None:
        """Use up one."""
        self._fill(now)
        self._left = max(0.0, self._left - 1)

    def _fill(self, now: float) -> None:
        self._left = min(self._allowed.most, self._left + max(0.0, now - self._at) * self._allowed.per_second)
        self._at = now


@dataclass(slots=True)
class WrongTokens:
    """The wrong tokens of one address."""

    bucket: Bucket
    latest: bytes = b""
    """Hash of the last one. The same token again does not count: a program with an outdated token that retries each
    second must not keep others at its address out."""


class GuessLimiter:
    """Limits wrong tokens, by address and in total, in bounded memory. Right tokens cost nothing.

    Args:
        clock: the time in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, WrongTokens] = OrderedDict()
        """By address; the latest is the last."""
        self._known: OrderedDict[str, float] = OrderedDict()
        """By address that sent the right token, until when it is known; the latest is the last."""
        now = clock()
        self._total_known, self._total_wrong, self._total_others = (Bucket(TOTAL, now) for _ in range(3))

    @property
    def remembered(self) -> tuple[int, int]:
        """(addresses with wrong tokens, known addresses)."""
        return len(self._wrong), len(self._known)

    def wait(self, address: str) -> float:
        """Seconds until a token from this address may be checked; 0 if it may be checked now."""
        now = self._clock()
        wrong = self._wrong.get(address)
        return max(0.0 if wrong is None else wrong.bucket.wait(now), self._total(address).wait(now))

    def failed(self, address: str, token: str) -> None:
        """Count a wrong token from an address."""
        now = self._clock()
        wrong, hashed = self._wrong.get(address), _hashed(token)
        if wrong is not None and wrong.latest == hashed:
            return
        self._total(address).take(now)
        if wrong is None:
            wrong = self._wrong[address] = WrongTokens(Bucket(KNOWN if self._is_known(address) else STRANGER, now))
        wrong.latest = hashed
        wrong.bucket.take(now)
        self._wrong.move_to_end(address)
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note the right token from an address, which is known from now on."""
        if not self._is_known(address):
            self._wrong.pop(address, None)  # its bucket has the allowance of a stranger
        self._known[address] = self._clock() + KNOWN_SECONDS
        self._known.move_to_end(address)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _total(self, address: str) -> Bucket:
        """The bucket of the group that an address belongs to."""
        if self._is_known(address):
            return self._total_known
        return self._total_wrong if address in self._wrong else self._total_others

    def _is_known(self, address: str) -> bool:
        return self._known.get(address, 0.0) > self._clock()


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


MOST_SESSIONS: Final = 10_000
"""Open sessions, 2 MB; only readers with the token open any. Beyond, the oldest session ends."""


class Sessions:
    """The open sessions of browsers. A session ends at a sign-out, at a time fixed when it is opened, or at a restart.

    A cookie derived from the token would need no memory and outlive a restart. But a copied one could only be revoked
    with a new token for all readers.

    Args:
        seconds: length of a session.
        clock: the time in seconds; never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        """By the hash of the name, ascending. Hashed, so that the time of a look-up tells nothing about a name."""

    def __len__(self) -> int:
        return len(self._ends)

    def open(self) -> str:
        """Open a session, and return its name: 256 random bits."""
        self._forget()
        name = secrets.token_urlsafe(32)
        self._ends[_hashed(name)] = self._clock() + self.seconds
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return name

    def is_open(self, name: str) -> bool:
        """True if a session of this name is open."""
        return self._ends.get(_hashed(name), 0.0) > self._clock()

    def end(self, name: str) -> None:
        """End a session by its name. A name without a session is ignored."""
        self._ends.pop(_hashed(name), None)

    def _forget(self) -> None:
        """Drop sessions whose time is over."""
        while self._ends and next(iter(self._ends.values())) <= self._clock():
            self._ends.popitem(last=False)


COOKIE: Final = "switchboard"
"""Name of the cookie that holds a session's name."""
SESSION_SECONDS: Final = 7 * 24 * 3600.0
"""Default length of a session: a wallboard is signed in once a week."""
OPEN_PATHS: Final = frozenset({"/healthz", "/livez", "/metrics", "/sign-in", "/sign-out", "/board.css"})
"""Paths without access control: for probes and Prometheus, which have no token, and for signing in and out."""

log = logging.getLogger(__name__)
log.addFilter(Thinned())


@dataclass(slots=True, frozen=True)
class AccessControl:
    """What a request must show to be answered.

    Raises:
        ExposedError: other machines reach `host`, and there is no token.
    """

    host: str
    """The address that the monitor listens at."""
    token: SecretStr | None
    """None: every client on this machine may read."""
    sessions: Sessions = field(default_factory=lambda: Sessions(SESSION_SECONDS))
    proxies: Proxies = field(default_factory=Proxies)
    """In front of the monitor."""
    guesses: GuessLimiter = field(default_factory=GuessLimiter)

    def __post_init__(self) -> None:
        """Refuse an address that others reach without a token."""
        if self.token is None and not is_loopback(self.host):
            raise ExposedError(
                f"web_host is {self.host}, which others can reach: set SWITCHBOARD_WEB_TOKEN or "
                f"SWITCHBOARD_WEB_TOKEN_FILE to a long secret that readers must show, or leave web_host at 127.0.0.1"
            )

    def admits(self, request: web.Request) -> bool:
        """True if a request has the cookie of an open session, or the token as `Authorization: Bearer`.

        Raises:
            HTTPTooManyRequests: its address sent too many wrong tokens.
        """
        if self.token is None or self.is_signed_in(request):
            return True
        token = _bearer(request)
        return token is not None and self.accepts(request, token)

    def still_admits(self, request: web.Request) -> bool:
        """True if a request that was admitted would be admitted again. The token never changes; a session may end."""
        if self.token is None or self.is_signed_in(request):
            return True
        return _equal(_bearer(request) or "", self.token.get_secret_value())

    def is_signed_in(self, request: web.Request) -> bool:
        """True if a request has the cookie of an open session."""
        return self.sessions.is_open(session_name(request))

    def accepts(self, request: web.Request, token: str) -> bool:
        """True if the token is the right one. Takes the same time for each wrong one.

        Raises:
            HTTPTooManyRequests: the address sent too many wrong tokens; this one was not compared.
        """
        address = self.proxies.client_of(request)
        if (wait := self.guesses.wait(address)) > 0:
            seconds = math.ceil(wait)
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": str(seconds)},
                reason=f"Too many wrong tokens: try again in {seconds} s",
            )
        if self.token is not None and _equal(token, self.token.get_secret_value()):
            self.guesses.succeeded(address)
            return True
        self.guesses.failed(address, token)
        log.warning("a wrong token came from %s", address)
        return False

    def names_this_host(self, request: web.Request) -> bool:
        """True if the header `Host` names this monitor; always true with a token.

        Without a token a page from the internet could read everything through a browser on this machine: its host name
        is changed to resolve to 127.0.0.1 (DNS rebinding). The browser still sends that name.
        """
        if self.token is not None:
            return True
        try:
            name = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:  # no valid host name
            return False
        return name == self.host or is_loopback(name)


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def session_name(request: web.Request) -> str:
    """The session's name in the cookie of a request; empty without a cookie."""
    return request.cookies.get(COOKIE, "")


def is_loopback(host: str) -> bool:
    """True if only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access_middleware(access: AccessControl) -> Middleware:
    """A middleware that refuses requests without access, and leads a browser to `/sign-in`."""

    @web.middleware
    async def controlled(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not access.names_this_host(request):
            raise _Misdirected
        if request.path in OPEN_PATHS or is_sign_in_by_address(access, request) or access.admits(request):
            return await handler(request)
        if request.path == "/":
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    return controlled


def is_sign_in_by_address(access: AccessControl, request: web.Request) -> bool:
    """True for a sign-in by the address `/?token=…`."""
    return access.token is not None and request.method == "GET" and request.path == "/" and "token" in request.query


class _Misdirected(web.HTTPClientError):
    status_code = HTTPStatus.MISDIRECTED_REQUEST


def _equal(token: str, right: str) -> bool:
    return hmac.compare_digest(token.encode(errors="surrogateescape"), right.encode())
