"""The final check on a real broker: a run as it should be passes, and each kind of harm is found and told."""

from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.codec import PUSH_REQUEST_TYPE, encode
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.kafka.clients import Connection, producer
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.tools.final_check import final_check

SHARD = 1
CHATS = 6


class Scribe:
    """Writes what a faithful router would have written, and afterwards what none would."""

    def __init__(self, writer: AIOKafkaProducer, names: TopicNames) -> None:
        self._writer = writer
        self._names = names
        self._engine = Engine(SHARD)
        self.assignments = 0

    async def arrive(self, number: int) -> None:
        """A chat arrives and is queued; with the first an agent logs in, who is asked for at once."""
        topic = Topic.CHAT_ARRIVAL
        source = await self.publish(topic, orjson.dumps({"chat_id": f"c{number}"}), partition=number % 2)
        events = [Event("chat-arrival", "default", {"chat_id": f"c{number}"}, None, source)]
        if number == 0:
            presence = await self.publish(Topic.AGENT_PRESENCE, orjson.dumps({"agent_id": "ana"}))
            events.insert(0, Event("agent-logged-in", "default", {"agent_id": "ana"}, None, presence))
        frame = Frame(number, 1_000 * number, 1_000 if number else 0, events)
        await self.journal(frame)
        for decision in self._engine.apply(frame).decisions:
            follow_up = decision.type == PUSH_REQUEST_TYPE
            self.assignments += not follow_up
            await self.publish(Topic.PUSH_REQUEST if follow_up else Topic.ASSIGNMENT, encode(decision), SHARD)

    async def journal(self, frame: Frame) -> None:
        """Put a frame on the journal."""
        await self.publish(Topic.JOURNAL, encode_frame(frame), SHARD, list(JOURNAL_HEADERS))

    async def publish(
        self, topic: Topic, value: bytes, partition: int = 0, headers: list[tuple[str, bytes]] | None = None
    ) -> tuple[str, int, int]:
        """Write a record; where it stands."""
        name = self._names.of(topic)
        done = await self._writer.send_and_wait(name, value, partition=partition, headers=headers or [])
        return name, partition, done.offset


@pytest.fixture
async def scribe(conn: Connection, names: TopicNames) -> AsyncIterator[Scribe]:
    """A short faithful history on the second of two shards."""
    async with producer(conn) as writer:
        scribe = Scribe(writer, names)
        for number in range(CHATS):
            await scribe.arrive(number)
        yield scribe


async def failures(conn: Connection, names: TopicNames) -> list[str]:
    """What the check finds wrong, topics by their plain names."""
    check = await final_check(conn, names, 2)
    assert check.holds == (not check.failures)
    return [failure.replace(names.prefix, "") for failure in check.failures]


async def test_a_faithful_run_passes(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """The figures are those of what was written."""
    check = await final_check(conn, names, 2)
    assert check.failures == []
    assert check.holds
    assert (check.source_records, check.journaled, check.frames) == (CHATS + 1, CHATS + 1, CHATS)
    assert (check.assignments, check.push_requests) == (scribe.assignments, 1)
    assert "7 source records, 7 events in 6 frames" in check.lines()[0]


async def test_a_record_that_no_router_took_is_found(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """One accept more on the bus than in the journal."""
    await scribe.publish(Topic.CHAT_ACCEPTED, b'{"chat_id":"c0","agent_id":"ana"}', partition=1)
    assert await failures(conn, names) == ["chat-accepted/1: 1 of 1 record was never taken, such as @0"]


async def test_a_record_set_aside_is_taken(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """A dead letter says where it came from; a second one of the same record is one too many."""
    topic, partition, offset = await scribe.publish(Topic.CHAT_ACCEPTED, b"nonsense", partition=1)
    letter = [
        ("reason", "not-json"),
        ("detail", ""),
        ("source-topic", topic),
        ("source-partition", str(partition)),
        ("source-offset", str(offset)),
    ]
    headers = [(name, value.encode()) for name, value in letter]
    await scribe.publish(Topic.DEAD_LETTER, b"nonsense", SHARD, headers)
    assert await failures(conn, names) == []
    await scribe.publish(Topic.DEAD_LETTER, b"nonsense", SHARD, headers)
    assert await failures(conn, names) == ["chat-accepted/1: 1 record was taken more than once, such as @0"]


async def test_a_frame_journaled_again_is_found(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """The number of a frame grows by one."""
    await scribe.journal(Frame(CHATS - 1, 99_000, 0, []))
    assert await failures(conn, names) == ["journal of shard 1: frame 5 stands where 6 is expected"]


async def test_an_event_journaled_again_is_found(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """Though the engine ignores the repeat and decides nothing."""
    source = (names.of(Topic.CHAT_ARRIVAL), 0, 0)
    await scribe.journal(Frame(CHATS, 99_000, 0, [Event("chat-arrival", "default", {"chat_id": "c0"}, None, source)]))
    found = await failures(conn, names)
    assert "chat-arrival/0: 1 record was taken more than once, such as @0" in found
    assert "frame 6 of shard 1 holds chat-arrival/0@0 after chat-arrival/0@2" in found


async def test_a_decision_that_the_journal_does_not_give_is_found(
    conn: Connection, names: TopicNames, scribe: Scribe
) -> None:
    """Written by whoever may write the topic."""
    await scribe.publish(Topic.ASSIGNMENT, b'{"id":"default/1/9/0"}', SHARD)
    await scribe.publish(Topic.PUSH_REQUEST, b'{"id":"default/1/9/1"}', SHARD)
    assert await failures(conn, names) == [
        f"assignment/1: holds default/1/9/0 at offset {scribe.assignments}, which the replay has not",
        "push-request/1: holds default/1/9/1 at offset 1, which the replay has not",
    ]


async def test_a_decision_that_never_became_visible_is_found(
    conn: Connection, names: TopicNames, scribe: Scribe
) -> None:
    """A frame whose decisions are missing."""
    source = await scribe.publish(Topic.CHAT_ARRIVAL, b'{"chat_id":"late"}')
    late = Event("chat-arrival", "default", {"chat_id": "late"}, None, source)
    await scribe.journal(Frame(CHATS, 99_000, 0, [late]))
    (found,) = await failures(conn, names)
    assert found.startswith(f"assignment/1: after {scribe.assignments} equal records the replay has ")
    assert found.endswith("the topic nothing")
    assert '"chat_id":"late"' in found


async def test_a_journal_of_other_rules_is_refused(conn: Connection, names: TopicNames, scribe: Scribe) -> None:
    """What was decided under other rules can't be held against these."""
    await scribe.publish(Topic.JOURNAL, b"{}", SHARD, [("rules", b"99")])
    (found,) = await failures(conn, names)
    assert found == f"journal of shard 1, offset {CHATS}: written with rules 99; this version reads rules 1"
