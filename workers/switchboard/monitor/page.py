"""The wallboard's files: read once at the start, served from memory."""

from importlib import resources
from typing import Final

from aiohttp import web

from switchboard.web.server import Handler

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
