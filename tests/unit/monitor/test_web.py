"""The web API and the page as a client receives them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from switchboard.errors import ExposedError
from switchboard.monitor.access import AccessControl
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.site import web_application
from switchboard.monitor.tables import Tables
from tests.floors import Floor

Client = TestClient[web.Request, web.Application]

TOKEN = "a-long-secret-of-readers"  # noqa: S105 - of this test
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def application(tables: Tables, access: AccessControl, restored: list[bool]) -> web.Application:
    """The monitor's web application, without Faust."""
    contact = BusContact(1_700_000_000.5)
    stream = Stream(tables, contact, RoutingStatus(1, "chat-arrival"), {}, may_read=access.still_admits)
    return web_application(access, tables, stream, contact, lambda: bool(restored))


@pytest.fixture
def tables() -> Tables:
    """Tables with one agent whose id is markup."""
    agent: dict[str, Any] = {
        "pool": "default",
        "agent_id": '<script>"é"</script>',
        "profile": "all",
        "status": "absent",
    }
    agent |= {"free": 0, "request": None}
    return Tables(agents={"default/x": agent})


@pytest.fixture
def restored() -> list[bool]:
    """Empty while the tables are being filled."""
    return [True]


@pytest.fixture
async def client(tables: Tables, restored: list[bool]) -> AsyncIterator[Client]:
    """A client of the API."""
    app = application(tables, AccessControl("127.0.0.1", None), restored)
    async with TestClient(TestServer(app)) as each:
        yield each


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/agents", 200),
        ("GET", "/api/queues?pool=default", 200),
        ("HEAD", "/api/agents", 200),
        ("GET", "/healthz", 200),
        ("GET", "/nothing", 404),
        ("GET", "/api/agents/nobody", 404),
        ("GET", "/api/chats/nothing", 404),
        ("GET", "/api/openapi.json", 200),
        ("HEAD", "/api/stream", 405),
        ("GET", "/<script>", 404),
        ("POST", "/api/agents", 405),
    ],
)
async def test_every_answer_is_json_with_the_security_headers(
    client: Client, method: str, path: str, status: int
) -> None:
    """Refusals have the headers too, and repeat no part of the request."""
    async with client.request(method, path) as answer:
        assert answer.status == status
        assert answer.content_type == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        if method == "GET":
            await answer.json()
        if status == 404:
            assert b"script" not in await answer.read()


async def test_ids_are_served_unchanged(client: Client) -> None:
    """JSON escapes any id."""
    async with client.get("/api/agents") as answer:
        assert [row["agent_id"] for row in await answer.json()] == ['<script>"é"</script>']


async def test_an_error_of_the_server_shows_no_details(client: Client, tables: Tables) -> None:
    """The answer is a 500 in JSON, without a trace."""
    tables.agents["default/broken"] = {}
    async with client.get("/api/agents") as answer:
        assert answer.status == 500
        assert await answer.json() == {"error": "Internal Server Error"}


@pytest.mark.parametrize("path", ["/api/agents", "/api/queues", "/healthz"])
async def test_tables_that_are_being_filled_are_not_served(client: Client, restored: list[bool], path: str) -> None:
    """The answer is 503, and when to ask again."""
    restored.clear()
    async with client.get(path) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert await answer.json() == {"status": "restoring"}


async def test_a_monitor_that_is_restoring_is_alive(client: Client, restored: list[bool]) -> None:
    """A supervisor must not restart a monitor that is reading the bus."""
    restored.clear()
    async with client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})


async def test_rows_come_by_pages(client: Client, tables: Tables) -> None:
    """Each page has a link to the next one, for one pool as for all, until no page follows."""
    for number in range(2_500):
        row = {"pool": "a&b", "agent_id": f"{number:04}", "profile": "all", "status": "absent", "free": 0}
        tables.agents[f"a&b/{number}"] = row | {"request": None}
    path, sizes, ids = "/api/agents?pool=a%26b", [], []
    while path:
        async with client.get(path) as answer:
            rows = await answer.json()
            path = answer.headers.get("Link", "<>").partition("<")[2].partition(">")[0]
        sizes.append(len(rows))
        ids += [row["agent_id"] for row in rows]
    assert sizes == [1_000, 1_000, 500]
    assert ids == [f"{number:04}" for number in range(2_500)]
    async with client.get("/api/agents?limit=2") as answer:
        assert len(await answer.json()) == 2


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=-1", "limit=1e2", "limit=9" + "9" * 5_000, "limit=", "limit=%D9%A1", "cursor=",
     "cursor=x", "cursor=W10=", "cursor=WzEsMl0=", "cursor=" + "W" * 6_000],
)  # fmt: skip
async def test_a_malformed_limit_or_cursor_is_a_bad_request(client: Client, query: str) -> None:
    """The answer is 400, and says what is expected."""
    async with client.get(f"/api/queues?{query}") as answer:
        assert answer.status == 400
        assert " must be " in (await answer.json())["error"]


async def test_the_metrics_show_the_restore_and_no_id(client: Client, restored: list[bool]) -> None:
    """The metrics are served while the tables are being filled too."""
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    assert "switchboard_monitor_restored 1.0\n" in text
    assert "switchboard_monitor_bus_answered_timestamp_seconds 1.7000000005e+09\n" in text
    assert "script" not in text
    restored.clear()
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert "switchboard_monitor_restored 0.0\n" in await answer.text()


async def test_an_error_is_logged_without_ids_except_at_debug(
    client: Client, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    """The path holds an id, and so may the exception."""
    tables.history = None  # type: ignore[assignment]
    caplog.set_level(logging.DEBUG, "switchboard")
    async with client.get("/api/chats/eve-4711") as answer:
        assert answer.status == 500
    summary, detailed = (record for record in caplog.records if record.name == "switchboard.monitor.web_api")
    assert summary.getMessage().startswith("/api/chats/{chat_id} failed: AttributeError at ")
    assert summary.exc_info is None
    assert (detailed.levelno, detailed.getMessage()) == (logging.DEBUG, "'/api/chats/eve-4711' failed")


async def test_an_agent_is_found_by_any_id(client: Client, tables: Tables) -> None:
    """Ids are percent-encoded. If several pools have an id, the pool must be named."""
    for pool in ("a", "b"):
        tables.agents[f"{pool}/x/y z?"] = {"pool": pool, "agent_id": "x/y z?", "status": "absent"}
    async with client.get("/api/agents/x%2Fy%20z%3F?pool=b") as answer:
        assert await answer.json() == tables.agents["b/x/y z?"]
    async with client.get("/api/agents/x%2Fy%20z%3F") as answer:
        assert answer.status == 409
        assert (await answer.json())["pools"] == ["a", "b"]


@pytest.mark.parametrize("chat_id", [".", "..", "a/b c?", "c1"])
async def test_a_chat_is_found_by_any_id(client: Client, tables: Tables, chat_id: str) -> None:
    """The query holds the id, since clients resolve `.` and `..` in a path."""
    for pool in ("a", "b"):
        tables.history.add(0, Floor(pool).queued(0, chat_id))
    async with client.get("/api/chats", params={"chat_id": chat_id, "pool": "a"}) as answer:
        assert answer.status == 200
        chat = await answer.json()
        assert (chat["pool"], chat["chat_id"], len(chat["decisions"])) == ("a", chat_id, 1)
    async with client.get("/api/chats", params={"chat_id": chat_id}) as answer:
        assert answer.status == 409
    async with client.get("/api/chats") as answer:
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/", "/board.js", "/board.css", "/icon.svg"])
async def test_the_page_runs_its_own_scripts_only(client: Client, path: str) -> None:
    """No script or style is inline or from another site, and no site may frame the page."""
    async with client.get(path) as answer:
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        body = await answer.text()
    assert "style=" not in body
    assert "innerHTML" not in body
    assert "http://" not in body.replace("http://www.w3.org/", "")
    assert "https://" not in body


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1:1", 200), ("localhost", 200), ("[::1]:8", 200), ("evil.test", 421), ("[::1", 421)]
)
async def test_without_a_token_another_hosts_name_is_refused(client: Client, host: str, status: int) -> None:
    """A page on the internet whose host name resolves to 127.0.0.1 reads nothing through a browser here."""
    async with client.get("/api/agents", headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.fixture
async def guarded(tables: Tables) -> AsyncIterator[Client]:
    """A client of a server with a token."""
    app = application(tables, AccessControl("0.0.0.0", SecretStr(TOKEN)), [True])  # noqa: S104 - what is tested
    async with TestClient(TestServer(app)) as each:
        yield each


@pytest.mark.parametrize("head", ["Authorization: Bearer \xff", "Cookie: switchboard=\xff"])
async def test_a_token_that_is_no_utf8_is_a_wrong_token(guarded: Client, head: str) -> None:
    """Sent raw, since no client library sends such a header: the answer is 401, and the log has no trace."""
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.port)
    writer.write(f"GET /api/agents HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode("latin-1"))
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@pytest.mark.parametrize("path", ["/api/agents", "/api/stream", "/api/openapi.json", "/board.js", "/nothing"])
@pytest.mark.parametrize(
    "shown", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"switchboard={TOKEN}"}]
)
async def test_without_the_token_nothing_is_served(guarded: Client, path: str, shown: dict[str, str]) -> None:
    """The answer is 401 and how to show the token, for paths that do not exist too."""
    async with guarded.get(path, headers=shown) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert await answer.json() == {"error": "Unauthorized"}


async def test_the_token_opens_the_api_and_probes_need_none(guarded: Client) -> None:
    """The token is sent as `Authorization: Bearer`; with it any host name is accepted."""
    async with guarded.get("/api/agents", headers=BEARER | {"Host": "board.example"}) as answer:
        assert answer.status == 200
    for path in ("/healthz", "/livez", "/metrics"):
        async with guarded.get(path) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "board.example"])  # noqa: S104 - what is tested
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    """The error says what to set."""
    with pytest.raises(ExposedError, match="SWITCHBOARD_WEB_TOKEN"):
        AccessControl(host, None)
