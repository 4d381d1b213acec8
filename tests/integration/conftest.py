"""Topics of a test's own on the broker of the run, and a look at what is in them."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.journal.frames import JOURNAL_HEADERS
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.ledger import CommitBatch
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.secured import Secured, a_secured_broker

ReadAll = Callable[..., Awaitable[list[ConsumerRecord]]]


@pytest.fixture
def conn(broker_bootstrap: str) -> Connection:
    """The broker of this run."""
    return Connection(broker_bootstrap)


@pytest.fixture
def plan(bus_prefix: str) -> TopicPlan:
    """Two shards on a single broker."""
    return TopicPlan(TopicNames(bus_prefix, bus_prefix), shards=2, replication=1, min_insync=1)


@pytest.fixture
async def names(conn: Connection, plan: TopicPlan) -> TopicNames:
    """The topics, made: two shards, and two partitions of each of the bus's."""
    await create_topics(conn, plan, bus_partitions=2)
    return plan.names


@pytest.fixture
def read_all(conn: Connection, plan: TopicPlan) -> ReadAll:
    """Reads a partition of a topic from beginning to end."""

    async def read(topic: Topic, partition: int = 0, *, committed: bool = True) -> list[ConsumerRecord]:
        consumer = reader(conn, committed=committed)
        await consumer.start()
        try:
            tp = TopicPartition(plan.names.of(topic), partition)
            end = (await consumer.end_offsets([tp]))[tp]
            consumer.assign([tp])
            consumer.seek(tp, 0)
            found: list[ConsumerRecord] = []
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found.extend(records)
            return found
        finally:
            await consumer.stop()

    return read


def journaled(number: int) -> CommitBatch:
    """A commit of one journal record."""
    batch = CommitBatch()
    batch.add(Topic.JOURNAL, None, b'{"n":%d}' % number, list(JOURNAL_HEADERS))
    return batch


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker of this run that asks who is there and what they may do."""
    with a_secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker
