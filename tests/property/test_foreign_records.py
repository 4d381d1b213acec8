"""A shard drops a record before decoding it only if it would have dropped it after, whatever the record holds."""

import base64
from collections.abc import Sequence
from random import Random

import orjson
import pytest
from aiokafka import ConsumerRecord
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchboard.domain.events import DEFAULT_POOL
from switchboard.journal.codec import MAX_VALUE_BYTES, SOURCE_TOPICS, BadInput, UnreadValue, decode_event
from switchboard.kafka.record_merge import Dropped, Taken
from switchboard.router.pool_shards import MOST_NAMES, ShardPools, shard_of
from switchboard.router.sources import SourceDecoder
from tests.fuzz.source_records import TIMESTAMPS, source_record

Headers = Sequence[tuple[str, bytes | None]]
NOW = 1_700_000_000_000
POOLS = ("default", "a", "b", "c", "d", "x" * 64, "x" * 65, "", "a b", "é")


def kafka_record(topic: str, headers: Headers, value: bytes | None, timestamp: int) -> ConsumerRecord[bytes, bytes]:
    """A record as a consumer returns it."""
    return ConsumerRecord(topic, 0, 7, timestamp, 0, None, value, None, 0, 0, tuple(headers))


def shard_after_decoding(record: ConsumerRecord[bytes, bytes], shards: int) -> int:
    """The one shard that takes a record which is decoded first: events and dead letters alike."""
    source = (record.topic, record.partition, record.offset)
    what = decode_event(record.topic, record.headers, record.value, source=source, timestamp=record.timestamp)
    return shard_of(what.pool, shards)


def require_same(record: ConsumerRecord[bytes, bytes], shards: int) -> None:
    """Exactly the shard that takes a decoded record keeps the record before decoding."""
    keeping = [shard for shard in range(shards) if not ShardPools(shard, shards).is_foreign(record)]
    assert keeping == [shard_after_decoding(record, shards)]


# JSON as no encoder writes it: repeated keys, escapes in keys, nested objects, white space.
_KEYS = st.sampled_from(
    ["pool", "p\\u006fol", "po\\u006Fl", "Pool", '\\"pool', "data", "data_base64", "type", "chat_id"]
)
_TEXTS = st.sampled_from(POOLS).map(lambda pool: orjson.dumps(pool).decode()) | st.sampled_from(
    ['"\\u0061"', '"\\"pool\\":\\"b\\""', '"a', "null", "7", "NaN", "[]", '"\\ud800"', '"ev-1"', '"chat-arrival"']
)
_SPACE = st.sampled_from(["", " ", "\n\t"])


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    field = st.builds(lambda key, gap, value: f'"{key}"{gap}:{gap}{value}', _KEYS, _SPACE, values)
    return st.lists(field, max_size=4).map(lambda fields: "{" + ",".join(fields) + "}")


_JSON = st.recursive(_TEXTS, _objects, max_leaves=6) | _objects(_TEXTS)
_ENCODED = _JSON.map(lambda text: base64.b64encode(text.encode(errors="surrogatepass")).decode())
_VALUES = (
    _JSON.map(lambda text: text.encode(errors="surrogatepass"))
    | st.builds(lambda text, end: f'{{"pool":"b","data_base64":"{text}"}}{end}'.encode(), _ENCODED, _SPACE)
    | st.builds(lambda text: f'{{"pool":"b","data":{text}}}'.encode(errors="surrogatepass"), _JSON)
    | st.builds(lambda text, cut: text.encode(errors="surrogatepass")[:cut], _JSON, st.integers(0, 60))
    | st.binary(max_size=30)
    | st.none()
)
_HEADERS = st.lists(
    st.sampled_from(
        [
            ("content-type", b"application/cloudevents+json"),
            ("Content-Type", b"Application/CloudEvents+JSON ; charset=utf-8"),
            ("content-type", b"application/json"),
            ("content-type", None),
            ("ce_type", b"chat-arrival"),
            ("ce_type", b"\xff"),
            ("ce_id", b""),
        ]
    ),
    max_size=3,
)


@given(
    st.sampled_from(SOURCE_TOPICS),
    _HEADERS,
    _VALUES,
    st.just(NOW) | st.sampled_from(TIMESTAMPS),
    st.integers(1, 6),
)
@example("chat-arrival", [], b'{"pool":"b","chat_id":"c","pool":"a"}', NOW, 4)
@example("chat-arrival", [], b'{"pool":"b","chat_id":"c"', NOW, 4)
@example("chat-arrival", [], b'{"pool":"b","chat_id":"c"}', 2**62, 4)
@example("chat-arrival", [], b'{"chat":{"pool":"b"}}', NOW, 4)
@example("chat-arrival", [("content-type", b"application/cloudevents+json")], b'{"pool":"b","data":{}}', NOW, 4)
def test_a_record_is_dropped_early_by_exactly_the_shards_that_would_drop_it_decoded(
    topic: str, headers: Headers, value: bytes | None, timestamp: int, shards: int
) -> None:
    """So no event is lost, and each bad record has one dead letter."""
    require_same(kafka_record(topic, headers, value, timestamp), shards)


@settings(deadline=None)  # the first draw reads all samples
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_records_of_the_fuzzer_are_dropped_alike(seed: int, shards: int) -> None:
    """Samples of the contract, changed, in all of CloudEvents' modes, and damaged."""
    random = Random(seed)  # noqa: S311 - a test's dice
    for _ in range(20):
        case = source_record(random)
        require_same(kafka_record(case.topic, case.headers, case.value, case.timestamp), shards)


@pytest.mark.parametrize(
    "value",
    [
        UnreadValue("too-large", "a batch", kept=b'{"pool":"b","chat_id":"c"}'),
        b'{"pool":"b","chat_id":"' + b"c" * MAX_VALUE_BYTES + b'"}',
        b'{"pool":"b","x":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"pool":"b","x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"pool":["b"]}',
        b'{"pool":{}}',
        b'["pool","b"]',
    ],
)
def test_what_can_not_be_read_belongs_to_the_default_pool(value: bytes) -> None:
    """Though its bytes name another."""
    record = kafka_record("chat-arrival", (), value, NOW)
    require_same(record, 4)
    assert shard_after_decoding(record, 4) == shard_of(DEFAULT_POOL, 4)


def test_made_up_names_of_pools_do_not_fill_the_memory() -> None:
    """However many a producer makes up, and however long they are."""
    pools = ShardPools(0, 2)
    for number in range(MOST_NAMES + 10):
        pools.is_foreign(kafka_record("t", (), b'{"pool":"p-%d"}' % number, NOW))
    pools.is_foreign(kafka_record("t", (), b'{"pool":"%s"}' % (b"x" * 60_000), NOW))
    assert len(pools._foreign) <= MOST_NAMES
    assert max(len(name or "") for name in pools._foreign) <= 64


def test_a_decoder_drops_runs_of_foreign_records_and_decodes_the_others() -> None:
    """A record that made the engine fail is one of the shard's own, and becomes bad input."""
    shards = 2
    mine, other = (next(p for p in map(str, range(99)) if shard_of(p, shards) == shard) for shard in (0, 1))
    values = [b'{"pool":"%s","chat_id":"c"}' % pool.encode() for pool in (mine, other, other, mine, mine, other)]
    records = [
        ConsumerRecord("bus.chat-arrival", 3, 10 + number, NOW - number, 0, None, value, None, 0, 0, ())
        for number, value in enumerate(values)
    ]
    decoder = SourceDecoder(0, shards, {("bus.chat-arrival", 3, 13): "ValueError: x"})
    items = list(decoder.decode("chat-arrival", records))
    assert [type(each) for each in items] == [Taken, Dropped, Taken, Taken, Dropped]
    assert [each.next_offset for each in items] == [11, 13, 14, 15, 16]
    assert [each.timestamp for each in items] == [NOW, NOW - 1, NOW - 3, NOW - 4, NOW - 5]
    assert [each.place for each in items] == [("bus.chat-arrival", 3)] * 5
    poisoned = items[2]
    assert isinstance(poisoned, Taken)
    assert poisoned.what == BadInput("engine-error", "ValueError: x", mine)
