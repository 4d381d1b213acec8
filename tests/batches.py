"""Record batches as a hostile producer builds them, byte by byte: the client libraries refuse most of these."""

import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

import cramjam
from aiokafka.record.util import calc_crc32c

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_PACK: Final[dict[int, Callable[[bytes], Any]]] = {
    GZIP: cramjam.gzip.compress,
    SNAPPY: cramjam.snappy.compress_raw,
    LZ4: cramjam.lz4.compress,
    ZSTD: cramjam.zstd.compress,
}


def varint(number: int) -> bytes:
    """A whole number in zigzag encoding."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def nullable(value: bytes | None) -> bytes:
    """A key, a value, or either side of a header."""
    return varint(-1) if value is None else varint(len(value)) + value


def record(
    delta: int = 0,
    value: bytes | None = b"{}",
    *,
    key: bytes | None = None,
    headers: Iterable[tuple[bytes, bytes | None]] = (),
) -> bytes:
    """One record, at the batch's first offset plus `delta`."""
    pairs = [nullable(name) + nullable(held) for name, held in headers]
    return crowded_record(delta, value, b"".join(pairs), len(pairs), key=key)


def crowded_record(
    delta: int = 0, value: bytes | None = b"{}", headers: bytes = b"", count: int = 0, *, key: bytes | None = None
) -> bytes:
    """One record whose headers are encoded already."""
    body = b"\0" + varint(0) + varint(delta) + nullable(key) + nullable(value) + varint(count) + headers
    return varint(len(body)) + body


def batch(records: bytes, count: int, codec: int = 0, *, base: int = 0, timestamp: int = 1_000) -> bytes:
    """A batch of format 2 with a right checksum, whatever is in it."""
    return framed(bytes(_PACK[codec](records)) if codec else records, count, codec, base=base, timestamp=timestamp)


def framed(body: bytes, count: int, codec: int, *, base: int = 0, timestamp: int) -> bytes:
    """A batch of records that are encoded, and compressed with this codec, already."""
    checked = struct.pack(">hiqqqhii", codec, count - 1, timestamp, timestamp, -1, -1, -1, count) + body
    head = struct.pack(">ibI", -1, 2, calc_crc32c(checked))
    return struct.pack(">qi", base, len(head) + len(checked)) + head + checked
