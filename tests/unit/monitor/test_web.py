"""The web API as a client sees it."""

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


def application(tables: Tables, door: AccessControl, restored: list[bool]) -> web.Application:
    """The web server as the monitor makes it, without Faust."""
    pulse = BusContact(1_700_000_000.5)
    stream = Stream(tables, pulse, RoutingStatus(1, "chat-arrival"), {}, may_read=door.still_admits)
    return web_application(door, tables, stream, pulse, lambda: bool(restored))


@pytest.fixture
def tables() -> Tables:
    """Tables with one agent whose id would be markup in a page."""
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
    """Truthy once the tables are filled."""
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
    """Refusals as well; none of them repeats what was asked."""
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


async def test_ids_come_back_as_they_are(client: Client) -> None:
    """Strict JSON keeps any id whole."""
    async with client.get("/api/agents") as answer:
        assert [row["agent_id"] for row in await answer.json()] == ['<script>"é"</script>']


async def test_a_failure_inside_tells_nothing_of_it(client: Client, tables: Tables) -> None:
    """A fault of ours is a 500 in JSON, without its trace."""
    tables.agents["default/broken"] = {}
    async with client.get("/api/agents") as answer:
        assert answer.status == 500
        assert await answer.json() == {"error": "Internal Server Error"}


@pytest.mark.parametrize("path", ["/api/agents", "/api/queues", "/healthz"])
async def test_half_a_table_is_never_shown(client: Client, restored: list[bool], path: str) -> None:
    """While the tables are being filled the answer is 503, and when to ask again."""
    restored.clear()
    async with client.get(path) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert await answer.json() == {"status": "restoring"}


async def test_a_monitor_that_is_restoring_is_alive(client: Client, restored: list[bool]) -> None:
    """A supervisor that restarted it would only have it begin again."""
    restored.clear()
    async with client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})


async def test_rows_come_by_pages(client: Client, tables: Tables) -> None:
    """Each answer names the next one, also of one pool, until there is none."""
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
async def test_a_page_that_there_can_not_be_is_a_bad_request(client: Client, query: str) -> None:
    """400, and what was expected."""
    async with client.get(f"/api/queues?{query}") as answer:
        assert answer.status == 400
        assert " must be " in (await answer.json())["error"]


async def test_prometheus_is_told_how_the_monitor_fares_and_no_id(client: Client, restored: list[bool]) -> None:
    """Also while the tables are being filled: that is what it is told then."""
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        told = await answer.text()
    assert "switchboard_monitor_restored 1.0\n" in told
    assert "switchboard_monitor_bus_answered_timestamp_seconds 1.7000000005e+09\n" in told
    assert "script" not in told
    restored.clear()
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert "switchboard_monitor_restored 0.0\n" in await answer.text()


async def test_a_failure_is_logged_without_an_id_but_at_debug(
    client: Client, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    """The path names an agent, and so may what was raised."""
    tables.history = None  # type: ignore[assignment]
    caplog.set_level(logging.DEBUG, "switchboard")
    async with client.get("/api/chats/eve-4711") as answer:
        assert answer.status == 500
    said, detailed = (record for record in caplog.records if record.name == "switchboard.monitor.web_api")
    assert said.getMessage().startswith("/api/chats/{chat_id} failed: AttributeError at ")
    assert said.exc_info is None
    assert (detailed.levelno, detailed.getMessage()) == (logging.DEBUG, "'/api/chats/eve-4711' failed")


async def test_an_agent_is_found_by_any_id(client: Client, tables: Tables) -> None:
    """Whatever stands in it, percent-encoded; where several pools know it, the pool must be named."""
    for pool in ("a", "b"):
        tables.agents[f"{pool}/x/y z?"] = {"pool": pool, "agent_id": "x/y z?", "status": "absent"}
    async with client.get("/api/agents/x%2Fy%20z%3F?pool=b") as answer:
        assert await answer.json() == tables.agents["b/x/y z?"]
    async with client.get("/api/agents/x%2Fy%20z%3F") as answer:
        assert answer.status == 409
        assert (await answer.json())["pools"] == ["a", "b"]


@pytest.mark.parametrize("chat_id", [".", "..", "a/b c?", "c1"])
async def test_a_chat_is_found_by_any_id(client: Client, tables: Tables, chat_id: str) -> None:
    """By query: a path ends where its steps lead, and `.` and `..` are steps."""
    for pool in ("a", "b"):
        tables.history.add(0, Floor(pool).queued(0, chat_id))
    async with client.get("/api/chats", params={"chat_id": chat_id, "pool": "a"}) as answer:
        assert answer.status == 200
        told = await answer.json()
        assert (told["pool"], told["chat_id"], len(told["decisions"])) == ("a", chat_id, 1)
    async with client.get("/api/chats", params={"chat_id": chat_id}) as answer:
        assert answer.status == 409
    async with client.get("/api/chats") as answer:
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/", "/board.js", "/board.css", "/icon.svg"])
async def test_the_page_may_run_its_own_script_and_nothing_else(client: Client, path: str) -> None:
    """No script or style inline or from elsewhere, no frame around it, and nothing is kept."""
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
    """A page on the internet whose name is made to stand for 127.0.0.1 reads nothing through somebody's browser."""
    async with client.get("/api/agents", headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.fixture
async def guarded(tables: Tables) -> AsyncIterator[Client]:
    """A client of a server that wants the token."""
    app = application(tables, AccessControl("0.0.0.0", SecretStr(TOKEN)), [True])  # noqa: S104 - what is tested
    async with TestClient(TestServer(app)) as each:
        yield each


@pytest.mark.parametrize("head", ["Authorization: Bearer \xff", "Cookie: switchboard=\xff"])
async def test_a_token_that_is_no_utf8_is_a_wrong_token(guarded: Client, head: str) -> None:
    """Raw, as no client library sends it: 401, and no trace in the log for whoever reaches the port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.port)
    writer.write(f"GET /api/agents HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode("latin-1"))
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@pytest.mark.parametrize("path", ["/api/agents", "/api/stream", "/api/openapi.json", "/board.js", "/nothing"])
@pytest.mark.parametrize(
    "shown", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"switchboard={TOKEN}"}]
)
async def test_with_a_token_nothing_is_told_without_it(guarded: Client, path: str, shown: dict[str, str]) -> None:
    """401, and how to show it; not even what there is."""
    async with guarded.get(path, headers=shown) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert await answer.json() == {"error": "Unauthorized"}


async def test_the_token_opens_the_api_and_probes_need_none(guarded: Client) -> None:
    """As `Authorization: Bearer`, under whatever name the server is reached."""
    async with guarded.get("/api/agents", headers=BEARER | {"Host": "board.example"}) as answer:
        assert answer.status == 200
    for path in ("/healthz", "/livez", "/metrics"):
        async with guarded.get(path) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "board.example"])  # noqa: S104 - what is tested
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    """The monitor does not start, and says what to set."""
    with pytest.raises(ExposedError, match="SWITCHBOARD_WEB_TOKEN"):
        AccessControl(host, None)
