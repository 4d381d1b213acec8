"""A page in a headless Chromium, and a floor that it can show: rows and decisions on a real broker, a monitor."""

import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer
from playwright.async_api import Browser, Page, async_playwright

from docs.chromium import CHROMIUM
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection
from switchboard.kafka.topics import TopicNames, TopicPlan
from tests.floors import Floor
from tests.monitors import Rows, Start, a_member, free_port, starting, writing


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    async with async_playwright() as play:
        launched = await play.chromium.launch(**CHROMIUM)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page as wide as a desk's screen; a script that fails in it fails the test."""
    opened = await browser.new_page(viewport={"width": 1440, "height": 900})
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    assert failures == []


@pytest.fixture
def conn(broker_bootstrap: str) -> Connection:
    """The broker of this run."""
    return Connection(broker_bootstrap)


@pytest.fixture
async def names(conn: Connection, bus_prefix: str) -> TopicNames:
    """The topics, made: one shard."""
    plan = TopicPlan(TopicNames(bus_prefix, bus_prefix), shards=1, replication=1, min_insync=1)
    await create_topics(conn, plan, bus_partitions=1)
    return plan.names


@pytest.fixture
async def rows(conn: Connection, names: TopicNames) -> AsyncIterator[Rows]:
    """A writer of what a router writes."""
    async with writing(conn, names, shards=1) as writer:
        yield writer


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    return free_port()


@pytest.fixture
def address(port: int) -> str:
    """Where the wallboard is."""
    return f"http://127.0.0.1:{port}/"


@pytest.fixture
async def member(conn: Connection, names: TopicNames) -> AsyncIterator[AIOKafkaConsumer]:
    """Has the shard, as a router of the installation would: what becomes of it, the test writes itself."""
    async with a_member(conn, names) as joined:
        yield joined


@pytest.fixture
async def start(conn: Connection, names: TopicNames, port: int, member: AIOKafkaConsumer) -> AsyncIterator[Start]:
    """Starts monitors, of an installation that has a router."""
    assert member.assignment()
    async with starting(conn, names, port) as run:
        yield run


@pytest.fixture
def floor() -> Floor:
    """Makes decisions from now on."""
    return Floor(since=time.time())
