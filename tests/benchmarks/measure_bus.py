"""The whole path on a real broker: draining a backlog, and the latency at a steady rate."""

import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from switchboard.domain.events import Event
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan
from tests.benchmarks.measure_replay import topic_of
from tests.benchmarks.traffic import Shape, make

PARTITIONS = 4
WARM_UP_SECONDS = 5.0


@dataclass(slots=True)
class DrainRun:
    """A backlog drained by one router."""

    events: int
    frames: int
    seconds: float
    """From the first frame to the last, by the frames' own clock."""
    processor_seconds: float = 0.0
    """Of the router, its start and stop included."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


@dataclass(slots=True)
class LatencyRun:
    """From publishing an arrival to its chat-queued being visible to read_committed, in ms."""

    rate: int
    """Events a second, of which a quarter are arrivals."""
    samples: int
    p50: float
    p90: float
    p99: float
    longest: float


async def measure_drain(bootstrap: str, prefix: str, events: int) -> DrainRun:
    """Publish mixed traffic, then start a router and let it catch up."""
    traffic = make(Shape(), events)
    return await drain(bootstrap, prefix, [*traffic.setting, *traffic.measured])


async def drain(bootstrap: str, prefix: str, events: list[Event], shards: int = 1) -> DrainRun:
    """Publish these events, then start a router with so many shards and let it catch up."""
    conn, names = Connection(bootstrap), TopicNames(f"{prefix}.", f"{prefix}.")
    await create_topics(conn, TopicPlan(names, shards, replication=1, min_insync=1), bus_partitions=PARTITIONS)
    await _publish(bootstrap, names, events)
    used = _processor_seconds()
    async with _router(bootstrap, prefix, shards):
        frames = sorted(await _frames_until(conn, names, len(events), shards))
    begin, done = frames[0], frames[-1]
    seconds = (done[0] - begin[0]) / 1000
    return DrainRun(sum(each[1] for each in frames[1:]), len(frames) - 1, seconds, _processor_seconds() - used)


def _processor_seconds() -> float:
    """Processor time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _publish(bootstrap: str, names: TopicNames, events: list[Event]) -> None:
    """In the order given, by timestamp (of just now, or the broker would delete them as too old), keyed as on a bus."""
    first = int(time.time() * 1000) - len(events)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=1 << 18)
    await producer.start()
    pending = []
    for number, event in enumerate(events):
        key = event.data.get("chat_id") or event.data.get("agent_id") or event.pool
        topic = Topic(topic_of(event))
        pending.append(
            await producer.send(
                names.of(topic),
                key=key.encode(),
                value=orjson.dumps({"pool": event.pool, **event.data}),
                timestamp_ms=first + number,
                headers=[("ce_type", event.type.encode()), ("ce_id", str(number).encode())],
            )
        )
        if len(pending) >= 5_000:
            await asyncio.gather(*pending)
            pending = []
    await asyncio.gather(*pending)
    await producer.stop()


@contextlib.asynccontextmanager
async def _router(bootstrap: str, prefix: str, shards: int = 1) -> AsyncIterator[None]:
    """`switchboard run router` in a process of its own."""
    environment = {
        **os.environ,
        "SWITCHBOARD_BOOTSTRAP_SERVERS": bootstrap,
        "SWITCHBOARD_TOPIC_PREFIX": f"{prefix}.",
        "SWITCHBOARD_SOURCE_PREFIX": f"{prefix}.",
        "SWITCHBOARD_GROUP_ID": prefix,
        "SWITCHBOARD_REPLICATION": "1",
        "SWITCHBOARD_SHARDS": str(shards),
        "SWITCHBOARD_METRICS_PORT": "0",
        "SWITCHBOARD_LOG_LEVEL": "warning",
    }
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: ASYNC220 - ourselves
            [sys.executable, "-m", "switchboard", "run", "router", "--from", "earliest"],
            env=environment,
            cwd=Path(folder),
        )
        try:
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


async def _frames_until(conn: Connection, names: TopicNames, events: int, shards: int) -> list[tuple[int, int]]:
    """(at, number of events) of each frame with events, once all events are journaled; shard by shard in order.

    The journal is looked at twice a second and read at the end: a reader would take its share of two cores.
    """
    tps = [TopicPartition(names.of(Topic.JOURNAL), shard) for shard in range(shards)]
    consumer = reader(conn)
    await consumer.start()
    consumer.assign(tps)
    for tp in tps:
        consumer.seek(tp, 0)
    frames: list[tuple[int, int]] = []
    seen = 0
    try:
        while seen < events:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    frame = orjson.loads(record.value)
                    if frame["events"]:
                        frames.append((frame["at"], len(frame["events"])))
                        seen += len(frame["events"])
    finally:
        await consumer.stop()
    return frames


async def measure_latency(bootstrap: str, prefix: str, rate: int, seconds: float) -> LatencyRun:
    """Publish at a steady rate and see when the decisions become visible."""
    conn, names = Connection(bootstrap), TopicNames(f"{prefix}.", f"{prefix}.")
    await create_topics(conn, TopicPlan(names, replication=1, min_insync=1), bus_partitions=PARTITIONS)
    traffic = make(Shape(agents=200, waiting=50), int(rate * (seconds + WARM_UP_SECONDS)))
    async with _router(bootstrap, prefix):
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        reading = asyncio.create_task(_watch(conn, names, seen))
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0)
        await producer.start()
        try:
            for event in traffic.setting:
                await _send(producer, names, event)
            await producer.flush()
            arrivals = {event.data["chat_id"] for event in traffic.setting if event.type == "chat-arrival"}
            await _until(lambda: arrivals <= seen.keys())
            began = time.perf_counter()
            for number, event in enumerate(traffic.measured):
                wait = began + number / rate - time.perf_counter()
                if wait > 0.001:
                    await asyncio.sleep(wait)
                if event.type == "chat-arrival":
                    sent[event.data["chat_id"]] = time.perf_counter()
                await _send(producer, names, event)
            await _until(lambda: sent.keys() <= seen.keys())
        finally:
            await producer.stop()
            reading.cancel()
            await asyncio.wait([reading])
    warm = began + WARM_UP_SECONDS
    taken = sorted((seen[chat] - at) * 1000 for chat, at in sent.items() if at > warm)
    cuts = statistics.quantiles(taken, n=100)
    return LatencyRun(rate, len(taken), cuts[49], cuts[89], cuts[98], taken[-1])


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)


async def _send(producer: AIOKafkaProducer, names: TopicNames, event: Event) -> None:
    key = event.data.get("chat_id") or event.data.get("agent_id") or event.pool
    await producer.send(
        names.of(Topic(topic_of(event))),
        key=key.encode(),
        value=orjson.dumps({"pool": event.pool, **event.data}),
        headers=[("ce_type", event.type.encode())],
    )


async def _watch(conn: Connection, names: TopicNames, seen: dict[str, float]) -> None:
    consumer = reader(conn)
    await consumer.start()
    tp = TopicPartition(names.of(Topic.ASSIGNMENT), 0)
    consumer.assign([tp])
    consumer.seek(tp, 0)
    try:
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = time.perf_counter()
                for record in records:
                    if ("ce_type", b"chat-queued") in record.headers:
                        seen[record.key.decode()] = now
    finally:
        await consumer.stop()
