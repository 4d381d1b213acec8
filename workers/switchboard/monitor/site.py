"""The wallboard's files: read once at the start, served from memory."""

from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from switchboard.monitor.access import COOKIE, Door, guard, session_of, shows_token
from switchboard.monitor.app import add_metrics
from switchboard.monitor.bus_watch import Pulse
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.tables import Tables
from switchboard.monitor.web_api import add_routes, strict_json
from switchboard.web.server import MOST_BODY_BYTES, Handler, whole

FOLDER: Final = resources.files("switchboard.monitor") / "page"

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

# Nothing from elsewhere and nothing inline: should an id ever become markup, it could still do nothing.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer`, as for all else, a browser sends our own forms with `Origin: null`, as if from elsewhere.
    "Referrer-Policy": "same-origin",
}


def add_page(web_app: web.Application, *, asks_for_token: bool) -> None:
    """Serve `/` and the files that it names; `/sign-in` where there is a token to sign in with."""
    for file in FOLDER.iterdir():
        stem, _, kind = file.name.rpartition(".")
        if kind in TYPES and (asks_for_token or stem != "sign-in"):
            path = {"index.html": "/", "sign-in.html": "/sign-in"}.get(file.name, f"/{stem}.{kind}")
            web_app.router.add_get(path, _file(file.read_bytes(), TYPES[kind]))


def _file(body: bytes, kind: str) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)

    return serve


FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 8


def add_signing(web_app: web.Application, door: Door) -> None:
    """Serve `POST /sign-in` and `POST /sign-out`, where there is a token to sign in with."""
    if door.token is None:
        return

    async def sign_in(request: web.Request) -> web.Response:
        _require_own_page(request)
        return _signed_in(door, request, await _token_of(request))

    async def sign_out(request: web.Request) -> web.Response:
        _require_own_page(request)
        door.sessions.end(session_of(request))
        answer = _see("/sign-in")
        answer.del_cookie(COOKIE, path="/")
        return answer

    web_app.router.add_post("/sign-in", sign_in)
    web_app.router.add_post("/sign-out", sign_out)


def sign_in_by_address(door: Door) -> Middleware:
    """A middleware that signs in whoever opens `/?token=…`, and leads to the page without the token.

    Never is it in the address for longer than this answer: addresses end up in histories and logs.
    """

    @web.middleware
    async def signing(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not shows_token(door, request):
            return await handler(request)
        # An image or a frame of another site's page, of which its reader sees nothing, would be a guess from here.
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            raise web.HTTPForbidden(reason="A sign-in by the address must be opened as a page")
        return _signed_in(door, request, request.query["token"])

    return signing


def _signed_in(door: Door, request: web.Request, shown: str) -> web.Response:
    if not door.accepts(request, shown):
        return _see("/sign-in?wrong")
    door.sessions.end(session_of(request))
    answer = _see("/")
    # A proxy in front says so where it talks TLS with the browser. Whoever lies about it only spoils their own cookie.
    is_secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(
        COOKIE, door.sessions.open(), max_age=int(door.sessions.seconds), path="/",
        httponly=True, samesite="Strict", secure=is_secure,
    )  # fmt: skip
    return answer


def _require_own_page(request: web.Request) -> None:
    """Refuse a form that another site's page sends through somebody's browser.

    Browsers say where a form comes from, and no script can change that: `Sec-Fetch-Site` over TLS and on loopback,
    `Origin` everywhere. What is no browser sends neither, and needs no protection from web pages.

    Raises:
        HTTPForbidden: it comes from elsewhere.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        origin = request.headers.get("Origin")
        is_own = origin is None or _host_of(origin) == request.host
    if not is_own:
        raise web.HTTPForbidden(
            reason="This form was not sent by the monitor's own page (a proxy in front must pass the Host header on)"
        )


def _host_of(origin: str) -> str:
    """Host and port, as a Host header names them; empty for `null` and for what is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def _token_of(request: web.Request) -> str:
    """The form's token. The body is 4 KiB at most: the middleware `whole` has read it.

    Raises:
        HTTPUnsupportedMediaType: not a form in UTF-8. Other charsets are refused rather than decoded: 500 KB of
            punycode took 27 s.
        HTTPBadRequest: bytes that are no UTF-8, or more fields than any form of ours has.
    """
    charset = request.charset
    if request.content_type != FORM or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(reason=f"Send the form as {FORM}, uncompressed")
    if charset is not None and charset.lower() != "utf-8":
        raise web.HTTPUnsupportedMediaType(reason="Send the form in UTF-8")
    try:
        text = (await request.read()).decode("utf-8")
        fields = parse_qs(text, encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise web.HTTPBadRequest from None
    return fields.get("token", [""])[0]


def _see(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


def site(door: Door, tables: Tables, stream: Stream, pulse: Pulse, is_restored: Callable[[], bool]) -> web.Application:
    """The routes, and the middlewares in the order in which a request comes to them.

    Args:
        door: who may read.
        tables: what is served.
        stream: tells of their changes.
        pulse: when the bus last answered.
        is_restored: whether the tables are filled.
    """
    middlewares = [strict_json, whole, guard(door), sign_in_by_address(door)]
    web_app = web.Application(middlewares=middlewares, client_max_size=MOST_BODY_BYTES)
    add_routes(web_app, tables, stream, is_restored)
    add_metrics(web_app, pulse, is_restored)
    add_signing(web_app, door)
    add_page(web_app, asks_for_token=door.token is not None)
    return web_app
