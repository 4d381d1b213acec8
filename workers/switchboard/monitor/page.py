"""The wallboard's files: read once at the start, served from memory."""

from importlib import resources
from typing import Final

from aiohttp import web

from switchboard.monitor.entry import Handler

FOLDER: Final = resources.files("switchboard.monitor") / "page"

TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

# Nothing from elsewhere and nothing inline: should an id ever become markup, it could still do nothing.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def add_page(web_app: web.Application) -> None:
    """Serve `/`, `/sign-in` and the files that they name."""
    for file in FOLDER.iterdir():
        stem, _, kind = file.name.rpartition(".")
        if kind in TYPES:
            path = {"index.html": "/", "sign-in.html": "/sign-in"}.get(file.name, f"/{stem}.{kind}")
            web_app.router.add_get(path, _file(file.read_bytes(), TYPES[kind]))


def _file(body: bytes, kind: str) -> Handler:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Content-Security-Policy": POLICY})

    return serve
