"""What the commands that need a broker, and the router's log, print of records that try to take over the terminal.

That every command is tried, here or without a broker, is held by `tests/unit/cli/test_hostile_text.py`.
"""

from pathlib import Path
from typing import Any

import orjson

from switchboard.kafka.topics import Topic
from tests.routers import Bus, Ran, a_bus
from tests.terminals import HOSTILE_ID, HOSTILE_TEXT, MARKUP, unsafe

HOSTILE = HOSTILE_TEXT.encode()
BAD = (
    HOSTILE,
    orjson.dumps({"chat_id": "c", "queue": 5, HOSTILE_TEXT: 1}),
    orjson.dumps({"chat_id": HOSTILE_TEXT}),
    orjson.dumps({"chat_id": "c", "type": HOSTILE_TEXT}),
    orjson.dumps([HOSTILE_TEXT]),
    b"\xff" + HOSTILE,
)
"""Values that the router sets aside."""


def safe(ran: Ran, code: int = 0) -> str:
    """What a command printed, once it is held to be safe, and no line of it is one that a record forged."""
    assert (unsafe(ran.out.encode()), unsafe(ran.err.encode())) == ([], [])
    assert "forged line" not in [line.strip() for line in (ran.out + ran.err).splitlines()]
    assert "Traceback" not in ran.err, ran.err
    assert ran.code == code, ran
    return ran.out


async def test_dead_letters_of_hostile_records_are_listed_shown_and_replayed(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Set aside by a router, whose log at debug tells of each, and forged on the topic itself; raw only where asked."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_level="debug") as router:
        for value in BAD:
            await bus.say(Topic.CHAT_ARRIVAL, value, key=HOSTILE, headers=[(HOSTILE_TEXT, HOSTILE)])
        await bus.until(lambda: len(bus.dead) == len(BAD))
        place = {letter["source_offset"]: letter["place"] for letter in await listed(bus)}
        forged = [(name, HOSTILE) for name in ("reason", "detail", "source-topic", "source-partition", "source-offset")]
        await bus.say(Topic.DEAD_LETTER, HOSTILE, key=HOSTILE, headers=[("replayed-from", HOSTILE), *forged])
        out = safe(await bus.run("dead-letter", "list"))
        assert len(out.splitlines()) == len(BAD) + 1
        assert MARKUP in out
        for letter in await listed(bus):
            safe(await bus.run("dead-letter", "show", letter["place"]))
            told = orjson.loads(safe(await bus.run("dead-letter", "show", letter["place"], "--json")))
            assert told["key"] == HOSTILE_TEXT
        raw = await bus.run("dead-letter", "show", place[0], "--raw")
        assert (raw.code, raw.out) == (0, HOSTILE_TEXT)
        safe(await bus.run("dead-letter", "show", place[0], "--raw", "--json"), code=2)
        safe(await bus.run("dead-letter", "replay", "--all", "--dry-run"))
        safe(await bus.run("dead-letter", "replay", "--all", "--dry-run", "--json"))
        safe(await bus.run("dead-letter", "replay", "--all", "--yes"), code=2)  # the forged letter's topic is none
        await router.stop()
        assert unsafe(router.log.encode()) == []
        assert "set aside on dead-letter" in router.log
        assert "\nforged line" not in router.log


async def listed(bus: Bus) -> list[dict[str, Any]]:
    """What `dead-letter list --json` tells."""
    found: list[dict[str, Any]] = orjson.loads(safe(await bus.run("dead-letter", "list", "--json")))
    return found


async def test_hostile_configurations_decisions_and_recordings_are_told_of(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """Applied by our own command, and written to the topics by somebody else."""
    name = orjson.dumps(HOSTILE_ID).decode()
    routing = tmp_path / "routing.toml"
    routing.write_text(f"[pools.a]\nqueues = [{{name = {name}}}]\nprofiles = [{{name = {name}, queues = [{name}]}}]\n")
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router(log_level="debug") as router:
        assert MARKUP in safe(await bus.run("config", "apply", str(routing)))
        for value in (
            HOSTILE,
            orjson.dumps({"pool": "b", "config": {"queues": [HOSTILE_TEXT]}, HOSTILE_TEXT: 1}),
            orjson.dumps({"pool": "b", "config": HOSTILE_TEXT}),
            b"[" * 255 + b"]" * 255,
        ):
            await bus.say(Topic.ROUTING_CONFIG, value, key=HOSTILE)
        ran = await bus.run("config", "show")
        assert MARKUP in safe(ran)
        assert "left out, as routers do: 4 records; the first: " in ran.err
        told = orjson.loads(safe(await bus.run("config", "show", "--json")))
        assert told["a"]["queues"] == [{"name": HOSTILE_ID}]
        await bus.arrive(HOSTILE_ID, pool="a", queue=HOSTILE_ID)
        await bus.until_decided("chat-queued", HOSTILE_ID)
        await router.stop()
        assert unsafe(router.log.encode()) == []
        await bus.say(Topic.ASSIGNMENT, HOSTILE, key=HOSTILE)
        log = str(tmp_path / "journal.jsonl")
        safe(await bus.run("record", "--out", log))
        safe(await bus.run("verify", log), code=1)
        safe(await bus.run("verify", log, "--json"), code=1)
        safe(await bus.run("audit"), code=1)
        safe(await bus.run("record", "--out", log), code=2)
        safe(await bus.run("record", "--out", str(tmp_path / "other"), "--topics", HOSTILE_TEXT), code=2)
        safe(await bus.run("topics", "reset", HOSTILE_TEXT, "--from", "earliest", "--yes"), code=2)
        safe(await bus.run("topics", "check", topic_prefix="other."), code=1)
