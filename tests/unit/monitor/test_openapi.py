"""The OpenAPI description, compared with the answers of the web API."""

from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator

from switchboard.kafka.topics import Topic
from switchboard.monitor.access import AccessControl, access_middleware
from switchboard.monitor.bus_watch import BusContact, RoutingStatus
from switchboard.monitor.live_stream import Stream
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.web_api import OPENAPI, add_routes, strict_json
from tests.floors import Floor

Client = TestClient[web.Request, web.Application]

AGENT: dict[str, Any] = {
    "agent_id": "ann", "pool": "default", "profile": "all", "mode": "push", "status": "available", "max_sessions": 2,
    "sessions": [{"chat_id": "c1", "stage": "active", "offer_id": "default/0/2/0"}], "free": 1,
    "request": {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z"}, "engine": {},
}  # fmt: skip
CHAT = {"pool": "default", "queue": "sales", "stage": "waiting", "arrived_at": "2024-05-01T12:00:00.000Z"}

BOARD = {"service_level_seconds": 20.0, "time_zone": "UTC", "asks_for_token": False}

EVENTS = {
    "board": "Board",
    "queues": "QueueChanges",
    "agents": "AgentChanges",
    "assignments": "AssignmentChanges",
    "heartbeat": "Heartbeat",
}


def tables() -> Tables:
    """Tables with an agent, an open chat, and a chat that has closed."""
    floor, made = Floor(), Tables()
    rows = [(Topic.AGENT_CAPACITY, "default/ann", AGENT), (Topic.OPEN_CHATS, "default/c2", CHAT)]
    for topic, key, row in rows:
        apply(made, Record(topic, 0, 0, key.encode(), orjson.dumps(row)))
    for offset, each in enumerate(
        (floor.queued(0), floor.assigned(1), floor.confirmed(2), floor.closed(9, "concluded"))
    ):
        apply(made, Record(Topic.ASSIGNMENT, 0, offset, b"c1", each.value))
    return made


def check(schema: dict[str, Any], value: Any) -> None:
    """Validate a value against a schema of the description."""
    jsonschema_rs.Draft202012Validator(schema | {"components": OPENAPI["components"]}, validate_formats=True).validate(
        value
    )


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of the API."""
    app = web.Application(middlewares=[strict_json, access_middleware(AccessControl("127.0.0.1", None))])
    made = tables()
    stream = Stream(made, BusContact(1.0), RoutingStatus(1, "chat-arrival"), BOARD)
    add_routes(app, made, stream, lambda: True)
    async with TestClient(TestServer(app)) as each:
        yield each


def test_the_description_is_openapi_3_1() -> None:
    """Tools that read OpenAPI read the description."""
    OpenAPIV31SpecValidator(OPENAPI).validate()


async def test_every_answer_is_as_described(client: Client) -> None:
    """The answers of all paths, refusals included, have the described fields and no others."""
    paths = {
        "/api/queues": ["/api/queues", "/api/queues?pool=none"],
        "/api/agents": ["/api/agents", "/api/agents?limit=1", "/api/agents?limit=0", "/api/agents?cursor=x"],
        "/api/agents/{agent_id}": ["/api/agents/ann", "/api/agents/nobody"],
        "/api/chats/{chat_id}": ["/api/chats/c1", "/api/chats/c2?pool=default", "/api/chats/none"],
        "/api/chats": ["/api/chats?chat_id=c1", "/api/chats?chat_id=none&pool=default", "/api/chats"],
        "/api/openapi.json": ["/api/openapi.json"],
        "/healthz": ["/healthz"],
        "/livez": ["/livez"],
    }
    assert set(paths) | {"/api/stream"} == set(OPENAPI["paths"])
    for described, asked in paths.items():
        for path in asked:
            async with client.get(path) as answer:
                response = OPENAPI["paths"][described]["get"]["responses"][str(answer.status)]
                if "$ref" in response:
                    response = OPENAPI["components"]["responses"][response["$ref"].rpartition("/")[2]]
                check(response["content"]["application/json"]["schema"], await answer.json())


async def test_every_event_of_the_stream_is_as_described(client: Client) -> None:
    """A client receives the settings, then all rows, then a heartbeat."""
    seen: dict[str, Any] = {}
    async with client.get("/api/stream") as answer:
        assert answer.content_type == "text/event-stream"
        while len(seen) < len(EVENTS):
            line = (await answer.content.readline()).decode()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ").strip()
                data = orjson.loads((await answer.content.readline()).decode().removeprefix("data: "))
                check({"$ref": f"#/components/schemas/{EVENTS[kind]}"}, data)
                seen[kind] = data
    assert list(seen) == list(EVENTS)
    assert [row["agent_id"] for row in seen["agents"]["changed"]] == ["ann"]
    assert [row["outcome"] for row in seen["assignments"]["changed"]] == ["accepted"]
