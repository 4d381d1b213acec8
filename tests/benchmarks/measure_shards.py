"""Several shards on one bus: the cost of a record of another shard, and a drain by all shards of one router."""

import gc
import time
from dataclasses import dataclass, replace
from typing import Final

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.domain.events import Event
from switchboard.kafka.merged_reader import TURN_RECORDS
from switchboard.kafka.record_merge import Merge, merge
from switchboard.router.pool_shards import shard_of
from switchboard.router.sources import SourceDecoder
from tests.benchmarks.measure_bus import DrainRun, drain
from tests.benchmarks.traffic import Shape, make

POOLS: Final = 8
SHARDS: Final = 4
RECORDS: Final = 50_000
START_MS: Final = 1_700_000_000_000


@dataclass(slots=True)
class Cost:
    """What a record of one kind costs a shard, in us of processor time."""

    kind: str
    dropped: float
    """If the record is another shard's."""
    decoded: float
    """If the record is the shard's own."""


def pool_names() -> list[str]:
    """Names of POOLS pools, as many in each of SHARDS shards; neighbours are of different shards."""
    by_shard: list[list[str]] = [[] for _ in range(SHARDS)]
    for number in range(1_000):
        name = f"pool-{number}"
        by_shard[shard_of(name, SHARDS)].append(name)
    return [names[turn] for turn in range(POOLS // SHARDS) for names in by_shard]


def measure_costs() -> list[Cost]:
    """The costs of a record of plain JSON, and of one in CloudEvents' binary and structured mode."""
    foreign, own = pool_names()[1], pool_names()[0]
    kinds = {
        "plain JSON": _plain,
        "CloudEvents, binary": _binary,
        "CloudEvents, structured": _structured,
    }
    return [Cost(kind, _cost(made(foreign)), _cost(made(own))) for kind, made in kinds.items()]


_Made = tuple[bytes, tuple[tuple[str, bytes], ...]]
"""Value and headers."""


def _body(pool: str) -> dict[str, object]:
    return {"pool": pool, "chat_id": "chat-0012345", "queue": "queue-7", "arrived_at": "2026-01-31T08:00:00.123Z"}


def _plain(pool: str) -> _Made:
    return orjson.dumps(_body(pool)), ()


def _binary(pool: str) -> _Made:
    headers = (
        ("ce_type", b"chat-arrival"),
        ("ce_id", b"0012345"),
        ("ce_source", b"/crm"),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    )
    return orjson.dumps(_body(pool)), headers


def _structured(pool: str) -> _Made:
    envelope = {"specversion": "1.0", "type": "chat-arrival", "id": "0012345", "source": "/crm", "data": _body(pool)}
    return orjson.dumps(envelope), (("content-type", b"application/cloudevents+json"),)


def _cost(made: _Made) -> float:
    """Decode or drop records of one partition, buffer them and merge them, as a shard does; us a record."""
    value, headers = made
    tp = TopicPartition("chat-arrival", 0)
    records = [
        ConsumerRecord(tp.topic, tp.partition, offset, START_MS + offset, 0, None, value, None, 0, len(value), headers)
        for offset in range(RECORDS)
    ]
    decoder = SourceDecoder(shard_of(pool_names()[0], SHARDS), SHARDS, {})
    waits = Merge(0.5)
    waits.assign([tp])
    gc.collect()
    began = time.process_time()
    for first in range(0, RECORDS, TURN_RECORDS):
        waits.delivering(tp).add(decoder.decode("chat-arrival", records[first : first + TURN_RECORDS]))
        while merge(waits.partitions.values(), 1_000, 400_000):
            pass
    return (time.process_time() - began) / RECORDS * 1e6


def traffic(events: int) -> list[Event]:
    """Mixed traffic of POOLS pools, one event of each in turn."""
    made = make(Shape(agents=200, waiting=200), events // POOLS)
    names = pool_names()
    return [replace(event, pool=pool) for event in (*made.setting, *made.measured) for pool in names]


async def measure_drain(bootstrap: str, prefix: str, events: int, shards: int) -> DrainRun:
    """Publish traffic of several pools, then start one router for all shards and let it catch up."""
    return await drain(bootstrap, prefix, traffic(events), shards)
