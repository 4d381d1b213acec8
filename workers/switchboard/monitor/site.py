"""The monitor's web application: routes, middlewares, signing in and out, and the files of the wallboard."""

from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from switchboard.monitor.access import (
    COOKIE,
    AccessControl,
    access_middleware,
    is_sign_in_by_address,
    session_name,
)
from switchboard.monitor.app import add_metrics
from switchboard.monitor.bus_watch import BusContact
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.tables import Tables
from switchboard.monitor.web_api import add_routes, strict_json
from switchboard.web.server import MOST_BODY_BYTES, Handler, whole

FOLDER: Final = resources.files("switchboard.monitor") / "page"

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""Content types by suffix; files with other suffixes are not served."""

# Only files of ours, and nothing inline: an id that was taken for markup could still run no script.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # With the API's `no-referrer` a browser sends our own forms with `Origin: null`, as if from another site.
    "Referrer-Policy": "same-origin",
}

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 8
"""Fields of a form that are parsed; the sign-in form has one."""


def web_application(
    access: AccessControl, tables: Tables, stream: Stream, contact: BusContact, is_restored: Callable[[], bool]
) -> web.Application:
    """The application with all routes of the monitor.

    Args:
        access: who may read.
        tables: served by the API.
        stream: of the changes of these tables.
        contact: when the bus last answered.
        is_restored: True once the tables are filled.
    """
    # In the order in which a request passes them.
    middlewares = [strict_json, whole, access_middleware(access), sign_in_by_address(access)]
    web_app = web.Application(middlewares=middlewares, client_max_size=MOST_BODY_BYTES)
    add_routes(web_app, tables, stream, is_restored)
    add_metrics(web_app, contact, is_restored)
    add_sign_in(web_app, access)
    add_page(web_app, asks_for_token=access.token is not None)
    return web_app


# The page


def add_page(web_app: web.Application, *, asks_for_token: bool) -> None:
    """Serve `/` and the files of the page from memory, and `/sign-in` if readers need a token."""
    for file in FOLDER.iterdir():
        stem, _, suffix = file.name.rpartition(".")
        if suffix in TYPES and (asks_for_token or stem != "sign-in"):
            path = {"index.html": "/", "sign-in.html": "/sign-in"}.get(file.name, f"/{stem}.{suffix}")
            web_app.router.add_get(path, _file(file.read_bytes(), TYPES[suffix]))


def _file(body: bytes, content_type: str) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)

    return serve


# Signing in and out


def add_sign_in(web_app: web.Application, access: AccessControl) -> None:
    """Serve `POST /sign-in` and `POST /sign-out`, if readers need a token."""
    if access.token is None:
        return

    async def sign_in(request: web.Request) -> web.Response:
        _require_own_page(request)
        return _signed_in(access, request, await _token_of_form(request))

    async def sign_out(request: web.Request) -> web.Response:
        _require_own_page(request)
        access.sessions.end(session_name(request))
        answer = _redirect("/sign-in")
        answer.del_cookie(COOKIE, path="/")
        return answer

    web_app.router.add_post("/sign-in", sign_in)
    web_app.router.add_post("/sign-out", sign_out)


def sign_in_by_address(access: AccessControl) -> Middleware:
    """A middleware that signs in a browser that opens `/?token=…`, and redirects it to the page without the token.

    The redirect keeps the token out of the address bar; addresses end up in histories and logs.
    """

    @web.middleware
    async def signing(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_sign_in_by_address(access, request):
            return await handler(request)
        # An image or frame in a page of another site would guess tokens from this browser's address, unseen.
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            raise web.HTTPForbidden(reason="A sign-in by the address must be opened as a page")
        return _signed_in(access, request, request.query["token"])

    return signing


def _signed_in(access: AccessControl, request: web.Request, token: str) -> web.Response:
    if not access.accepts(request, token):
        return _redirect("/sign-in?wrong")
    access.sessions.end(session_name(request))
    answer = _redirect("/")
    # A proxy states here that the browser uses TLS. A client that forges the header only harms its own cookie.
    is_secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    answer.set_cookie(
        COOKIE, access.sessions.open(), max_age=int(access.sessions.seconds), path="/",
        httponly=True, samesite="Strict", secure=is_secure,
    )  # fmt: skip
    return answer


def _require_own_page(request: web.Request) -> None:
    """Refuse a form that a page of another site sends through a browser.

    Browsers state the origin of a form in headers that no script can change: `Sec-Fetch-Site` over TLS and on loopback,
    `Origin` everywhere. Clients other than browsers send neither, and other sites can't make them send forms.

    Raises:
        HTTPForbidden: the form comes from another site.
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
    """Host and port of an origin, as in a `Host` header; empty for `null` and for a text that is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def _token_of_form(request: web.Request) -> str:
    """The token in a sign-in form; empty without one. The middleware `whole` has read the body, 4 KiB at most.

    Raises:
        HTTPUnsupportedMediaType: the body is no form in UTF-8. Other charsets are not decoded: 500 KB of punycode took
            27 s.
        HTTPBadRequest: the bytes are no UTF-8, or there are more than MOST_FIELDS fields.
    """
    charset = request.charset
    if request.content_type != FORM or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(reason=f"Send the form as {FORM}, uncompressed")
    if charset is not None and charset.lower() != "utf-8":
        raise web.HTTPUnsupportedMediaType(reason="Send the form in UTF-8")
    try:
        text = (await request.read()).decode("utf-8")
        fields = parse_qs(text, encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:  # a UnicodeDecodeError is a ValueError
        raise web.HTTPBadRequest from None
    return fields.get("token", [""])[0]


def _redirect(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})
