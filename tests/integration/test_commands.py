"""The commands that set an installation up: what they do, what they refuse, and how they say so."""

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from switchboard.kafka.topics import Topic
from tests.routers import a_bus, run

NOWHERE = "127.0.0.1:1"

RIGHT = """\
[pools.support]
seed = "2026"

[[pools.support.queues]]
name = "billing"
max_wait = 600

[[pools.support.queues]]
name = "help"
overflow_after = 30
overflow_to = "billing"

[[pools.support.profiles]]
name = "agent"
mode = "pull"
queues = ["help", "billing"]
offer_timeout = 285
"""

WRONG = """\
[pools.support]
sed = "2026"

[[pools.support.queues]]
name = "billing"
max_wait = -1

[[pools.support.profiles]]
name = "agent"
mode = "shove"
queues = ["help"]
offer_timeout = 3
"""


@pytest.fixture
def right(tmp_path: Path) -> Path:
    """A routing file without faults."""
    file = tmp_path / "right.toml"
    file.write_text(RIGHT)
    return file


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """One with five."""
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG)
    return file


async def test_wrong_configuration_is_told_whole_and_nothing_of_it_applied(
    broker_bootstrap: str, bus_prefix: str, right: Path, wrong: Path
) -> None:
    """All faults at once, each with file and line; what was applied before still stands."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        assert (await bus.run("config", "apply", str(right))).code == 0
        for command in ("check", "apply"):
            ran = await bus.run("config", command, str(wrong))
            assert ran.code == 1
            lines = re.findall(rf"{re.escape(str(wrong))}:(\d+):", ran.err)
            assert lines == ["2", "6", "10", "11", "12"], ran.err
            for word in ("sed", "max_wait", "push, pull", "help", "5 to 285"):
                assert word in ran.err
            assert "Traceback" not in ran.err
        ran = await bus.run("config", "show", "--json")
        assert list(orjson.loads(ran.out)) == ["support"]
        assert orjson.loads(ran.out)["support"]["queues"][0] == {"name": "billing", "max_wait": 600}


async def test_a_configuration_that_is_applied_is_shown_and_routed_by(
    broker_bootstrap: str, bus_prefix: str, right: Path
) -> None:
    """Before it, `show` says that nothing is configured; after it, offers have the time that it gives."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        shown = await bus.run("config", "show")
        assert (shown.code, shown.out.startswith("nothing is configured")) == (0, True)
        applied = await bus.run("config", "apply", str(right))
        assert applied.out == "applied pool support: queues billing, help; profiles agent\n"
        shown = await bus.run("config", "show")
        assert '  queue help: overflow_after=30, overflow_to="billing"\n' in shown.out
        await router.ready()
        await bus.until(lambda: len(bus.journaled) == 1)
        await bus.request("ana", pool="support")
        await bus.arrive("c-1", queue="help", pool="support")
        offer = await bus.until_decided("chat-assigned", "c-1")
        assert (offer["mode"], offer["queue"]) == ("pull", "help")
        assert offer["expires_at"][14:16] != offer["at"][14:16], "285 s are nearly five minutes"


async def test_topics_are_made_checked_and_made_once(broker_bootstrap: str, bus_prefix: str) -> None:
    """`check` says what is missing, `create` makes it, again it does nothing, and then all is as it should be."""
    settings: dict[str, Any] = {
        "bootstrap_servers": broker_bootstrap,
        "topic_prefix": bus_prefix,
        "source_prefix": bus_prefix,
        "replication": 1,
    }
    ran = await run("topics", "check", **settings)
    assert ran.code == 1
    assert ran.out.count("is missing, expected there") == len(Topic)
    assert "make it with: switchboard topics create --sources" in ran.out
    ran = await run("run", "router", metrics_port=0, **settings)
    assert ran.code == 2
    for topic in Topic:  # those too without which a router would start
        assert f"{bus_prefix}{topic}: topic is missing" in ran.err
    ran = await run("topics", "create", "--sources", "--partitions", "2", "--json", **settings)
    assert ran.code == 0, ran.err
    assert {each["topic"] for each in orjson.loads(ran.out) if each["made"]} == {bus_prefix + topic for topic in Topic}
    ran = await run("topics", "create", "--sources", **settings)
    assert (ran.code, ran.out.count("there already")) == (0, len(Topic))
    ran = await run("topics", "check", **settings)
    assert (ran.code, ran.out) == (0, "all topics are as they should be\n")


async def test_another_number_of_shards_is_refused_at_the_start(broker_bootstrap: str, bus_prefix: str) -> None:
    """It is fixed once the topics are made: exit code 2, the topic, both numbers and what to do."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus:
        ran = await bus.run("run", "router", shards=3)
        assert ran.code == 2
        assert f"{bus_prefix}journal: partitions is 2, expected 3; set shards to 2" in ran.err
        assert "Traceback" not in ran.err


async def test_a_configuration_is_not_applied_where_there_are_no_topics(
    broker_bootstrap: str, bus_prefix: str, right: Path
) -> None:
    """Nor shown: it says which topic is missing and the command that makes it, and makes none."""
    for command in (("apply", str(right)), ("show",), ("show", "--json")):
        ran = await run("config", *command, bootstrap_servers=broker_bootstrap, topic_prefix=bus_prefix)
        assert (ran.code, ran.out) == (2, ""), ran.err
        assert f"no such topic: {bus_prefix}routing-config" in ran.err
        assert "switchboard topics create" in ran.err
        assert "Traceback" not in ran.err


async def test_every_command_tells_a_broker_that_is_away(right: Path) -> None:
    """Exit code 3, where it looked, no trace, within a bounded wait."""
    commands = (
        ("topics", "create"),
        ("topics", "check"),
        ("topics", "reset", "chat-arrival", "--from", "earliest", "--yes"),
        ("config", "apply", str(right)),
        ("config", "show"),
        ("simulate", "--for", "1s"),
        ("run", "router"),
    )
    ends = await asyncio.gather(
        *(run(*each, bootstrap_servers=NOWHERE, broker_wait_seconds=1, metrics_port=0) for each in commands)
    )
    for command, ran in zip(commands, ends, strict=True):
        assert ran.code == 3, (command, ran.err)
        assert f"no broker answers at {NOWHERE}" in ran.err
        assert "Traceback" not in ran.err, command
