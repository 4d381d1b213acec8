r"""Record batches as a fetch brings them: unpacked within bounds, and read record by record.

aiokafka unpacks a batch whatever its size, builds every header of a record, and decodes header names strictly. A broker
with default limits accepts a batch of 1 MB that unpacks to gigabytes, a record with ten million headers, and a header
name that is no UTF-8; each of them ended every reader of its partition, and ended it again after each restart. Here
such a batch, or such a record, is handed out as one record whose value is `Unread`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy

from switchboard.contracts.codec import KEPT_BYTES, MAX_VALUE_BYTES
from switchboard.contracts.faults import MAX_DETAIL
from switchboard.contracts.unread import Unread, UnreadReason

MAX_HEADERS: Final = 1_000
"""Headers of a record that is read. CloudEvents and tracing use about ten."""
FETCH_BYTES: Final = 4 * 1024 * 1024
"""Unpacked bytes of one partition that a call of `getmany` hands out, about: some 10 ms in which nothing else runs."""
MAX_HEADER_BYTES: Final = 65_536
"""Bytes of a record's headers, names included, that are read: as many as of its value."""
_SMALL_RECORD: Final = 2 * MAX_HEADERS
"""Bytes of a record that can't have more than MAX_HEADERS headers: the shortest header takes two."""

_CODEC: Final = 0x07
_NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16

# The header of a batch of format 2, up to its timestamps, and byte offsets in it.
# https://kafka.apache.org/documentation/#recordbatch
_HEADER: Final = struct.Struct(">qiibIhiqq")
_ATTRIBUTES: Final = 21
_APPEND_TIME: Final = 0x08
_COUNT: Final = 57
_RECORDS: Final = 61

_NO_TIMESTAMP: Final = -1
"""As Kafka writes it."""

# Byte offsets in a batch of format 0 and 1.
_LEGACY_ATTRIBUTES: Final = 17
_LEGACY_KEY: Final = 18


@dataclass(slots=True, frozen=True)
class BatchLimits:
    """The largest batch that is unpacked."""

    size: int = 32 * 1024 * 1024
    """Bytes, unpacked. A producer's own limit (`batch.size`, 16 KiB to 1 MiB) is on about the packed size."""
    records: int = 250_000


class _Unpacker:
    """Unpacks into memory that is used again and again, and takes up no more than the largest batch so far."""

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._memory = mmap(-1, limits.size)

    def unpack(self, codec: Any, packed: memoryview) -> bytes:
        """The unpacked bytes.

        Raises:
            cramjam.DecompressionError: they are more than the limit, or are damaged.
        """
        size: int = codec.decompress_into(packed, self._memory)
        return self._memory[:size]


_unpacker = _Unpacker(BatchLimits())


def set_limits(limits: BatchLimits) -> None:
    """Set the limits of this process: aiokafka has no way to hand them to one consumer."""
    global _unpacker  # noqa: PLW0603
    if limits != _unpacker.limits:
        _unpacker = _Unpacker(limits)


class UnreadBatchError(Exception):
    """A batch is not read."""

    def __init__(self, reason: UnreadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: UnreadReason = reason


def unpacked(packed: memoryview, codec: int) -> bytes:
    """The unpacked bytes of a batch's records.

    Args:
        packed: the compressed bytes.
        codec: as in the batch's attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises:
        UnreadBatchError: they are more than the limit, or can't be unpacked.
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
        # The only words that tell a full buffer from damaged bytes.
        if "whole buffer" in str(error):
            raise _too_large(f"{len(packed)} bytes of {name} unpack to more than {_unpacker.limits.size}") from None
        raise UnreadBatchError("undecodable", f"the batch's {name} can't be unpacked: {error}") from None
    except struct.error:
        raise UnreadBatchError("undecodable", f"the batch's {name} is cut") from None
    raise UnreadBatchError("undecodable", f"the batch is compressed with codec {codec}, which is not known")


def _snappy_blocks(packed: memoryview) -> Iterator[bytes]:
    """Snappy says how much it unpacks to, block by block: Java's clients write blocks, librdkafka a single one."""
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
            raise _too_large(f"{len(packed)} bytes of snappy unpack to more than {_unpacker.limits.size}")
        yield bytes(cramjam.snappy.decompress_raw(block))


def _too_large(what: str) -> UnreadBatchError:
    return UnreadBatchError("too-large", f"a batch of {what}; batch_bytes and batch_records are the limits")


@dataclass(slots=True, frozen=True)
class ReadRecord:
    """A record with the attributes that aiokafka's own have."""

    offset: int
    timestamp: int
    """In ms since 1970."""
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    checksum: None = None


class BoundedBatch:
    """A batch of format 2. What the fetcher asks of a batch but its records is answered by aiokafka's class.

    Args:
        of: the whole batch, header included.
    """

    __slots__ = ("_batch", "_of")

    def __init__(self, of: memoryview) -> None:
        self._of = of
        self._batch = DefaultRecordBatch(of)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """The one record of a control batch: aiokafka looks whether it is an abort marker."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """The records; what can't be read of them is handed out as one last record, and stepped over."""
        last: int = self._batch.next_offset - 1
        next_offset: int = self._batch.base_offset
        try:
            for record in self._records():
                _require_place(record.offset, next_offset, last)
                yield record
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield from self._unread(next_offset, last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - see the next line
            # The checksum is right, so this is what the producer wrote: another fetch would bring the same bytes.
            yield from self._unread(next_offset, last, "undecodable", _cause(error))

    def _records(self) -> Iterator[Any]:
        # 1. Unpack the batch, within the limits.
        batch = self._unpacked()
        read = 0
        # 2. Read fast, unless that is not safe.
        if _is_plain(batch):
            try:
                for record in DefaultRecordBatch(batch):
                    yield record
                    read += 1
            except UnicodeDecodeError:
                pass
            else:
                return
        # 3. Read on from the failing record with a slow reader (7 us a record) that takes any header.
        yield from _lenient_records(batch, read)

    def _unpacked(self) -> bytes | memoryview:
        """The batch with its records unpacked.

        Raises:
            UnreadBatchError: it is beyond the limits, or can't be unpacked.
        """
        (count,) = struct.unpack_from(">i", self._of, _COUNT)
        most = _unpacker.limits.records
        if count > most:
            raise _too_large(f"{count} records, where {most} are read")
        (attributes,) = struct.unpack_from(">h", self._of, _ATTRIBUTES)
        if not attributes & _CODEC:
            return self._of
        header = bytearray(self._of[:_RECORDS])
        struct.pack_into(">h", header, _ATTRIBUTES, attributes & ~_CODEC)
        return bytes(header) + unpacked(self._of[_RECORDS:], attributes & _CODEC)

    def _unread(self, first: int, last: int, reason: UnreadReason, detail: str) -> Iterator[ReadRecord]:
        """One record in place of those from offset `first` to `last`, with the offset of the last; none for none."""
        if first <= last:
            batch = self._batch
            value = Unread(reason, detail, first_offset=first)
            yield ReadRecord(last, batch.max_timestamp, batch.timestamp_type, None, value)


def _require_place(offset: int, first: int, last: int) -> None:
    """Refuse a record whose offset is not one of those left in its batch.

    A broker counts the records of a batch, but takes whatever offsets an uncompressed one says. Taken from the record,
    the next offset to read could be far behind the end of the partition: no router could start there any more.

    Raises:
        UnreadBatchError: the offset is below `first`, or above `last`.
    """
    if not first <= offset <= last:
        raise UnreadBatchError("undecodable", f"a record has offset {offset}, where {first} to {last} are left")


def _cause(error: Exception) -> str:
    """What kept a batch from being read, in a dead letter's detail."""
    return f"the batch can't be read: {type(error).__name__}: {error}"[:MAX_DETAIL]


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number in zigzag encoding that begins at `at`, and where the next field begins.

    aiokafka's function of this kind looks at no bounds: a length that points far beyond the batch ends the process.

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


def _is_plain(batch: bytes | memoryview) -> bool:
    """Whether aiokafka's compiled reader can be given an unpacked batch. About 0.3 us a record.

    It takes the number of records and their lengths on trust, and reads behind the end of the batch where they are
    wrong, which can end the process. It builds every header, and takes attributes of a record above 127 for a number
    of more bytes.
    """
    size = len(batch)
    (count,) = struct.unpack_from(">i", batch, _COUNT)
    at = _RECORDS
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
    """How many headers the record has whose attributes are at `at`, and where the first of them is."""
    _, at = _varint(batch, at + 1)
    _, at = _varint(batch, at)
    for _ in ("key", "value"):
        length, at = _varint(batch, at)
        at += max(0, length)
    count, first = _varint(batch, at)
    return count, first


def _lenient_records(batch: bytes | memoryview, skipped: int) -> Iterator[ReadRecord]:
    r"""The records of an unpacked batch but for the first ones; odd bytes of header names as `\xff`.

    Args:
        batch: its header and its records.
        skipped: how many records are left out at the beginning.

    Raises:
        IndexError, ValueError: the records are damaged.
    """
    (base, *_, attributes, _, first_timestamp, max_timestamp) = _HEADER.unpack_from(batch)
    is_append_time = bool(attributes & _APPEND_TIME)
    view = memoryview(batch)
    size, at, number = len(batch), _RECORDS, 0
    while at < size:
        length, at = _varint(view, at)
        end = at + length
        if length < 0 or end > size:
            raise ValueError(f"a record of {length} bytes, where {size - at} are left")
        if number >= skipped:
            own = view[:end]  # no field goes on into the next record
            timestamp_delta, at = _varint(own, at + 1)
            offset_delta, at = _varint(own, at)
            key, at = _nullable_bytes(own, at)
            value, at = _nullable_bytes(own, at)
            count, at = _varint(own, at)
            headers: tuple[tuple[str, bytes | None], ...] = ()
            if count <= MAX_HEADERS and end - at <= MAX_HEADER_BYTES:
                headers = tuple(_headers(own, at, count))
            else:
                value = Unread(
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
    (count,) = struct.unpack_from(">i", batch, _COUNT)
    if number < count:
        raise ValueError(f"{number} records, where it says {count}")


def _as_int64(number: int) -> int:
    """The number with the 64 bits that Java and C keep of a sum."""
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


class BoundedLegacyBatch:
    """A batch of format 0 or 1, as brokers before 3.0 kept them: a single record, or a compressed set of records.

    Args:
        batch: aiokafka's own.
        of: the whole batch.
    """

    __slots__ = ("_batch", "_of")

    def __init__(self, batch: Any, of: memoryview) -> None:
        self._batch = batch
        self._of = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        """The records; what can't be read of them is handed out as one last record, and stepped over."""
        last: int = self._batch.next_offset - 1
        next_offset = 0
        try:
            self._try_to_unpack()
            for record in self._batch:
                _require_place(record.offset, next_offset, last)
                yield record if record.timestamp is not None else _untimed(record)
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield self._unread(last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - as in BoundedBatch
            yield self._unread(last, "undecodable", _cause(error))

    def _unread(self, last: int, reason: UnreadReason, detail: str) -> ReadRecord:
        return ReadRecord(last, _NO_TIMESTAMP, 0, None, Unread(reason, detail, first_offset=last))

    def _try_to_unpack(self) -> None:
        """Unpack once to see whether it is within the limit: aiokafka has no bound of its own."""
        codec = self._of[_LEGACY_ATTRIBUTES] & _CODEC
        if not codec:
            return
        at = _LEGACY_KEY if self._of[_LEGACY_ATTRIBUTES - 1] == 0 else _LEGACY_KEY + 8  # format 1 has a timestamp
        (key_length,) = struct.unpack_from(">i", self._of, at)
        unpacked(self._of[at + 8 + max(0, key_length) :], codec)


def _untimed(record: Any) -> ReadRecord:
    """A record of format 0, which has no timestamp: aiokafka says None, for which no one who reads it is prepared."""
    return ReadRecord(record.offset, _NO_TIMESTAMP, 0, record.key, record.value)


class BoundedRecords(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka is untyped
    """What a fetch brought, batch by batch: takes the place of aiokafka's class of this kind."""

    def next_batch(self) -> Any:
        """The next batch; None after the last.

        Raises:
            CorruptRecordException: its frame is damaged. No producer can do that: the fetch is tried again.
        """
        of = self._next_slice
        try:
            batch = super().next_batch()
        except SystemError as error:  # aiokafka reads a legacy batch before its checksum is looked at
            raise CorruptRecordException(f"a batch is damaged: {error}") from error
        if batch is None:
            return None
        return BoundedLegacyBatch(batch, of) if isinstance(batch, LegacyRecordBatch) else BoundedBatch(of)


def _getall(result: Any, max_records: int | None = None) -> list[Any]:
    """`FetchResult.getall`, which also ends once the records have FETCH_BYTES.

    A fetch of 1 MB can hold 1,000 batches that unpack to the limit each: 32 GB in one step of the event loop.
    """
    tp = result._topic_partition  # noqa: SLF001 - there is no public way
    if not result.check_assignment(tp) or not result.has_more():
        return []
    found: list[Any] = []
    size = 0
    for record in result._partition_records:  # noqa: SLF001
        found.append(record)
        size += _work_of(record)
        if size >= FETCH_BYTES or len(found) == max_records:
            result._update_position()  # noqa: SLF001
            return found
    result._update_position()  # noqa: SLF001
    result._partition_records = None  # noqa: SLF001
    return found


def _work_of(record: Any) -> int:
    """How many bytes were unpacked for a record, about."""
    value = record.value
    if value.__class__ is Unread:
        return value.size or _unpacker.limits.size  # a batch that is too large was unpacked up to the limit
    size = 0 if value is None else len(value)
    for _, held in record.headers:
        size += 0 if held is None else len(held)
    return size


def install() -> None:
    """Have every consumer of this process read by these classes."""
    fetcher.MemoryRecords = BoundedRecords
    fetcher.FetchResult.getall = _getall


def bounded_value(value: bytes | None) -> bytes | None:
    """The value deserializer of who reads the bus: of a value that is too large for an event its beginning is kept.

    A fetch hands out 1,000 records at a time, and whole they could be gigabytes.
    """
    if value is None or len(value) <= MAX_VALUE_BYTES or value.__class__ is Unread:
        return value
    detail = f"{len(value)} bytes; at most {MAX_VALUE_BYTES} are taken"
    return Unread("too-large", detail, kept=value[:KEPT_BYTES], size=len(value))
