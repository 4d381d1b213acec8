"""The monitor's Faust app within the test, to be held at the moments that a rebalance only sometimes meets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from switchboard.kafka.clients import Connection, producer
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.monitor.app import keep_tables, new_app
from switchboard.monitor.tables import Tables
from tests.waiting import eventually

ROW = (Path(__file__).parents[2] / "schemas/samples/agent-capacity.good.jsonl").read_bytes().splitlines()[0]


@asynccontextmanager
async def following(conn: Connection, names: TopicNames, folder: Path, tables: Tables) -> AsyncIterator[Any]:
    """A Faust app that keeps the tables; stopped at the end."""
    app = new_app(conn, group_id=names.prefix, replication=1, folder=folder)
    keep_tables(app, tables, {names.of(Topic.AGENT_CAPACITY): Topic.AGENT_CAPACITY})
    try:
        await app.start()
        yield app
    finally:
        await app.stop()


@asynccontextmanager
async def writing(conn: Connection) -> AsyncIterator[AIOKafkaProducer]:
    """A producer; stopped at the end."""
    writer = producer(conn)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def test_records_that_faust_throws_away_are_read_again(
    conn: Connection, names: TopicNames, tmp_path: Path
) -> None:
    """With the flow held, as in a rebalance, it drops what it is handed; none of it is missing, or read twice."""
    tables = Tables()
    async with writing(conn) as writer, following(conn, names, tmp_path, tables) as app:
        (place,) = (each for each in app.consumer.assignment() if each.partition == 0)

        async def fetched() -> bool:
            return (app.consumer.highwater(place) or 0) > end

        async def held() -> bool:
            return key in tables.agents

        for key in ("first", "second"):
            end = app.consumer.highwater(place) or 0
            app.consumer.stop_flow()
            await writer.send_and_wait(place.topic, ROW, key=key.encode(), partition=place.partition)
            await eventually(fetched)
            app.consumer.resume_flow()
            await eventually(held)
        assert tables.applied == {(Topic.AGENT_CAPACITY, 0): 1}
        assert (await app.consumer.seek_to_committed())[place] == 2
