"""What a shard pays for the records of other shards' pools."""

import time
from dataclasses import dataclass, replace

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.domain.events import Event
from switchboard.journal.codec import decode_event, pool_of
from switchboard.kafka.merged_reader import Partition, Taken, rank_of, shard_of
from tests.benchmarks.measure_replay import topic_of
from tests.benchmarks.traffic import Shape, make

SHARDS = 4


@dataclass(slots=True)
class RecordCosts:
    """Processor time for one record, us."""

    own: float
    """Its pool is looked up, then it is decoded."""
    foreign: float
    """Its pool is looked up, then it is dropped."""


def events_of_shards(events: int) -> list[Event]:
    """Mixed traffic of `SHARDS` pools in turn, one pool for each of as many shards."""
    pools = [
        next(name for name in map("pool-{}".format, range(999)) if shard_of(name, SHARDS) == i) for i in range(SHARDS)
    ]
    parts = []
    for number, pool in enumerate(pools):
        traffic = make(Shape(seed=number + 1), events // SHARDS)
        parts.append([replace(event, pool=pool) for event in (*traffic.setting, *traffic.measured)])
    return [event for each in zip(*parts, strict=False) for event in each]


def measure_records(events: int = 100_000) -> RecordCosts:
    """Time what `router/sources.py` does with each record that it reads."""
    records = [_record(event) for event in events_of_shards(events)]
    own, foreign = Partition(TopicPartition("t", 0), 0), Partition(TopicPartition("t", 1), 1)
    began = time.process_time()
    for topic, record in records:
        if shard_of(pool_of(record.headers, record.value, record.timestamp), SHARDS) == SHARDS:
            continue
        what = decode_event(topic, record.headers, record.value, source=("t", 0, 0), timestamp=record.timestamp)
        own.buffer.append(Taken(record.timestamp, rank_of(what), what, record, next_offset=record.offset + 1))
    decoded = time.process_time()
    for _, record in records:
        if shard_of(pool_of(record.headers, record.value, record.timestamp), SHARDS) != SHARDS:
            foreign.drop(record, 0.0)
    dropped = time.process_time()
    return RecordCosts((decoded - began) / len(records) * 1e6, (dropped - decoded) / len(records) * 1e6)


def _record(event: Event) -> tuple[str, ConsumerRecord[bytes, bytes]]:
    value = orjson.dumps({"pool": event.pool, **event.data})
    headers = (("ce_type", event.type.encode()), ("ce_id", b"e-123456"))
    return topic_of(event), ConsumerRecord("t", 0, 0, 0, 0, None, value, None, 0, len(value), headers)
