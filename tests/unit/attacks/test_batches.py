"""Batches encoded by hand are what Kafka's clients read: else an attack would test the encoder, not the router."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from tests.attacks.batches import Batch, Codec, batch_of, batch_of_blanks, with_empty_headers
from tests.batches import record


def read(batch: Batch, timestamp: int = 1) -> list[tuple[int, int, bytes | None, bytes | None, int]]:
    """Its records: offset, timestamp, key, value and number of headers."""
    read_by_client = DefaultRecordBatch(batch.encode(timestamp))
    assert read_by_client.validate_crc()
    return [(each.offset, each.timestamp, each.key, each.value, len(each.headers)) for each in read_by_client]


@pytest.mark.parametrize("codec", Codec)
def test_a_client_reads_what_was_put_in(codec: Codec) -> None:
    """Under each compression: keys, values, headers, offsets from 0, and the timestamp that was asked for."""
    records = [
        record(0, b"{}"),
        record(1, None, key=b"key"),
        record(2, b"x" * 300, headers=[(b"a", b"1"), (b"b", None)]),
    ]
    assert read(batch_of(records, codec), 7) == [
        (0, 7, None, b"{}", 0),
        (1, 7, b"key", None, 0),
        (2, 7, None, b"x" * 300, 2),
    ]


@pytest.mark.parametrize("timestamp", [1, -62_135_596_800_001, 1_700_000_000_000])
def test_a_timestamp_may_lie_before_all_years(timestamp: int) -> None:
    """Negative ones too, as no client sends them."""
    assert read(batch_of([record(0, b"{}")]), timestamp)[0][1] == timestamp


def test_empty_headers_are_headers() -> None:
    """Each takes two bytes, and is read as one with an empty name."""
    assert read(batch_of([with_empty_headers(1_000)], Codec.GZIP)) == [(0, 1, None, b"{}", 1_000)]


def test_blanks_are_compressed_in_pieces_to_one_value() -> None:
    """Its size is no multiple of the pieces."""
    size = 3 * (1 << 20) + 17
    batch = batch_of_blanks(size)
    assert read(batch) == [(0, 1, None, b" " * size, 0)]
    assert len(batch.body) < 2_000


def test_a_header_name_may_be_no_utf8() -> None:
    """A client refuses to read it, which is the attack."""
    with pytest.raises(UnicodeDecodeError):
        read(batch_of([record(0, b"{}", headers=[(b"\xff\xfe", b"")])]))
