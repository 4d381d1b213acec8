"""Who may read: anybody on this machine, or whoever shows the token."""

import hmac
import ipaddress
import logging
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from switchboard.errors import ExposedError
from switchboard.kafka.library_logs import Thinned
from switchboard.monitor.attempts import Attempts
from switchboard.monitor.sessions import Sessions
from switchboard.web.connections import Proxies
from switchboard.web.server import Handler

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
