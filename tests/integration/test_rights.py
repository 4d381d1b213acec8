"""On a cluster with ACLs each worker can do with the rights that `switchboard rights` names, and with no fewer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from switchboard.cli.audit_command import audit_live
from switchboard.cli.rights_command import rights_of
from switchboard.errors import NoSuchSourceError, NotAllowedError
from switchboard.kafka.acl import Right
from switchboard.kafka.admin import create_topics
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, transactional_producer
from switchboard.kafka.configuration_topic import read_configuration, write_configuration
from switchboard.kafka.reading import partitions_of
from switchboard.kafka.topics import SOURCES, Topic, TopicNames, TopicPlan
from switchboard.monitor.worker import MonitorConfig, serve_monitor
from switchboard.router.loop_actions import FrameLimits
from switchboard.router.router import Router
from switchboard.router.shard import RouterConfig
from switchboard.settings import Settings, load
from switchboard.simulation.cast import Cast, Line, mixed_team
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.crowd_bus import Bus as Simulated
from switchboard.simulation.people import Behaviour
from switchboard.simulation.tally import Tally
from switchboard.tools.dead_letters import DeadLetter, Place, dead_letter_at, dead_letters, put_back
from switchboard.tools.publisher import publish
from switchboard.tools.recorder import Recorder, Wanted
from switchboard.tools.source_topics import check_bus, reset_source
from switchboard.tools.verification import DecisionTopics
from tests.monitors import a_monitor
from tests.routers import EARLIEST, Bus, a_bus
from tests.secured import Secured
from tests.waiting import eventually

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


def rights(bus: Bus, **settings: object) -> dict[str, list[Right]]:
    """Of each worker and command on this bus."""
    return rights_of(Settings(**bus.settings(**settings)))  # type: ignore[arg-type]


async def less_one(secured: Secured, bus: Bus, worker: str, **settings: object) -> dict[str, Right]:
    """Users who have all that the worker needs but one right, by name, with the right that they lack."""
    needs = rights(bus, **settings)[worker]
    lacks = {f"{bus.names.prefix}{worker.replace(' ', '-')}-{number}": lack for number, lack in enumerate(needs)}
    await secured.allow({user: [each for each in needs if each != lack] for user, lack in lacks.items()})
    return lacks


def router_of(bus: Bus, conn: Connection) -> Router:
    """A router that comes in as another."""
    config = RouterConfig(conn, bus.names, bus.plan.shards, bus.group, FrameLimits(2_000), 0.5, EARLIEST)
    return Router(config, bus.plan, bus.session_ms)


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
        config = MonitorConfig(as_user(secured, user), bus.names, bus.group, 1, 5, "127.0.0.1", 0)
        await refused(serve_monitor(config, asyncio.Event()), lack, user)


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


Work = Callable[[Bus, Settings], Awaitable[object]]


def creating(bus_partitions: int | None) -> Work:
    """Topics that are not there yet."""

    async def work(_: Bus, settings: Settings) -> None:
        plan = TopicPlan(settings.topic_names(), shards=1, replication=1, min_insync=1)
        await create_topics(settings.connection(), plan, bus_partitions=bus_partitions)

    return work


def recording(*topics: Topic, from_rows: bool = False) -> Work:
    """Records that nobody keeps."""

    async def work(bus: Bus, settings: Settings) -> None:
        wanted = Wanted({bus.names.of(topic): str(topic) for topic in topics}, from_rows=from_rows)
        recorder = Recorder(bus.names, wanted, BrokerWait(settings.connection()))
        await recorder.record(lambda _: None, asyncio.Event(), lambda _: None)

    return work


async def reset_all(bus: Bus, settings: Settings) -> None:
    """Every source, though a call resets one; of a shard that has read none."""
    for source in bus.names.sources:
        with suppress(NoSuchSourceError):
            await reset_source(settings.connection(), bus.names, bus.group, 1, source, EARLIEST)


async def configure(bus: Bus, settings: Settings) -> None:
    """Nothing, but by the way that a configuration takes."""
    await write_configuration(settings.connection(), bus.names, bus.group, [])


async def verify(bus: Bus, settings: Settings) -> None:
    """No log, but what it would be held against."""
    async with AsyncExitStack() as stack:
        await DecisionTopics.open(settings.connection(), bus.names, 1, stack)


async def put_all_back(bus: Bus, settings: Settings) -> None:
    """What stands on dead-letter, and a letter from each source."""
    there = [letter async for letter in dead_letters(settings.connection(), bus.names)]
    others = [
        DeadLetter(Place(0, number), 0, "schema", "", (source, 0, 0), (), b"", b"", None)
        for number, source in enumerate(bus.names.sources)
    ]
    await put_back(settings.connection(), bus.names, [*there, *others])


async def replay(bus: Bus, settings: Settings) -> None:
    """A log without a record, of every source."""
    await publish(
        settings.connection(),
        bus.names,
        [],
        map(str, SOURCES),
        speed=None,
        rebase=False,
        stop=asyncio.Event(),
        report=lambda _: None,
    )


async def simulate(bus: Bus, settings: Settings) -> None:
    """A crowd that arrives and leaves at once."""
    cast = Cast([Line()], mixed_team(1, pull_share=0.0, pool="default", profile=None))
    people = Simulated(
        settings.connection(), bus.names, Crowd(cast, Behaviour(), iter(()), seed="1", label="sim"), Tally()
    )
    try:
        await people.open()
    finally:
        await people.close()


WORK: dict[str, Work] = {
    "topics create": creating(None),
    "topics create --sources": creating(1),
    "topics check": lambda bus, settings: check_bus(settings.connection(), bus.plan),
    "topics reset": reset_all,
    "config apply": configure,
    "config show": lambda bus, settings: read_configuration(settings.connection(), bus.names),
    "record": recording(Topic.JOURNAL),
    "record --from-rows": recording(Topic.JOURNAL, from_rows=True),
    "record --bus": recording(*SOURCES),
    "verify": verify,
    "audit": lambda _, settings: audit_live(settings, lambda _: None),
    "dead-letter list": lambda bus, settings: anext(dead_letters(settings.connection(), bus.names)),
    "dead-letter show": lambda bus, settings: dead_letter_at(settings.connection(), bus.names, Place(0, 0)),
    "dead-letter replay": put_all_back,
    "replay --to-bus": replay,
    "simulate": simulate,
}
"""What each command that talks to a broker does, once its options are read."""


def test_every_command_is_tried() -> None:
    """Each that `switchboard rights` knows, beside the workers."""
    assert {*WORK, "router", "monitor"} == {*rights_of(load())}


async def test_a_command_without_one_of_its_rights_names_it_and_ends(secured: Secured, bus: Bus) -> None:
    """Whichever one is missing, and before anything is done."""
    for command, work in WORK.items():
        missing = command.startswith("topics create")  # made anew, where none is yet
        names = TopicNames(f"{bus.names.prefix}new.", f"{bus.names.prefix}new.") if missing else bus.names
        told = {"topic_prefix": names.prefix, "source_prefix": names.source_prefix}
        for user, lack in (await less_one(secured, bus, command, **told)).items():
            settings = Settings(**bus.settings(**secured.by("OAUTHBEARER", user), **told))  # type: ignore[arg-type]
            await refused(work(bus, settings), lack, user)
        assert not missing or await partitions_of(bus.conn, map(names.of, Topic)) == []


async def test_each_command_does_its_work_with_its_rights_alone(secured: Secured, bus: Bus, tmp_path: Path) -> None:
    """Topics made, checked and reset, a configuration applied and shown, a day recorded, looked into and replayed."""
    prefix, needs = bus.names.prefix, rights(bus)
    new = {"topic_prefix": f"{prefix}new.", "source_prefix": f"{prefix}new."}
    needs |= {each: some for each, some in rights(bus, **new).items() if each.startswith("topics create")}
    users = {command: f"{prefix}{number}" for number, command in enumerate(needs)}
    await secured.allow({users[command]: some for command, some in needs.items()})
    routing, journal, rows, recorded = (tmp_path / name for name in ("routing.toml", "journal", "rows", "bus"))
    routing.write_text("[[pools.default.queues]]\nname = 'default'\n[[pools.default.profiles]]\nname = 'default'\n")
    tried = set()

    async def does(command: str, *options: object, **settings: Any) -> str:
        tried.add(command)
        words = [*command.split(), *map(str, options)]
        ran = await bus.run(*words, **secured.by("OAUTHBEARER", users[command]), **settings)
        assert ran.code == 0, (words, ran.out, ran.err)
        return ran.out

    await does("topics create", **new)
    await does("topics create --sources", **new)
    assert "all topics are as they should be" in await does("topics check")
    await does("config apply", routing)
    assert list(orjson.loads(await does("config show", "--json"))) == ["default"]
    async with bus.router():
        await bus.request("ana")
        await bus.arrive("c-1")
        await bus.say(Topic.CHAT_ARRIVAL, b"no JSON")
        await bus.until_decided("chat-assigned", "c-1")
        await bus.until(lambda: len(bus.dead) == 1)
        assert "shard 0 begins with its rows" in await does("record --from-rows", "--out", rows)
    await does("record", "--out", journal)
    await does("record --bus", "--out", recorded)
    assert orjson.loads(await does("verify", journal, "--json"))["same"] > 0
    await does("audit")
    assert len(orjson.loads(await does("dead-letter list", "--json"))) == 1
    assert "no JSON" in await does("dead-letter show", Place(bus.dead[0].partition, bus.dead[0].offset))
    assert "replayed 1" in await does("dead-letter replay", "--all", "--yes")
    assert "sent" in await does("replay --to-bus", recorded, "--speed", "max")
    await does("simulate", "--for", "1s")
    assert "goes on reading" in await does(
        "topics reset", bus.names.of(Topic.CHAT_ARRIVAL), "--from", "latest", "--yes"
    )
    assert tried == WORK.keys()


async def test_a_command_that_is_not_allowed_ends_with_exit_code_2(secured: Secured, bus: Bus, tmp_path: Path) -> None:
    """It says in words what is missing, and what to do."""
    nobody = secured.by("OAUTHBEARER", f"{bus.names.prefix}nobody")

    async def told(lack: str, *command: str) -> None:
        ran = await bus.run(*command, **nobody)
        assert ran.code == 2, (command, ran.err)
        assert f"switchboard: not allowed: {lack}{bus.names.prefix}" in ran.err, (command, ran.err)
        assert "`switchboard rights`" in ran.err, command

    await asyncio.gather(
        told("Describe on topic ", "topics", "check"),
        told("Read on topic ", "config", "show"),
        told("Read on topic ", "dead-letter", "list", "--json"),
        told("Read on topic ", "audit"),
        told("Read on topic ", "record", "--out", str(tmp_path / "log")),
        told("Write on topic ", "simulate", "--for", "1s"),
    )
    assert not (tmp_path / "log").exists()


async def test_a_monitor_serves_with_its_rights_alone(secured: Secured, bus: Bus) -> None:
    """It reads all its topics and answers, with Faust's own group and transactional ids allowed and nothing more."""
    user = f"{bus.names.prefix}monitor"
    await secured.allow({user: rights(bus)["monitor"]})
    await bus.configure(queues=[{"name": "sales"}, {"name": "quiet"}], profiles=[{"name": "default"}])
    async with bus.router():
        await bus.request("ana")
        await bus.arrive("c-1")
        await bus.until_decided("chat-assigned", "c-1")
    async with (
        transactional_producer(bus.conn, f"{bus.names.prefix}stranger", timeout_ms=120_000) as stranger,
        a_monitor(**bus.settings(**secured.by("OAUTHBEARER", user))) as monitor,
    ):
        await stranger.begin_transaction()
        await stranger.send_and_wait(bus.names.of(Topic.AGENT_PRESENCE), b"{}", partition=0)
        agents, queues = await monitor.first("/api/agents"), await monitor.first("/api/queues")
        # The group of the routers, the groups of the shards, and the topics of the bus: it sees what none of them read.
        await bus.arrive("c-2")
        routing = (await eventually(monitor.heartbeat, lambda beat: beat["routing"]["arrivals"], 50))["routing"]
        # Both ends of a topic that it may only describe.
        beat = await eventually(monitor.heartbeat, lambda beat: beat["routing"]["held_up"], 60)
        assert beat["routing"]["held_up"][0]["topic"] == bus.names.of(Topic.AGENT_PRESENCE)
        await stranger.abort_transaction()
    assert routing["without_router"] == [0]
    assert routing["arrivals"] in {1, 2}  # a router that is killed may not yet have told that it has read the first
    sales, quiet = sorted(queues, key=lambda row: row["queue"], reverse=True)
    assert [row["agent_id"] for row in agents] == ["ana"]  # agent-capacity
    assert (sales["queue"], sales["offered"]) == ("sales", 1)  # open-chats
    assert quiet["queue"] == "quiet"  # routing-config
    assert sales["today"]["arrived"] == 1  # assignment
