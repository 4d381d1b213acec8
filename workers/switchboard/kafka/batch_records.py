"""The records of a batch, unpacked within bounds: a batch of 1 MB can unpack to gigabytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final, NamedTuple

import cramjam

from switchboard.journal.codec import MAX_VALUE_BYTES, UnreadReason, UnreadValue

_NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16


@dataclass(slots=True, frozen=True)
class BatchLimits:
    """The largest batch that is unpacked."""

    size: int = 32 * 1024 * 1024
    """Bytes, unpacked. A producer's own limit (`batch.size`, 16 KiB to 1 MiB) applies to about the packed size."""
    records: int = 250_000


class _Unpacker:
    """Unpacks into one reused buffer, which takes no more real memory than the largest batch so far has filled."""

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._memory = mmap(-1, limits.size)

    def unpack(self, codec: Any, packed: memoryview) -> bytes:
        """The unpacked bytes.

        Raises:
            cramjam.DecompressionError: the batch unpacks to more than the limit, or is damaged.
        """
        size: int = codec.decompress_into(packed, self._memory)
        return self._memory[:size]


_unpacker = _Unpacker(BatchLimits())


def limits() -> BatchLimits:
    """The limits of this process."""
    return _unpacker.limits


def set_limits(limits: BatchLimits) -> None:
    """Set the limits of this process: aiokafka has no way to hand them to one consumer."""
    global _unpacker  # noqa: PLW0603
    if limits != _unpacker.limits:
        _unpacker = _Unpacker(limits)


class UnreadBatchError(Exception):
    """A batch that is beyond a limit, or can't be unpacked."""

    def __init__(self, reason: UnreadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: UnreadReason = reason


def unpacked(packed: memoryview, codec: int) -> bytes:
    """The unpacked bytes of a batch's records.

    Args:
        packed: the compressed bytes.
        codec: as in the batch's attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises:
        UnreadBatchError: the batch unpacks to more than the limit, or can't be unpacked.
    """
    name = _NAMES.get(codec)
    try:
        match name:
            case "gzip":
                return _unpacker.unpack(cramjam.gzip, packed)
            case "lz4":
                return _unpacker.unpack(cramjam.lz4, packed)
            case "zstd":
                return _unpacker.unpack(cramjam.zstd, packed)
            case "snappy":
                return b"".join(_snappy_blocks(packed))
    except cramjam.DecompressionError as error:
        # Only this text of the error distinguishes a full buffer from damaged bytes.
        if "whole buffer" in str(error):
            raise too_large(f"{len(packed)} bytes of {name} unpack to more than {_unpacker.limits.size}") from None
        raise UnreadBatchError("undecodable", f"the batch's {name} can't be unpacked: {error}") from None
    except struct.error:
        raise UnreadBatchError("undecodable", f"the batch's {name} is cut") from None
    raise UnreadBatchError("undecodable", f"the batch is compressed with codec {codec}, which is not known")


def _snappy_blocks(packed: memoryview) -> Iterator[bytes]:
    """The unpacked blocks of snappy; each block begins with its unpacked size.

    Java's clients write several blocks (the xerial format), librdkafka writes one.
    """
    blocks = [packed]
    if bytes(packed[: len(_XERIAL)]) == _XERIAL:
        blocks = []
        at = _XERIAL_HEADER
        while at < len(packed):
            (size,) = struct.unpack_from(">i", packed, at)
            at += 4
            if size < 0:
                raise UnreadBatchError("undecodable", f"a block of snappy has {size} bytes")
            blocks.append(packed[at : at + size])
            at += size
    total = 0
    for block in blocks:
        total += cramjam.snappy.decompress_raw_len(block)
        if total > _unpacker.limits.size:
            raise too_large(f"{len(packed)} bytes of snappy unpack to more than {_unpacker.limits.size}")
        yield bytes(cramjam.snappy.decompress_raw(block))


def too_large(what: str) -> UnreadBatchError:
    """The error of a batch that is beyond a limit; `what` is its size."""
    return UnreadBatchError("too-large", f"a batch of {what}; batch_bytes and batch_records are the limits")


MAX_HEADERS: Final = 1_000
"""Headers of a record that is read. CloudEvents and tracing use about ten."""
MAX_HEADER_BYTES: Final = 65_536
"""Bytes of a record's headers that are read, names included. The limit of a value is the same."""
PIECE_BYTES: Final = 4 * 1024 * 1024
"""A larger batch is read in pieces of about so many unpacked bytes."""
_SMALL_RECORD: Final = 2 * MAX_HEADERS
"""A record of at most so many bytes has at most MAX_HEADERS headers: the shortest header takes two bytes."""

# The header of a batch, up to its timestamps, and byte offsets in it.
# https://kafka.apache.org/documentation/#recordbatch
_HEADER: Final = struct.Struct(">qiibIhiqq")
ATTRIBUTES_AT: Final = 21
COUNT_AT: Final = 57
RECORDS_AT: Final = 61
_APPEND_TIME: Final = 0x08


@dataclass(slots=True, frozen=True)
class ReadRecord:
    """A record with the attributes of aiokafka's records."""

    offset: int
    timestamp: int
    """In ms since 1970."""
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
    """The number in zigzag encoding that begins at `at`, and where the next field begins.

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
    _, at = _varint(batch, at + 1)
    _, at = _varint(batch, at)
    for _ in ("key", "value"):
        length, at = _varint(batch, at)
        at += max(0, length)
    count, first = _varint(batch, at)
    return count, first


def lenient_records(batch: bytes | memoryview, skipped: int) -> Iterator[ReadRecord]:
    r"""The records of an unpacked batch after the first `skipped`; odd bytes of a header name are read as `\xff`.

    Args:
        batch: its header and its records.
        skipped: number of records at the beginning that are left out.

    Raises:
        IndexError, ValueError: the records are damaged.
    """
    (base, *_, attributes, _, first_timestamp, max_timestamp) = _HEADER.unpack_from(batch)
    is_append_time = bool(attributes & _APPEND_TIME)
    view = memoryview(batch)
    size, at, number = len(batch), RECORDS_AT, 0
    while at < size:
        length, at = _varint(view, at)
        end = at + length
        if length < 0 or end > size:
            raise ValueError(f"a record of {length} bytes, where {size - at} are left")
        if number >= skipped:
            own = view[:end]  # no field may extend into the next record
            timestamp_delta, at = _varint(own, at + 1)
            offset_delta, at = _varint(own, at)
            key, at = _nullable_bytes(own, at)
            value, at = _nullable_bytes(own, at)
            count, at = _varint(own, at)
            headers: tuple[tuple[str, bytes | None], ...] = ()
            if count <= MAX_HEADERS and end - at <= MAX_HEADER_BYTES:
                headers = tuple(_headers(own, at, count))
            else:
                value = UnreadValue(
                    "undecodable",
                    f"{count} headers of {end - at} bytes; at most {MAX_HEADERS} of {MAX_HEADER_BYTES} are read",
                    kept=(value or b"")[:MAX_VALUE_BYTES],
                    size=None if value is None else len(value),
                    headers_left_out=True,
                )
            timestamp = max_timestamp if is_append_time else _as_int64(first_timestamp + timestamp_delta)
            yield ReadRecord(base + offset_delta, timestamp, int(is_append_time), key, value, headers)
        at = end
        number += 1
    (count,) = struct.unpack_from(">i", batch, COUNT_AT)
    if number < count:
        raise ValueError(f"{number} records, where it says {count}")


def _as_int64(number: int) -> int:
    """The number wrapped around to 64 bits, as a sum in Java or C."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _headers(batch: bytes | memoryview, at: int, count: int) -> Iterator[tuple[str, bytes | None]]:
    for _ in range(count):
        name, at = _nullable_bytes(batch, at)
        value, at = _nullable_bytes(batch, at)
        yield (name or b"").decode(errors="backslashreplace"), value


def _nullable_bytes(batch: bytes | memoryview, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(batch, at)
    if length < 0:
        return None, at
    if at + length > len(batch):
        raise ValueError(f"a field of {length} bytes, where {len(batch) - at} are left")
    return bytes(batch[at : at + length]), at + length
