"""What a shard pays for the records of other shards' pools."""

import gc
import time
from collections import defaultdict
from dataclasses import dataclass, replace

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.domain.events import Event
from switchboard.kafka.merged_reader import PartitionBuffer
from switchboard.router.pool_shards import shard_of
from switchboard.router.sources import SourceDecoder
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


def _pool(shard: int) -> str:
    return next(name for name in map("pool-{}".format, range(999)) if shard_of(name, SHARDS) == shard)


def _events(shard: int, events: int) -> list[Event]:
    traffic = make(Shape(seed=shard + 1), events)
    return [replace(event, pool=_pool(shard)) for event in (*traffic.setting, *traffic.measured)]


def events_of_shards(events: int) -> list[Event]:
    """Mixed traffic of `SHARDS` pools in turn, one pool for each of as many shards."""
    parts = [_events(shard, events // SHARDS) for shard in range(SHARDS)]
    return [event for each in zip(*parts, strict=False) for event in each]


def measure_records(events: int = 100_000) -> RecordCosts:
    """Time the decoder of shard 0, to which all records belong, and of shard 1, which drops them."""
    by_topic: defaultdict[str, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
    for event in _events(0, events):
        by_topic[topic_of(event)].append(_record(event))
    number = sum(map(len, by_topic.values()))
    costs = []
    for shard in (0, 1):
        decoder, buffer = SourceDecoder(shard, SHARDS, {}), PartitionBuffer(TopicPartition("t", 0), 0)
        gc.collect()
        began = time.process_time()
        for topic, records in by_topic.items():
            buffer.add(decoder.decode(topic, records))
        costs.append((time.process_time() - began) / number * 1e6)
    return RecordCosts(*costs)


def _record(event: Event) -> ConsumerRecord[bytes, bytes]:
    value = orjson.dumps({"pool": event.pool, **event.data})
    headers = (("ce_type", event.type.encode()), ("ce_id", b"e-123456"))
    return ConsumerRecord("t", 0, 0, 0, 0, None, value, None, 0, len(value), headers)
