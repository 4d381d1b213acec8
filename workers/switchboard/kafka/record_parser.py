"""Parses the records of an unpacked batch of format 2, where aiokafka's compiled reader is not safe or too strict.

Numbers are varints in zigzag encoding, as in https://kafka.apache.org/documentation/#recordbatch.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from switchboard.journal.codec import MAX_VALUE_BYTES, UnreadValue

MAX_HEADERS: Final = 1_000
"""Most headers of a record that is read. CloudEvents and tracing use about ten."""
MAX_HEADER_BYTES: Final = 65_536
"""Most bytes of a record's headers that are read, names included. The limit of a value is the same."""
PIECE_BYTES: Final = 4 * 1024 * 1024
"""A larger batch is read in pieces of about so many unpacked bytes."""
_SMALL_RECORD: Final = 2 * MAX_HEADERS
"""A record of at most so many bytes has at most MAX_HEADERS headers: the shortest header takes two bytes."""

# The header of a batch, up to its timestamps, and byte offsets in the batch.
_HEADER: Final = struct.Struct(">qiibIhiqq")
ATTRIBUTES_AT: Final = 21
COUNT_AT: Final = 57
RECORDS_AT: Final = 61
_APPEND_TIME: Final = 0x08
"""The bit of a batch's attributes that is set if the broker's clock gave the timestamp."""


@dataclass(slots=True, frozen=True)
class ReadRecord:
    """A record with the attributes of aiokafka's records."""

    offset: int
    timestamp: int
    """ms since 1970."""
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    checksum: None = None


class Piece(NamedTuple):
    """Successive records of an unpacked batch."""

    begin: int
    end: int
    """Byte offsets in the batch: of the first byte, and past the last."""
    records: int
    """Number of the records; 0 for damaged bytes."""


def pieces(batch: bytes | memoryview) -> Iterator[Piece]:
    """The pieces of a batch, of about PIECE_BYTES; a damaged record and all after that are one. 0.2 us a record."""
    size, begin, at, count = len(batch), RECORDS_AT, RECORDS_AT, 0
    while at < size:
        try:
            length, end = _varint(batch, at)
        except (IndexError, ValueError):
            break
        end += length
        if length < 0 or end > size:
            break
        at = end
        count += 1
        if at - begin >= PIECE_BYTES:
            yield Piece(begin, at, count)
            begin, count = at, 0
    if at > begin:
        yield Piece(begin, at, count)
    if at < size:
        yield Piece(at, size, 0)


def part(batch: bytes | memoryview, piece: Piece) -> bytes:
    """A piece as a batch of its own. Its header differs from the batch's in the number of records alone."""
    header = bytearray(batch[:RECORDS_AT])
    struct.pack_into(">i", header, COUNT_AT, piece.records)
    return bytes(header) + batch[piece.begin : piece.end]


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where the next field begins.

    aiokafka's own function checks no bounds: a length that points far beyond the batch ends the process.

    Raises:
        IndexError: the data ends before the number does.
        ValueError: the number has more than 64 bits.
    """
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    number, shift = byte & 0x7F, 7
    while byte >= 0x80:
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at


def is_plain(batch: bytes | memoryview) -> bool:
    """Whether aiokafka's compiled reader may read an unpacked batch. About 0.3 us a record.

    The compiled reader does not check the number of records and their lengths: wrong ones make it read past the end of
    the batch, which can end the process. It also builds every header, and reads a record's attributes above 127 as a
    number of several bytes.
    """
    size = len(batch)
    (count,) = struct.unpack_from(">i", batch, COUNT_AT)
    at = RECORDS_AT
    try:
        for _ in range(count):
            length, at = _varint(batch, at)
            if length < 0 or batch[at] & 0x80:
                return False
            if length > _SMALL_RECORD:
                headers, first = _headers_at(batch, at)
                if headers > MAX_HEADERS or at + length - first > MAX_HEADER_BYTES:
                    return False
            at += length
    except (IndexError, ValueError):
        return False
    return at == size


def _headers_at(batch: bytes | memoryview, at: int) -> tuple[int, int]:
    """Number of headers of the record whose attributes are at `at`, and the place of the first header."""
    _, at = _varint(batch, at + 1)  # timestamp delta
    _, at = _varint(batch, at)  # offset delta
    for _ in ("key", "value"):
        length, at = _varint(batch, at)
        at += max(0, length)
    return _varint(batch, at)


class _BatchHeader(NamedTuple):
    """The fields of a batch's header that its records refer to."""

    base_offset: int
    first_timestamp: int
    max_timestamp: int
    is_append_time: bool
    """Whether all records have the timestamp of the batch."""

    @classmethod
    def of(cls, batch: bytes | memoryview) -> "_BatchHeader":
        (base, *_, attributes, _, first_timestamp, max_timestamp) = _HEADER.unpack_from(batch)
        return cls(base, first_timestamp, max_timestamp, bool(attributes & _APPEND_TIME))


def lenient_records(batch: bytes | memoryview, skipped: int) -> Iterator[ReadRecord]:
    r"""The records of an unpacked batch after the first `skipped`; odd bytes of a header name are read as `\xff`.

    Args:
        batch: its header and its records.
        skipped: number of records at the beginning that are left out.

    Raises:
        IndexError, ValueError: the records are damaged.
    """
    header = _BatchHeader.of(batch)
    view = memoryview(batch)
    size, at, number = len(batch), RECORDS_AT, 0
    while at < size:
        length, at = _varint(view, at)
        end = at + length
        if length < 0 or end > size:
            raise ValueError(f"a record of {length} bytes, where {size - at} are left")
        if number >= skipped:
            yield _lenient_record(header, view[:end], at)  # no field may extend into the next record
        at = end
        number += 1
    (count,) = struct.unpack_from(">i", batch, COUNT_AT)
    if number < count:
        raise ValueError(f"{number} records, where it says {count}")


def _lenient_record(header: _BatchHeader, batch: memoryview, at: int) -> ReadRecord:
    """One record.

    Args:
        header: of its batch.
        batch: up to the end of the record.
        at: the byte of the record's attributes.
    """
    timestamp_delta, at = _varint(batch, at + 1)
    offset_delta, at = _varint(batch, at)
    key, at = _nullable_bytes(batch, at)
    value, at = _nullable_bytes(batch, at)
    count, at = _varint(batch, at)
    size = len(batch) - at
    headers: tuple[tuple[str, bytes | None], ...] = ()
    if count <= MAX_HEADERS and size <= MAX_HEADER_BYTES:
        headers = tuple(_headers(batch, at, count))
    else:
        value = UnreadValue(
            "undecodable",
            f"{count} headers of {size} bytes; at most {MAX_HEADERS} of {MAX_HEADER_BYTES} are read",
            kept=(value or b"")[:MAX_VALUE_BYTES],
            size=None if value is None else len(value),
            headers_left_out=True,
        )
    timestamp = header.max_timestamp if header.is_append_time else _as_int64(header.first_timestamp + timestamp_delta)
    return ReadRecord(header.base_offset + offset_delta, timestamp, int(header.is_append_time), key, value, headers)


def _as_int64(number: int) -> int:
    """The number wrapped around to 64 bits, as a sum in Java or C."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _headers(batch: bytes | memoryview, at: int, count: int) -> Iterator[tuple[str, bytes | None]]:
    for _ in range(count):
        name, at = _nullable_bytes(batch, at)
        value, at = _nullable_bytes(batch, at)
        yield (name or b"").decode(errors="backslashreplace"), value


def _nullable_bytes(batch: bytes | memoryview, at: int) -> tuple[bytes | None, int]:
    """The field that begins at `at`, None for null, and where the next field begins."""
    length, at = _varint(batch, at)
    if length < 0:
        return None, at
    if at + length > len(batch):
        raise ValueError(f"a field of {length} bytes, where {len(batch) - at} are left")
    return bytes(batch[at : at + length]), at + length
