"""On a cluster with ACLs each worker can do with the rights that `switchboard rights` names, and with no fewer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from switchboard.cli.rights import rights_of
from switchboard.kafka.clients import Connection
from switchboard.kafka.rights import BUS, NotAllowedError, Operation, Right, on_topics
from switchboard.kafka.topics import Topic
from switchboard.monitor import worker as monitor
from switchboard.router.router import Router
from switchboard.router.shard import Plan
from switchboard.settings import Settings
from tests.monitor_process import a_monitor
from tests.routers import EARLIEST, Bus, a_bus
from tests.secured import Secured

ENDS_SECONDS = 20
"""A worker that is not allowed something has said so, and ended, by then; nearly always within one second."""


@pytest.fixture
async def bus(secured: Secured, bus_prefix: str) -> AsyncIterator[Bus]:
    """A bus on the secured broker, seen by its super user."""
    async with a_bus(secured.for_setting_up, bus_prefix) as made:
        yield made


def as_user(secured: Secured, user: str) -> Connection:
    """The connection of a user of any name."""
    return Settings(**secured.by("OAUTHBEARER", user)).connection()


def rights(bus: Bus) -> dict[str, list[Right]]:
    """Of each worker on this bus."""
    return rights_of(Settings(**bus.settings()))  # type: ignore[arg-type]


async def less_one(secured: Secured, bus: Bus, worker: str) -> dict[str, Right]:
    """Users who have all that the worker needs but one right, by name, with the right that they lack."""
    needs = rights(bus)[worker]
    lacks = {f"{bus.names.prefix}{worker}-{number}": lack for number, lack in enumerate(needs)}
    await secured.allow({user: [each for each in needs if each != lack] for user, lack in lacks.items()})
    return lacks


def router_of(bus: Bus, conn: Connection) -> Router:
    """A router that comes in as another."""
    plan = Plan(conn, bus.names, bus.plan.shards, bus.group, 2_000, 0.5, EARLIEST)
    return Router(plan, bus.plan, bus.session_ms)


async def refused(work: object, lack: Right, user: str) -> None:
    """The worker ends within a bounded time and names the right that its user lacks."""
    with pytest.raises(NotAllowedError) as told:
        await asyncio.wait_for(work, ENDS_SECONDS)  # type: ignore[arg-type]
    for word in (str(lack.operation), lack.resource, lack.name):
        assert word in str(told.value), (user, str(lack), str(told.value))


async def test_a_router_without_one_of_its_rights_names_it_and_ends(secured: Secured, bus: Bus) -> None:
    """Whichever one is missing: its topic, group or transactional id and the operation stand in the message."""
    for user, lack in (await less_one(secured, bus, "router")).items():
        await refused(router_of(bus, as_user(secured, user)).run(asyncio.Event()), lack, user)


async def test_a_monitor_without_one_of_its_rights_names_it_and_ends(secured: Secured, bus: Bus) -> None:
    """Likewise, its group and the transactional ids that Faust takes included."""
    for user, lack in (await less_one(secured, bus, "monitor")).items():
        serving = monitor.serve(
            as_user(secured, user),
            bus.names,
            monitor.Serving("127.0.0.1", 0),
            group_id=bus.group,
            replication=1,
            broker_wait_seconds=5,
            stop=asyncio.Event(),
        )
        await refused(serving, lack, user)


async def test_a_router_routes_with_its_rights_and_ends_when_one_is_taken_back(secured: Secured, bus: Bus) -> None:
    """Offers, rows and dead letters; then, without the right to write one of its topics, it names that and ends."""
    user = f"{bus.names.prefix}router"
    await secured.allow({user: rights(bus)["router"]})
    running = asyncio.create_task(router_of(bus, as_user(secured, user)).run(asyncio.Event()))
    await bus.request("ana")
    await bus.arrive("c-1")
    await bus.until_decided("chat-assigned", "c-1")
    await bus.say(Topic.CHAT_ARRIVAL, b"no JSON")
    await bus.until(lambda: len(bus.dead) == 1)
    lack = next(each for each in rights(bus)["router"] if each.name == bus.names.of(Topic.DEAD_LETTER))
    await secured.disallow(user, lack)
    await bus.say(Topic.CHAT_ARRIVAL, b"no JSON either")
    await refused(running, lack, user)


async def test_each_command_does_its_work_with_its_rights_alone(secured: Secured, bus: Bus, tmp_path: Path) -> None:
    """Topics made and checked, a configuration applied and shown, chats simulated, recorded and published anew."""
    prefix, needs = bus.names.prefix, rights(bus)
    # `topics create --sources` makes the bus's topics too.
    making = on_topics(bus.names, Operation.CREATE, BUS)
    await secured.allow({prefix + worker: needs[worker] for worker in needs} | {f"{prefix}making": making})
    await secured.allow({f"{prefix}making": needs["topics"]})
    routing, recorded = tmp_path / "routing.toml", tmp_path / "bus.jsonl"
    routing.write_text("[[pools.default.queues]]\nname = 'default'\n[[pools.default.profiles]]\nname = 'default'\n")

    async def does(worker: str, *command: str) -> str:
        ran = await bus.run(*command, **secured.by("OAUTHBEARER", prefix + worker))
        assert ran.code == 0, (command, ran.err)
        return ran.out

    assert "all topics are as they should be" in await does("topics", "topics", "check")
    await does("making", "topics", "create", "--sources")
    await does("config", "config", "apply", str(routing))
    assert list(orjson.loads(await does("config", "config", "show", "--json"))) == ["default"]
    await does("simulate", "simulate", "--for", "1s")
    await does("reading", "record", "--bus", "--out", str(recorded))
    assert recorded.stat().st_size > 0
    await does("publishing", "replay", str(recorded), "--to-bus", "--dry-run")


async def test_a_monitor_serves_with_its_rights_alone(secured: Secured, bus: Bus) -> None:
    """It reads the rows and answers, with Faust's own group and transactional ids allowed and nothing more."""
    user = f"{bus.names.prefix}monitor"
    await secured.allow({user: rights(bus)["monitor"]})
    async with a_monitor(**bus.settings(**secured.by("OAUTHBEARER", user))):
        pass  # it answers 200 once its tables are restored
