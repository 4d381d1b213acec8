r"""Record batches as a fetch brings them: unpacked within limits, and read whatever a producer put into them.

aiokafka unpacks a batch whatever its size, builds every header of a record, and decodes header names strictly. A broker
with default limits accepts a batch of 1 MB that unpacks to gigabytes, a record with ten million headers, and a header
name that is not UTF-8. Each of these ended every reader of its partition, and again after each restart. Here such a
batch or record becomes one record whose value is an `UnreadValue`.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy

from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, UnreadReason, UnreadValue
from switchboard.journal.schemas import MAX_DETAIL
from switchboard.kafka.batch_codecs import UnreadBatchError, limits, too_large, unpacked
from switchboard.kafka.record_parser import (
    ATTRIBUTES_AT,
    COUNT_AT,
    PIECE_BYTES,
    RECORDS_AT,
    ReadRecord,
    is_plain,
    lenient_records,
    part,
    pieces,
)

FETCH_BYTES: Final = PIECE_BYTES
"""Unpacked bytes of one partition that a call of `getmany` returns, about: 10 ms in which nothing else runs."""
MAX_KEY_BYTES: Final = 65_536
"""Of a longer key only the length is kept. No decision depends on a key."""
HEADER_WORK: Final = 160
"""Bytes of memory that a header takes beside its name and value, about."""

_CODEC: Final = 0x07
"""The bits of a batch's attributes that hold the compression codec."""
_NO_TIMESTAMP: Final = -1
"""As Kafka writes it."""

# Byte offsets in a batch of format 0 or 1.
_LEGACY_ATTRIBUTES: Final = 17
_LEGACY_KEY: Final = 18


class BoundedBatch:
    """A batch of format 2. Attributes other than the records are those of aiokafka's class.

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
        """The single record of a control batch; aiokafka checks whether it is an abort marker."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """The records; one last record stands for all that can't be read."""
        last: int = self._batch.next_offset - 1
        next_offset: int = self._batch.base_offset
        try:
            for record in self._records():
                _require_offset(record.offset, next_offset, last)
                yield record
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield from self._unread(next_offset, last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - see the next line
            # The checksum is right, so the producer wrote this: another fetch would bring the same bytes.
            yield from self._unread(next_offset, last, "undecodable", _cause(error))

    def _records(self) -> Iterator[Any]:
        batch: bytes | memoryview | None = self._unpacked()
        assert batch is not None  # noqa: S101 - for the type: released below
        if len(batch) <= PIECE_BYTES:
            yield from _read(batch)
            return
        # A large batch is not kept unpacked while it is read: 24 partitions with one of 32 MB each (5 KB as sent) took
        # 800 MB. It is unpacked again for each piece, in 20 ms.
        for piece in list(pieces(batch)):
            if batch is None:
                batch = self._unpacked()
            records = part(batch, piece)
            batch = None
            yield from _read(records)

    def _unpacked(self) -> bytes | memoryview:
        """The batch with its records unpacked.

        Raises:
            UnreadBatchError: the batch is beyond the limits, or can't be unpacked.
        """
        (count,) = struct.unpack_from(">i", self._of, COUNT_AT)
        most = limits().records
        if count > most:
            raise too_large(f"{count} records, where {most} are read")
        (attributes,) = struct.unpack_from(">h", self._of, ATTRIBUTES_AT)
        if not attributes & _CODEC:
            return self._of
        header = bytearray(self._of[:RECORDS_AT])
        struct.pack_into(">h", header, ATTRIBUTES_AT, attributes & ~_CODEC)
        return bytes(header) + unpacked(self._of[RECORDS_AT:], attributes & _CODEC)

    def _unread(self, first: int, last: int, reason: UnreadReason, detail: str) -> Iterator[ReadRecord]:
        """One record in place of those from offset `first` to `last`, with offset `last`; none if there are none."""
        if first <= last:
            batch = self._batch
            value = UnreadValue(reason, detail, first_offset=first)
            yield ReadRecord(last, batch.max_timestamp, batch.timestamp_type, None, value)


def _read(batch: bytes | memoryview) -> Iterator[Any]:
    """The records of an unpacked batch."""
    read = 0
    # 1. Read fast, unless that is not safe.
    if is_plain(batch):
        try:
            for record in DefaultRecordBatch(batch):
                yield record
                read += 1
        except UnicodeDecodeError:
            pass
        else:
            return
    # 2. Read on from the failing record with a slow reader (7 us a record) that takes any header.
    yield from lenient_records(batch, read)


def _require_offset(offset: int, first: int, last: int) -> None:
    """Refuse a record whose offset is not one of those left in its batch.

    A broker counts the records of a batch, but accepts any offsets in an uncompressed one. With such an offset the next
    offset to fetch could be far beyond the end of the partition, and no router could start there any more.

    Raises:
        UnreadBatchError: the offset is below `first`, or above `last`.
    """
    if not first <= offset <= last:
        raise UnreadBatchError("undecodable", f"a record has offset {offset}, where {first} to {last} are left")


def _cause(error: Exception) -> str:
    """The detail of a dead letter for a batch that can't be read."""
    return f"the batch can't be read: {type(error).__name__}: {error}"[:MAX_DETAIL]


class BoundedLegacyBatch:
    """A batch of format 0 or 1, as brokers before 3.0 kept them: a single record, or a compressed set of records.

    Args:
        batch: aiokafka's own object.
        of: the whole batch.
    """

    __slots__ = ("_batch", "_of")

    def __init__(self, batch: Any, of: memoryview) -> None:
        self._batch = batch
        self._of = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        """The records; one last record stands for all that can't be read."""
        last: int = self._batch.next_offset - 1
        next_offset = 0
        try:
            self._require_unpackable()
            for record in self._batch:
                _require_offset(record.offset, next_offset, last)
                yield record if record.timestamp is not None else _with_timestamp(record)
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield self._unread(last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - as in BoundedBatch
            yield self._unread(last, "undecodable", _cause(error))

    def _unread(self, last: int, reason: UnreadReason, detail: str) -> ReadRecord:
        return ReadRecord(last, _NO_TIMESTAMP, 0, None, UnreadValue(reason, detail, first_offset=last))

    def _require_unpackable(self) -> None:
        """Unpack the batch once: aiokafka, which unpacks it afterwards, has no limit of its own.

        Raises:
            UnreadBatchError: the batch is beyond the limit, or can't be unpacked.
        """
        codec = self._of[_LEGACY_ATTRIBUTES] & _CODEC
        if not codec:
            return
        at = _LEGACY_KEY if self._of[_LEGACY_ATTRIBUTES - 1] == 0 else _LEGACY_KEY + 8  # format 1 has a timestamp
        (key_length,) = struct.unpack_from(">i", self._of, at)
        unpacked(self._of[at + 8 + max(0, key_length) :], codec)


def _with_timestamp(record: Any) -> ReadRecord:
    """A record of format 0. Such records have no timestamp; aiokafka sets None, which no reader expects."""
    return ReadRecord(record.offset, _NO_TIMESTAMP, 0, record.key, record.value)


class BoundedRecords(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka is untyped
    """The batches of a fetch. Replaces aiokafka's `MemoryRecords`."""

    def next_batch(self) -> Any:
        """The next batch; None after the last.

        Raises:
            CorruptRecordException: the batch is damaged. No producer can cause that: the fetch is tried again.
        """
        of = self._next_slice
        try:
            batch = super().next_batch()
        except SystemError as error:  # aiokafka reads a legacy batch before it checks the checksum
            raise CorruptRecordException(f"a batch is damaged: {error}") from error
        if batch is None:
            return None
        return BoundedLegacyBatch(batch, of) if isinstance(batch, LegacyRecordBatch) else BoundedBatch(of)


def work_of(record: Any) -> int:
    """Bytes that were unpacked for a record, or that the record takes in memory if that is more; about.

    1,000 records in 48 KB of batches had keys of 1 MB each; 1,000 in 5 KB of batches had 1,000 headers each.
    """
    size = 0
    for field in (record.key, record.value):
        if field.__class__ is UnreadValue:
            size += field.size or limits().size  # a batch that is too large was unpacked up to the limit
        elif field is not None:
            size += len(field)
    for name, held in record.headers:
        size += HEADER_WORK + len(name) + (0 if held is None else len(held))
    return size


def bounded_key(key: bytes | None) -> bytes | None:
    """Deserialize the key of a source record: of a key that is too large only the size is kept."""
    if key is None or len(key) <= MAX_KEY_BYTES or key.__class__ is UnreadValue:
        return key
    return UnreadValue("too-large", f"a key of {len(key)} bytes; at most {MAX_KEY_BYTES} are kept", size=len(key))


def bounded_value(value: bytes | None) -> bytes | None:
    """Deserialize the value of a source record: of a value that is too large for an event only the beginning is kept.

    `getmany` returns 1,000 records at a time; whole, they could be gigabytes.
    """
    if value is None or len(value) <= MAX_VALUE_BYTES or value.__class__ is UnreadValue:
        return value
    detail = f"{len(value)} bytes; at most {MAX_VALUE_BYTES} are taken"
    return UnreadValue("too-large", detail, kept=value[:KEPT_BYTES], size=len(value))
