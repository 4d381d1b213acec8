"""The web API as a client sees it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from switchboard.monitor.tables import Tables
from switchboard.monitor.web import add_routes, strict_json

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def tables() -> Tables:
    """Tables with one agent whose id would be markup in a page."""
    return Tables(agents={"default/x": {"pool": "default", "agent_id": '<script>"é"</script>'}})


@pytest.fixture
def restored() -> list[bool]:
    """Truthy once the tables are filled."""
    return [True]


@pytest.fixture
async def client(tables: Tables, restored: list[bool]) -> AsyncIterator[Client]:
    """A client of the API."""
    app = web.Application(middlewares=[strict_json])
    add_routes(app, tables, lambda: bool(restored))
    async with TestClient(TestServer(app)) as each:
        yield each


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/agents", 200),
        ("GET", "/api/queues?pool=default", 200),
        ("HEAD", "/api/agents", 200),
        ("GET", "/healthz", 200),
        ("GET", "/", 404),
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
