"""Batches of records: read within bounds whatever a producer put into them, and never the end of a reader."""

import gc
import tracemalloc
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, UnreadValue
from switchboard.kafka.aiokafka_patches import take_records
from switchboard.kafka.batch_codecs import BatchLimits, set_limits
from switchboard.kafka.clients import Connection, source_reader
from switchboard.kafka.record_batches import FETCH_BYTES, MAX_KEY_BYTES, BoundedRecords, bounded_key, bounded_value
from switchboard.kafka.record_parser import MAX_HEADERS, ReadRecord
from tests.batches import GZIP, LZ4, SNAPPY, ZSTD, batch, crowded_record, record, varint

CODECS = (0, GZIP, SNAPPY, LZ4, ZSTD)
BAD_NAME = ((b"\xff", None),)


def read(fetched: bytes) -> list[Any]:
    """The records that a fetch brought."""
    records = BoundedRecords(fetched)
    found: list[Any] = []
    while records.has_next():
        found += records.next_batch()
    return found


def unread(found: Any) -> UnreadValue:
    """What stands in place of a value."""
    assert isinstance(found.value, UnreadValue)
    return found.value


async def test_every_consumer_reads_by_these_classes() -> None:
    """The fetcher looks both up by name: a release of aiokafka that does not is told here."""
    bus = source_reader(Connection("kafka:9092"), "group")
    assert bus._value_deserializer is bounded_value
    assert bus._key_deserializer is bounded_key
    assert fetcher.MemoryRecords is BoundedRecords
    assert fetcher.FetchResult.getall is take_records
    names = fetcher.Fetcher._proc_fetch_request.__code__.co_names
    assert {"MemoryRecords", "FetchResult"} <= set(names)
    assert "getall" in fetcher.Fetcher.fetched_records.__code__.co_names


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_is_read_as_aiokafka_reads_it(codec: int) -> None:
    """Every field of every record, compressed or not."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, 0, 1 << 20)
    for number in range(50):
        headers = [("name", b"held"), ("empty", b""), ("none", None)] if number % 2 else []
        builder.append(number, 1_000 + number, b"k" if number % 3 else None, b"v" * number or None, headers)
    fetched = bytes(builder.build())
    plain = fetcher_records(fetched)
    assert [fields(each) for each in read(fetched)] == [fields(each) for each in plain]
    assert len(plain) == 50


def fetcher_records(fetched: bytes) -> list[Any]:
    """As aiokafka's own class reads them."""
    from aiokafka.record.memory_records import MemoryRecords  # noqa: PLC0415 - the one that we replace

    return list(MemoryRecords(fetched).next_batch())


def fields(found: Any) -> tuple[Any, ...]:
    """What a consumer is given of a record."""
    return (found.offset, found.timestamp, found.timestamp_type, found.key, found.value, list(found.headers))


@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
def test_a_batch_that_unpacks_to_more_than_the_limit_is_one_record_with_its_offsets(codec: int) -> None:
    """Its last offset is the record's, so that the reader goes on behind it."""
    size = BatchLimits().size
    fetched = batch(record(0) + record(1, b" " * size), 2, codec, base=7) + batch(record(0), 1, base=9)
    [first, second] = read(fetched)
    assert (first.offset, unread(first).first_offset, unread(first).reason) == (8, 7, "too-large")
    assert f"unpack to more than {size}" in unread(first).detail
    assert (second.offset, second.value) == (9, b"{}")


def test_snappy_says_its_size_and_is_not_unpacked_beyond_the_limit() -> None:
    """One block, as librdkafka writes it, and many, as Java's clients do."""
    size = BatchLimits().size
    [found] = read(batch(record(0, b" " * size), 1, SNAPPY))
    assert unread(found).reason == "too-large"
    builder = DefaultRecordBatchBuilder(2, SNAPPY, 0, -1, -1, 0, 2 * size)  # aiokafka writes blocks
    builder.append(0, 1_000, None, b" " * size, [])
    [found] = read(bytes(builder.build()))
    assert unread(found).reason == "too-large"


def test_a_batch_of_more_records_than_the_limit_is_not_unpacked() -> None:
    """Its header says how many there are, and the broker has checked it."""
    [found] = read(batch(b"", 250_001, ZSTD, base=1))
    assert (found.offset, unread(found).first_offset) == (250_001, 1)
    assert unread(found).detail.startswith("a batch of 250001 records, where 250000 are read")


def test_the_limits_are_those_of_the_settings() -> None:
    """As of the next batch."""
    set_limits(BatchLimits(1_000, 2))
    try:
        [many] = read(batch(record(0) + record(1) + record(2), 3))
        [large] = read(batch(record(0, b" " * 1_000), 1, ZSTD))
        assert (unread(many).reason, unread(large).reason) == ("too-large", "too-large")
        assert [each.value for each in read(batch(record(0, b" " * 900), 1, ZSTD))] == [b" " * 900]
    finally:
        set_limits(BatchLimits())


@pytest.mark.parametrize("codec", [0, ZSTD])
def test_a_record_with_too_many_headers_keeps_its_value_and_the_others_are_read(codec: int) -> None:
    """Ten million headers in a batch of 3 KB would take 890 MB as Python objects."""
    headers = b"\0\1" * (MAX_HEADERS + 1)
    crowded = crowded_record(0, b'{"a":1}', headers, MAX_HEADERS + 1, key=b"k")
    most = crowded_record(1, b"{}", b"\0\1" * MAX_HEADERS, MAX_HEADERS)
    [first, second] = read(batch(crowded + most, 2, codec))
    assert (first.offset, first.key, first.value, first.headers) == (0, b"k", b'{"a":1}', ())
    assert (unread(first).reason, unread(first).headers_left_out) == ("undecodable", True)
    assert unread(first).detail.startswith("1001 headers of 2002 bytes")
    assert (second.value, len(second.headers)) == (b"{}", MAX_HEADERS)


def test_headers_of_many_bytes_are_left_out_too() -> None:
    """A thousand records of a fetch could hold a gigabyte of them."""
    [large, good] = read(batch(record(0, headers=((b"a", b"x" * 70_000),)) + record(1), 2, ZSTD))
    assert unread(large).detail.startswith("1 headers of 70005 bytes")
    assert good.value == b"{}"


def test_header_names_that_are_no_utf_8_are_read_from_the_failing_record_on() -> None:
    """Odd bytes as escapes; what stands before and behind is read as ever."""
    records = b"".join(record(each, headers=BAD_NAME if each in (3, 5) else ()) for each in range(8))
    found = read(batch(records, 8, ZSTD))
    assert [each.offset for each in found] == list(range(8))
    assert [each.headers for each in found if each.headers] == [(("\\xff", None),)] * 2


@pytest.mark.parametrize("tail", [b"", b"\xff" * 20, crowded_record(700, b"{}", bytes(4_000), 2_000)])
@pytest.mark.parametrize("codec", CODECS)
def test_a_large_batch_is_read_by_pieces_and_not_kept_unpacked(codec: int, tail: bytes) -> None:
    """What comes of it is the same; 24 partitions that hold 32 MB each took 800 MB."""
    body = b"".join(record(number, b"%05d" % number * 4_000) for number in range(700)) + tail
    reading = iter(BoundedRecords(batch(body, 701, codec, base=40)).next_batch())
    tracemalloc.start()
    first = next(reading)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < FETCH_BYTES + 1_000_000 < len(body) / 2
    found = [first, *reading]
    assert [each.offset for each in found[:700]] == list(range(40, 740))
    assert [each.value for each in found[:700]] == [b"%05d" % number * 4_000 for number in range(700)]
    assert len(found) == (701 if tail else 700)
    if tail:
        assert unread(found[700]).reason == "undecodable"


def test_lenient_reading_hands_out_record_by_record() -> None:
    """A consumer asks for a thousand records at a time, and other work goes on between: no step reads all of them."""
    records = b"".join(record(each, headers=BAD_NAME if each == 5 else ()) for each in range(1_000))
    gc.collect()
    gc.freeze()  # what the tests before have left behind is not looked at
    try:
        reading = iter(BoundedRecords(batch(records, 1_000, ZSTD)).next_batch())
        before = [next(reading) for _ in range(6)]
        gc.collect()
        alive = sum(isinstance(each, ReadRecord) for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert before[5].headers == (("\\xff", None),)
    assert alive <= 2, "more records exist than were asked for"


DAMAGED = {
    "cut": batch(record(0) + record(1)[:-2], 2, base=4),
    "more than it says": batch(record(0) + record(1)[:-2] + b"\0", 2, base=4),
    "fewer records than it says": batch(record(0), 2, base=4),
    "a length below zero": batch(record(0) + b"\1", 2, base=4),
    "no zstd": batch(record(0), 1)[:21] + (ZSTD).to_bytes(2) + batch(record(0), 1)[23:],
    "a codec that nobody knows": batch(record(0), 1)[:21] + (7).to_bytes(2) + batch(record(0), 1)[23:],
}


@pytest.mark.parametrize("fetched", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_damaged_inside_is_one_record_and_the_next_batch_is_read(fetched: bytes) -> None:
    """The checksum is right: another fetch brings the same bytes, again and again."""
    found = read(fetched + batch(record(0), 1, base=99))
    assert (found[-1].offset, found[-1].value) == (99, b"{}")
    assert unread(found[-2]).reason == "undecodable"
    assert found[-2].offset == int.from_bytes(fetched[:8]) + int.from_bytes(fetched[23:27])


@pytest.mark.parametrize(("deltas", "kept", "rest"), [([2**31 - 1], [], (0, 0)), ([0, 1000, 2], [0], (1, 2)),
                                                      ([0, 0, 1], [0], (1, 2)), ([-1], [], (0, 0))])  # fmt: skip
@pytest.mark.parametrize("codec", CODECS)
def test_offsets_that_a_batch_does_not_have_are_not_believed(
    codec: int, deltas: list[int], kept: list[int], rest: tuple[int, int]
) -> None:
    """Brokers take them: one record would move its readers beyond the partition's end, or back."""
    records = b"".join(record(delta) for delta in deltas)
    found = read(batch(records, len(deltas), codec, base=40) + batch(record(), 1, base=43))
    *whole, left, following = found
    assert [each.offset - 40 for each in whole] == kept
    assert (unread(left).reason, unread(left).first_offset, left.offset) == ("undecodable", 40 + rest[0], 40 + rest[1])
    assert (following.offset, following.value) == (43, b"{}")


def test_old_formats_are_bounded_too() -> None:
    """As brokers before 3.0 kept them: a set of records, compressed as the value of one."""
    size = BatchLimits().size
    for magic in (0, 1):
        builder = LegacyRecordBatchBuilder(magic, GZIP, size * 2)
        builder.append(0, 1_000, None, b" " * size)
        [found] = read(bytes(builder.build()))
        assert unread(found).reason == "too-large"
        builder = LegacyRecordBatchBuilder(magic, GZIP, size * 2)
        for offset in range(3):
            builder.append(offset, 1_000, b"k", b"{}")
        kept = (2).to_bytes(8, "big") + bytes(builder.build())[8:]  # a broker gives a set its last record's offset
        assert [(each.offset, each.value) for each in read(kept)] == [(0, b"{}"), (1, b"{}"), (2, b"{}")]


def test_a_value_that_is_too_large_is_cut_where_it_is_read() -> None:
    """Of a thousand in a fetch only 8 MB stay in memory; the size is known."""
    assert bounded_value(None) is None
    assert bounded_value(whole := b"x" * MAX_VALUE_BYTES) is whole
    cut = bounded_value(b"x" * (MAX_VALUE_BYTES + 1))
    assert isinstance(cut, UnreadValue)
    assert (len(cut), cut.size, cut.reason) == (KEPT_BYTES, MAX_VALUE_BYTES + 1, "too-large")
    assert bounded_value(cut) is cut


def test_a_key_that_is_too_large_is_left_out_where_it_is_read() -> None:
    """A dead letter could not hold it anyway, and nothing is decided by a key."""
    assert bounded_key(None) is None
    assert bounded_key(whole := b"x" * MAX_KEY_BYTES) is whole
    cut = bounded_key(b"x" * (MAX_KEY_BYTES + 1))
    assert isinstance(cut, UnreadValue)
    assert (len(cut), cut.size) == (0, MAX_KEY_BYTES + 1)
    assert bounded_key(cut) is cut


class Result:
    """As much of aiokafka's FetchResult as `getall` uses."""

    def __init__(self, records: list[ConsumerRecord]) -> None:
        self._topic_partition = None
        self._partition_records: Any = iter(records)
        self.updates = 0

    def check_assignment(self, _: Any) -> bool:
        """Always."""
        return True

    def has_more(self) -> bool:
        """Until all were handed out."""
        return self._partition_records is not None

    def _update_position(self) -> None:
        self.updates += 1


def test_a_call_ends_with_the_bytes_that_it_unpacked() -> None:
    """A fetch of 1 MB can hold 1,000 batches that unpack to 32 MB each, and nothing else runs in one call."""
    value = b"x" * (FETCH_BYTES // 4)
    records = [ConsumerRecord("t", 0, each, 0, 0, None, value, None, 0, 0, ()) for each in range(6)]
    result = Result(records)
    assert [len(take_records(result, most)) for most in (1_000, 1, 1_000, 1_000)] == [4, 1, 1, 0]
    assert result.updates == 3


@pytest.mark.parametrize(
    ("key", "headers"),
    [(b"k" * 1_000_000, ()), (UnreadValue("too-large", "", size=1_000_000), ()), (None, [("name", None)] * 1_000)],
    ids=["keys", "keys cut", "headers"],
)
def test_a_call_ends_with_the_memory_that_keys_and_headers_take(key: bytes | None, headers: Any) -> None:
    """1,000 records of a call had 1 GB of keys, sent as 48 KB, or 120 MB of headers, sent as 5 KB."""
    records = [ConsumerRecord("t", 0, each, 0, 0, key, b"{}", None, 0, 0, headers) for each in range(1_000)]
    assert len(take_records(Result(records), 1_000)) < 30


@given(st.binary(max_size=300), st.sampled_from(CODECS), st.integers(0, 5))
def test_any_bytes_in_a_batch_are_read_or_handed_out_as_unread(body: bytes, codec: int, count: int) -> None:
    """Whatever comes out has an offset of the batch, and nothing is raised."""
    for found in read(batch(body, count + 1, codec, base=10)):
        assert isinstance(found.value, bytes | None)


@pytest.mark.parametrize("delta", [1_000_000, -1, 0])
def test_a_record_with_an_offset_outside_of_its_batch_ends_the_reading_of_it(delta: int) -> None:
    """A broker takes any offset in an uncompressed batch; read on from, it could be behind the partition's end."""
    first, rest = read(batch(record(0) + record(delta) + record(2), 3, base=7))
    assert (first.offset, first.value) == (7, b"{}")
    assert (rest.offset, unread(rest).first_offset, unread(rest).reason) == (9, 8, "undecodable")
    assert f"a record has offset {7 + delta}, where 8 to 9 are left" in unread(rest).detail


@pytest.mark.parametrize("length", [2**31, 2**62, -(2**62)])
def test_a_length_that_points_far_away_is_bad_input(length: int) -> None:
    """The reader of such numbers in aiokafka looks at no bounds: the process ended with a segmentation fault."""
    body = b"\0" + varint(0) + varint(0) + varint(length) + b"k" * 3_000
    [found] = read(batch(varint(len(body)) + body, 1))
    assert (unread(found).reason, unread(found).first_offset) == ("undecodable", 0)


def test_a_number_that_does_not_end_is_bad_input() -> None:
    """In a record's length: 64 bits take ten bytes at most."""
    for tail in (b"\xff" * 3_000, b"\x80" * 9):
        [found] = read(batch(tail, 1))
        assert unread(found).reason == "undecodable"


def test_what_is_behind_the_last_record_of_a_batch_is_passed_over() -> None:
    """All that the batch has room for was read; there is no offset left to say it at."""
    assert [each.offset for each in read(batch(record(0) + b"\xff" * 40, 1))] == [0]


def test_a_record_of_format_0_has_no_timestamp() -> None:
    """As Kafka writes it, -1; aiokafka says None, which no timestamp can be compared with."""
    builder = LegacyRecordBatchBuilder(0, 0, 1 << 20)
    builder.append(0, None, b"k", b"v")
    [found] = read(bytes(builder.build()))
    assert (found.timestamp, found.timestamp_type, found.key, found.value) == (-1, 0, b"k", b"v")


def test_a_legacy_batch_with_a_damaged_frame_is_fetched_again() -> None:
    """Its key is read before anyone looks at its checksum."""
    builder = LegacyRecordBatchBuilder(0, 0, 1 << 20)
    builder.append(0, None, b"k" * 40, b"v")
    damaged = bytearray(builder.build())
    damaged[18:22] = (-40).to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptRecordException):
        read(bytes(damaged))


@pytest.mark.parametrize("count", [2, 40, 250_000])
def test_a_batch_with_fewer_records_than_it_says_is_read_to_its_end(count: int) -> None:
    """The compiled reader goes on behind the end, into whatever memory is there."""
    first, *others = read(batch(record(0), count))
    assert (first.offset, first.value) == (0, b"{}")
    assert [(each.offset, unread(each).first_offset) for each in others] == [(count - 1, 1)]


def test_attributes_of_a_record_that_nothing_defines_are_passed_over() -> None:
    """A broker takes them; aiokafka reads a number of several bytes there, and the records behind it were lost."""
    odd = record(0, b"[1]")
    found = read(batch(odd[:1] + b"\xff" + odd[2:] + record(1), 2))
    assert [(each.offset, each.value) for each in found] == [(0, b"[1]"), (1, b"{}")]


def test_a_field_that_goes_on_into_the_next_record_is_bad_input() -> None:
    """Its record would have more headers, or a longer value, than its length says and is looked at."""
    following = record(2)
    inside = b"\0" + varint(0) + varint(1) + varint(-1) + varint(len(following) - 1)  # up to its number of headers
    odd = varint(len(inside)) + inside
    found = read(batch(record(0, headers=BAD_NAME) + odd + following, 3))
    assert (found[0].offset, found[0].value) == (0, b"{}")
    assert [(each.offset, unread(each).first_offset) for each in found[1:]] == [(2, 1)]
