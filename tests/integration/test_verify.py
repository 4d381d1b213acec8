"""`switchboard verify` against live topics: a router's own decisions are equal, a stranger's record is found."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from switchboard.journal.recorded_log import Record, writing_log
from switchboard.kafka.clients import options, producer
from switchboard.kafka.topics import Topic
from tests.routers import Bus, Ran, a_bus

CHATS = 6


@pytest.fixture
async def bus(broker_bootstrap: str, bus_prefix: str) -> AsyncIterator[Bus]:
    """Two shards, and pools of both; a router has decided on chats and agents of each, and has stopped."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus:
        async with bus.router() as router:
            await router.ready()
            for pool in ("east", "west", "north"):
                await bus.presence("agent-logged-in", f"agent-{pool}", pool=pool)
                for number in range(CHATS):
                    await bus.arrive(f"c{number}", pool=pool)
                await bus.accept(f"agent-{pool}", "c0", pool=pool)
            await bus.until(lambda: len(bus.ids("chat-queued")) == 3 * CHATS)
            await bus.until(lambda: len(bus.ids("assignment-confirmed")) + len(bus.ids("accept-rejected")) == 3)
            await router.stop()
        for _ in range(3):
            await bus.look(200)
        assert {each.partition for each in bus.seen[Topic.ASSIGNMENT]} == {0, 1}
        yield bus


def record(path: Path, records: list[ConsumerRecord]) -> str:
    """A journal log of these records."""
    with writing_log(path) as write:
        for each in records:
            write(Record(each.topic, each.partition, each.offset, each.timestamp, None, each.value, each.headers))
    return str(path)


async def verify(bus: Bus, log: str) -> tuple[int, dict[str, object]]:
    """Exit code and JSON."""
    ran: Ran = await bus.run("verify", log, "--json")
    assert ran.out, ran.err
    return ran.code, orjson.loads(ran.out)


async def test_a_routers_decisions_are_those_of_its_journal_and_a_strangers_are_not(bus: Bus, tmp_path: Path) -> None:
    """I10, on both topics and both shards."""
    log = record(tmp_path / "journal.jsonl", bus.seen[Topic.JOURNAL])
    code, body = await verify(bus, log)
    live = len(bus.seen[Topic.ASSIGNMENT]) + len(bus.seen[Topic.PUSH_REQUEST])
    assert (code, body["equal"], body["same"], body["beyond"]) == (0, True, live, 0)

    half = len(bus.seen[Topic.JOURNAL]) // 2
    code, body = await verify(bus, record(tmp_path / "half.jsonl", bus.seen[Topic.JOURNAL][:half]))
    assert (code, body["equal"]) == (0, True)
    assert body["beyond"] == live - int(str(body["same"]))

    async with producer(bus.conn) as writer:
        strange = orjson.dumps({"id": "east/0/0/99", "type": "chat-assigned", "pool": "east"})
        done = await writer.send_and_wait(bus.names.of(Topic.ASSIGNMENT), strange, partition=1)
    ran = await bus.run("verify", log)
    assert ran.code == 1
    told = " ".join(ran.out.split())
    where = f"{bus.names.of(Topic.ASSIGNMENT)}/1, offset {done.offset}"
    assert f"{where}: a decision that the replay does not make" in told
    assert f"{live} of the replay's {live} decisions were found as they are" in told


async def test_what_retention_has_deleted_is_not_called_a_difference(bus: Bus, tmp_path: Path) -> None:
    """Its frames are counted as not compared; all after them are equal."""
    shard = max((each for each in (0, 1)), key=lambda each: _count(bus, each))
    tp = TopicPartition(bus.names.of(Topic.ASSIGNMENT), shard)
    middle = [each.offset for each in bus.seen[Topic.ASSIGNMENT] if each.partition == shard][_count(bus, shard) // 2]
    await _delete(bus, {tp: middle})
    code, body = await verify(bus, record(tmp_path / "journal.jsonl", bus.seen[Topic.JOURNAL]))
    assert (code, body["equal"]) == (0, True)
    assert int(str(body["gone"])) > 0


async def test_a_log_of_which_retention_has_left_no_decision_is_not_called_equal(bus: Bus, tmp_path: Path) -> None:
    """Nothing was compared: exit code 1, in words."""
    tps = [
        TopicPartition(bus.names.of(each), shard) for each in (Topic.ASSIGNMENT, Topic.PUSH_REQUEST) for shard in (0, 1)
    ]
    await _delete(bus, dict.fromkeys(tps, -1))
    log = record(tmp_path / "journal.jsonl", bus.seen[Topic.JOURNAL])
    code, body = await verify(bus, log)
    assert (code, body["equal"], body["same"], body["first"]) == (1, False, 0, None)
    ran = await bus.run("verify", log)
    assert "nothing was compared" in ran.out


async def test_a_log_of_more_shards_than_are_set_is_refused_in_words(bus: Bus, tmp_path: Path) -> None:
    """A wrong setting, not a difference."""
    log = record(tmp_path / "journal.jsonl", bus.seen[Topic.JOURNAL])
    ran = await bus.run("verify", log, shards=1)
    assert ran.code == 2
    assert "the log is of shard 1" in ran.err
    assert "SWITCHBOARD_SHARDS" in ran.err


async def test_topics_that_are_missing_are_named(bus: Bus, tmp_path: Path) -> None:
    """A wrong prefix is wrong use, and told at once; it is no difference and no fault, for the audit neither."""
    log = record(tmp_path / "journal.jsonl", bus.seen[Topic.JOURNAL])
    for command in (("verify", log), ("audit",)):
        ran = await bus.run(*command, topic_prefix="nowhere.")
        assert ran.code == 2
        assert "no such topic: nowhere.assignment" in ran.err


async def _delete(bus: Bus, before: dict[TopicPartition, int]) -> None:
    """As retention does: all before an offset; -1 is the end."""
    admin = AIOKafkaAdminClient(**options(bus.conn))
    await admin.start()
    try:
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset) for tp, offset in before.items()})
    finally:
        await admin.close()


def _count(bus: Bus, shard: int) -> int:
    return sum(each.partition == shard for each in bus.seen[Topic.ASSIGNMENT])
