"""A broker that is away is told in time, and a gap in what we read is an error, never a silent jump."""

import asyncio
import socket
import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import OffsetOutOfRangeError

from switchboard.dev.local_broker import LocalBroker, free_port
from switchboard.errors import BrokerAwayError
from switchboard.kafka.admin import create_topics
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import REQUEST_TIMEOUT_MS, Connection, producer, reader, session, source_reader
from switchboard.kafka.reading import partitions_of, started
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.routers import run

BRIEFLY: dict[str, Any] = {"broker_wait_seconds": 1}


async def a_broker_answers(conn: Connection, seconds: float) -> None:
    """Waits for that as a start does."""
    await BrokerWait(conn, seconds).retry("looking at the topics", lambda: partitions_of(conn, ["none"]))


async def test_a_broker_that_is_away_is_told_within_the_wait() -> None:
    """Nothing listens: after the wait that was asked for, an error names the address and what to look at."""
    began = time.monotonic()
    with pytest.raises(BrokerAwayError, match=r"no broker answers at 127\.0\.0\.1:1 .*waited 1 s.*is it running"):
        await a_broker_answers(Connection("127.0.0.1:1"), 1)
    assert 1 <= time.monotonic() - began < 3


async def test_a_broker_that_comes_late_or_hangs(private_broker: LocalBroker) -> None:
    """One that listens and says nothing is away as well; one that comes while we wait is found."""
    conn = Connection(private_broker.bootstrap)
    private_broker.suspend()
    began = time.monotonic()
    with pytest.raises(BrokerAwayError):
        await a_broker_answers(conn, 1)
    assert time.monotonic() - began < 3
    private_broker.kill()
    waiting = asyncio.create_task(a_broker_answers(conn, 60))
    await asyncio.to_thread(private_broker.start)
    await waiting


async def test_a_bootstrap_server_that_hangs_holds_no_client_up(broker_bootstrap: str) -> None:
    """Another one is asked soon: twelve clients start in less time than one request takes to be given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        conn = Connection(f"127.0.0.1:{silent.getsockname()[1]},{broker_bootstrap}")
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            for _ in range(12):
                async with started(reader(conn), []) as consumer:
                    assert consumer._client.cluster.brokers()


async def test_a_broker_that_gives_addresses_which_lead_nowhere_is_told(bus_prefix: str) -> None:
    """It answers, but no client gets anywhere: that is a matter of its advertised.listeners."""
    nowhere = f"127.0.0.1:{free_port()}"
    with LocalBroker(properties={"advertised.listeners": f"PLAINTEXT://{nowhere}"}) as broker:
        ran = await run("topics", "check", bootstrap_servers=broker.bootstrap, topic_prefix=bus_prefix, **BRIEFLY)
    assert ran.code == 3
    assert f"a broker answers at {broker.bootstrap}, and none can be reached at the addresses that" in ran.err
    assert f"({nowhere}): are its advertised.listeners right?" in ran.err


async def test_only_a_step_that_may_take_long_is_not_cut_short(broker_bootstrap: str) -> None:
    """One that hangs ends when the wait is over though all brokers answer; one that reads a whole topic goes on."""
    wait = BrokerWait(Connection(broker_bootstrap), 1)
    answer = rf"^the brokers at {broker_bootstrap} answer, and hanging still failed \(waited 1 s\): no answer in time$"
    with pytest.raises(BrokerAwayError, match=answer):
        await wait.retry("hanging", asyncio.Event().wait)

    async def read() -> str:
        await asyncio.sleep(1.5)  # what is tested is that it may take longer than the wait
        return "all of it"

    assert await wait.retry("reading", read, long=True) == "all of it"


async def ten_records(conn: Connection, names: TopicNames) -> TopicPartition:
    """Where they are: offsets 0 to 9, each with its number."""
    tp = TopicPartition(names.of(Topic.CHAT_ARRIVAL), 0)
    sender = producer(conn)
    await sender.start()
    for number in range(10):
        await sender.send_and_wait(tp.topic, b"%d" % number, partition=0)
    await sender.stop()
    return tp


@pytest.mark.parametrize("offset", [2, 99])
async def test_an_offset_that_is_gone_is_an_error(conn: Connection, names: TopicNames, offset: int) -> None:
    """Records deleted before they were read, or a topic made anew: the reader says so and does not go on elsewhere."""
    tp = await ten_records(conn, names)
    async with session(conn) as client:
        await client.delete_records({tp: RecordsToDelete(5)})
    consumer = source_reader(conn, f"{names.prefix}group")
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, offset)
        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getmany(timeout_ms=20_000)
    finally:
        await consumer.stop()


async def test_a_reader_of_sources_begins_where_it_is_told(conn: Connection, names: TopicNames) -> None:
    """From an offset that is there it reads on, in order; its offsets may be committed for lag tools to see."""
    tp = await ten_records(conn, names)
    consumer = source_reader(conn, f"{names.prefix}group")
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, 7)
        async with asyncio.timeout(20):
            values: list[bytes] = []
            while len(values) < 3:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    values += [record.value for record in records]
        assert values == [b"7", b"8", b"9"]
        await consumer.commit({tp: 10})
        assert await consumer.committed(tp) == 10
    finally:
        await consumer.stop()


async def test_readers_are_closed_though_their_fetches_have_just_failed(private_broker: LocalBroker) -> None:
    """Closing them beside a dead broker ends, and does not cancel who does it; afterwards nothing is left of them."""
    conn = Connection(private_broker.bootstrap)
    names = TopicNames("", "")
    await create_topics(conn, TopicPlan(names, shards=1, replication=1, min_insync=1))
    tp = TopicPartition(names.of(Topic.JOURNAL), 0)
    before = asyncio.all_tasks()
    readers = [reader(conn) for _ in range(5)]
    for each in readers:
        await each.start()
        each.assign([tp])
        each.seek(tp, 0)
        assert await each.getmany(timeout_ms=200) == {}
    private_broker.kill()
    for each in readers:
        assert await each.getmany(timeout_ms=200) == {}
        async with asyncio.timeout(5):
            await each.stop()
    assert asyncio.all_tasks() == before
