"""Who may read: anybody on this machine, or whoever shows the token."""

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE: Final = "switchboard"
OPEN_PATHS: Final = frozenset({"/healthz", "/metrics", "/sign-in", "/board.css"})
"""Without a token: whether it is well, for probes and Prometheus, that have none, and the way in."""

log = logging.getLogger(__name__)


class ExposedError(Exception):
    """The monitor would be open to whoever reaches this machine; the message says what to set."""


@dataclass(slots=True, frozen=True)
class Door:
    """What a request must show."""

    host: str
    """The address that is served at."""
    token: SecretStr | None

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
        """Whether the request shows the token, as `Authorization: Bearer` or by the cookie of one who signed in."""
        if self.token is None:
            return True
        kind, _, shown = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(shown.strip()):
            return True
        return _same(request.cookies.get(COOKIE, ""), self.cookie())

    def is_token(self, shown: str) -> bool:
        """Whether it is the token; takes as long whatever is shown."""
        return self.token is not None and _same(shown, self.token.get_secret_value())

    def cookie(self) -> str:
        """What the cookie holds: made from the token, which it does not give away."""
        secret = b"" if self.token is None else self.token.get_secret_value().encode()
        return hmac.new(secret, b"switchboard wallboard cookie", hashlib.sha256).hexdigest()

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
        if request.path == "/" and door.token is not None and "token" in request.query:
            # Never in the address for longer than this answer: addresses end up in histories and logs.
            return _sign_in(door, request, request.query["token"])
        if request.path in OPEN_PATHS or door.admits(request):
            return await handler(request)
        if request.path == "/":
            return _to("/sign-in")
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    return guarded


def add_sign_in(web_app: web.Application, door: Door) -> None:
    """`POST /sign-in`: the token for a cookie that no script and no other site can use."""

    async def sign_in(request: web.Request) -> web.Response:
        try:
            shown = str((await request.post()).get("token", ""))
        except (LookupError, ValueError):  # an unknown charset, bytes that are none of it, a form without a boundary
            raise web.HTTPBadRequest from None
        return _sign_in(door, request, shown)

    web_app.router.add_post("/sign-in", sign_in)


def _sign_in(door: Door, request: web.Request, shown: str) -> web.Response:
    if not door.is_token(shown):
        log.warning("a sign-in from %s with a wrong token", request.remote)
        return _to("/sign-in?wrong")
    answer = _to("/")
    # A proxy in front says so where it talks TLS with the browser.
    is_secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(COOKIE, door.cookie(), httponly=True, samesite="Strict", secure=is_secure, path="/")
    return answer


def _to(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


class _Misdirected(web.HTTPClientError):
    status_code = HTTPStatus.MISDIRECTED_REQUEST


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), right.encode())
