"""All that the monitor serves, as one application."""

from collections.abc import Callable

from aiohttp import web

from switchboard.monitor.entry import Door, guard
from switchboard.monitor.page import add_page
from switchboard.monitor.pulse import Pulse
from switchboard.monitor.signing import add_signing, sign_in_by_address
from switchboard.monitor.stream import Stream
from switchboard.monitor.tables import Tables
from switchboard.monitor.telling import add_metrics
from switchboard.monitor.web import add_routes, strict_json
from switchboard.web.server import MOST_BODY_BYTES, whole


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
