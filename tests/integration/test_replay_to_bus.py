"""A bus log goes back onto a bus as it was: keys, headers, bytes, order, pace; and nothing else does."""

import asyncio
import re
import shutil
import signal
import time
from asyncio.subprocess import PIPE
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.dev.local_broker import LocalBroker
from switchboard.domain.rfc3339 import format_ms, parse_ms
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.kafka.reading import partitions_of, read_to_now
from switchboard.kafka.topics import Topic
from tests.routers import _COMMAND, Bus, Worker, a_bus, a_process
from tests.waiting import eventually

BEGUN_MS = 1_769_846_400_000
"""2026-01-31T08:00:00Z."""


async def source_records(bus: Bus) -> dict[tuple[str, int], list[ConsumerRecord]]:
    """All that is on the source topics, by plain topic and partition."""
    found: dict[tuple[str, int], list[ConsumerRecord]] = {}
    tps: list[TopicPartition] = await partitions_of(bus.conn, bus.names.sources)
    async with read_to_now(bus.conn, tps) as batches:
        async for tp, records in batches:
            found.setdefault((str(bus.names.topic(tp.topic)), tp.partition), []).extend(records)
    return found


def a_day(path: Path, *, chats: int = 40, every_ms: int = 20, partitions: int = 2) -> Path:
    """A bus log: an agent, then a chat every so often, each with its times; two records are no events."""
    with writing_log(path) as write:
        login = b'{"type":"agent-logged-in","agent_id":"ana","max_sessions":3}'
        write(Record("old.agent-presence", 0, 7, BEGUN_MS, b"ana", login, (("trace", b"\x00\xfe"), ("none", None))))
        for number in range(chats):
            at = BEGUN_MS + every_ms * (number + 1)
            body = b'{ "chat_id": "c-%d", "arrived_at": "%s" }' % (number, format_ms(at - 5).encode())
            headers = (("ce_time", format_ms(at).encode()), ("ce_type", b"chat-arrival"))
            write(Record("old.chat-arrival", number % partitions, number, at, b"k%d" % number, body, headers))
        write(Record("old.chat-lifecycle", 1, 3, BEGUN_MS + every_ms * chats, None, b"\xff no event"))
        write(Record("old.chat-lifecycle", 1, 4, BEGUN_MS + every_ms * chats, None, None))
        write(Record("old.assignment", 0, 0, BEGUN_MS, None, b"{}"))
    return path


async def sent(bus: Bus, log: Path, *options: str) -> dict[str, Any]:
    """Replay a log to the bus; the summary."""
    ran = await bus.run("replay", str(log), "--to-bus", "--json", *options)
    assert ran.code == 0, ran.err
    told: dict[str, Any] = orjson.loads(ran.out)
    return told


@pytest.mark.parametrize("speed", ["1", "max"])
async def test_records_go_back_byte_for_byte_each_to_its_partition(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path, speed: str
) -> None:
    """With keys, headers and timestamps as recorded, what is no event too; other topics' lines stay out."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        log = a_day(tmp_path / "day.jsonl.gz")
        told = await sent(bus, log, "--speed", speed)
        assert (told["records"], told["sent"], told["skipped"], told["to_other_partitions"]) == (43, 43, 1, {})
        found = await source_records(bus)
        assert {place: len(records) for place, records in found.items()} == {
            ("agent-presence", 0): 1,
            ("chat-arrival", 0): 20,
            ("chat-arrival", 1): 20,
            ("chat-lifecycle", 1): 2,
        }
        (login,) = found["agent-presence", 0]
        assert (login.key, login.timestamp) == (b"ana", BEGUN_MS)
        assert login.headers == (("trace", b"\x00\xfe"), ("none", None))
        for number, record in enumerate(found["chat-arrival", 1]):
            chat = 2 * number + 1
            assert record.key == b"k%d" % chat
            assert record.timestamp == BEGUN_MS + 20 * (chat + 1)
            assert record.value.startswith(b'{ "chat_id": "c-%d", "arrived_at": "2026-01-31T08:' % chat)


async def test_the_recorded_pace_is_kept_and_multiplied(broker_bootstrap: str, bus_prefix: str, tmp_path: Path) -> None:
    """Each record within some milliseconds of when it is due; ten times the pace takes a tenth of the time."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        log = a_day(tmp_path / "day.jsonl", chats=100, every_ms=30)
        told = await sent(bus, log, "--rebase-time")
        print(f"largest lateness {told['largest_lateness_ms']} ms")  # noqa: T201 - a figure to look at
        assert 3.0 <= told["seconds"] < 6
        told = await sent(bus, log, "--speed", "10")
        assert 0.3 <= told["seconds"] < 3


async def test_times_are_rebased_so_that_the_first_is_now(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """Timestamps, ce_time and the times of the body, by the same; all other bytes stay as they are."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        before = int(time.time() * 1000)
        await sent(bus, a_day(tmp_path / "day.jsonl"), "--rebase-time")
        after = int(time.time() * 1000)
        found = await source_records(bus)
        (login,) = found["agent-presence", 0]
        assert before <= login.timestamp <= after
        for number, record in enumerate(found["chat-arrival", 0]):
            at = login.timestamp + 20 * (2 * number + 1)
            assert record.timestamp == at
            assert dict(record.headers)["ce_time"] == format_ms(at).encode()
            chat = b'{ "chat_id": "c-%d", "arrived_at": "%s" }' % (2 * number, format_ms(at - 5).encode())
            assert record.value == chat
            assert parse_ms(orjson.loads(record.value)["arrived_at"]) == at - 5


async def test_a_router_serves_what_was_replayed(broker_bootstrap: str, bus_prefix: str, tmp_path: Path) -> None:
    """As if it happened now."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await router.ready()
        await sent(bus, a_day(tmp_path / "day.jsonl"), "--rebase-time", "--speed", "10")
        await bus.until(lambda: len(bus.ids("chat-queued")) == 40 and len(bus.dead) == 2)
        assert set(bus.ids("chat-assigned", "agent_id")) == {"ana"}
        await router.stop()
        await bus.check()


async def test_only_some_types_are_sent_and_a_dry_run_sends_nothing(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """It says how many of what there are and how long it takes."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        log = a_day(tmp_path / "day.jsonl")
        told = await sent(bus, log, "--dry-run", "--speed", "2")
        assert told["by_type"] == {"agent-logged-in": 1, "chat-arrival": 40, "(no event)": 2}
        assert told["by_topic"] == {"agent-presence": 1, "chat-arrival": 40, "chat-lifecycle": 2}
        assert (told["recorded_seconds"], told["seconds"]) == (0.8, 0.4)
        assert await source_records(bus) == {}
        told = await sent(bus, log, "--only", "agent-logged-in")
        assert (told["sent"], told["skipped"]) == (1, 43)
        assert list(await source_records(bus)) == [("agent-presence", 0)]


async def test_with_fewer_partitions_a_key_decides(broker_bootstrap: str, bus_prefix: str, tmp_path: Path) -> None:
    """Records of the partitions that there are stay where they were; how many did not is told."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=2) as bus:
        told = await sent(bus, a_day(tmp_path / "day.jsonl", partitions=4))
        assert told["to_other_partitions"] == {bus.names.of(Topic.CHAT_ARRIVAL): 20}
        found = await source_records(bus)
        assert sum(len(records) for (topic, _), records in found.items() if topic == "chat-arrival") == 40


async def test_what_can_not_be_sent_is_refused_before_anything_is(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """A journal log, a topic that is missing, a damaged line; each with what to do."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        journal = tmp_path / "journal.jsonl"
        with writing_log(journal) as write:
            write(Record("journal", 0, 0, 0, None, b"{}"))
        ran = await bus.run("replay", str(journal), "--to-bus")
        assert (ran.code, "record --bus" in " ".join(ran.err.split())) == (2, True), ran.err
        log = a_day(tmp_path / "day.jsonl")
        ran = await bus.run("replay", str(log), "--to-bus", source_prefix="none.")
        assert ran.code == 2
        assert "none.chat-arrival" in ran.err
        assert "switchboard topics create --sources" in ran.err
        log.write_bytes(log.read_bytes()[:-9])
        ran = await bus.run("replay", str(log), "--to-bus")
        assert (ran.code, ran.err.startswith(f"switchboard: {log}:44: the line is cut")) == (1, True), ran.err
        assert await source_records(bus) == {}
        assert (await sent(bus, log, "--skip-bad"))["bad"] == {"damaged": 1}


async def test_ctrl_c_ends_it_clean(broker_bootstrap: str, bus_prefix: str, tmp_path: Path) -> None:
    """With a summary of what was sent."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        log = a_day(tmp_path / "day.jsonl", every_ms=60_000)
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, "replay", str(log), "--to-bus", "--json", stdout=PIPE, stderr=PIPE, env=bus.environment()
        )
        await eventually(lambda: source_records(bus), lambda found: len(found) == 1)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert process.returncode == 130, err.decode()
        assert (orjson.loads(out)["sent"], orjson.loads(out)["interrupted"]) == (1, True)


async def logins(bus: Bus) -> int:
    """How often the log's first record has been sent."""
    return len((await source_records(bus)).get(("agent-presence", 0), ()))


async def test_a_broker_that_goes_away_meanwhile_is_told_and_waited_for(
    private_broker: LocalBroker, tmp_path: Path
) -> None:
    """It goes on by itself, and no record is sent twice; a Ctrl-C ends the wait, and what is not known is said."""
    log = a_day(tmp_path / "day.jsonl", every_ms=50)
    waits = rf"waiting for {private_broker.bootstrap} \(no answer within 1 s\)"
    async with a_bus(private_broker.bootstrap, "") as bus:
        replay = ("replay", str(log), "--to-bus")
        async with a_process(Worker, *replay, env=bus.environment()) as replaying:
            await eventually(partial(logins, bus), lambda found: found == 1)
            private_broker.suspend()
            await replaying.logged(waits)
            private_broker.resume()
            assert await replaying.ended() == 0
        assert sum(map(len, (await source_records(bus)).values())) == 43
        async with a_process(Worker, *replay, env=bus.environment()) as replaying:
            await eventually(partial(logins, bus), lambda found: found == 2)
            private_broker.suspend()
            await replaying.logged(waits)
            replaying.send(signal.SIGINT)
            assert await replaying.ended() == 3
            assert re.search(r"stopped while \d+ records were not acknowledged", replaying.log)
            private_broker.resume()


async def test_what_kcat_recorded_is_replayed_to_a_bus_and_offline(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """The same log, both ways."""
    kcat = shutil.which("kcat")
    assert kcat, "kcat is needed: apt-get install kcat"
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        for number in range(5):
            await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": f"c-{number}"}, key=b"k", headers=[("h", b"v")])
        arguments = ["-C", "-J", "-e", "-q", "-b", broker_bootstrap, "-t", bus.names.of(Topic.CHAT_ARRIVAL)]
        process = await asyncio.create_subprocess_exec(kcat, *arguments, stdout=PIPE)
        log = tmp_path / "kcat.jsonl"
        log.write_bytes((await process.communicate())[0])
        await sent(bus, log)
        records = (await source_records(bus))["chat-arrival", 0]
        first, again = (
            [(record.key, record.value, record.headers, record.timestamp) for record in half]
            for half in (records[:5], records[5:])
        )
        assert first == again
        ran = await bus.run("replay", str(log), "--out", "-")
        assert [orjson.loads(line)["type"] for line in ran.out.splitlines()] == ["chat-queued"] * 5
