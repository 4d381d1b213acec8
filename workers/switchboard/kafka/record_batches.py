r"""Record batches as a fetch brings them: unpacked within bounds, and read record by record.

aiokafka unpacks a batch whatever its size, builds every header of a record, and decodes header names strictly. A broker
with default limits accepts a batch of 1 MB that unpacks to gigabytes, a record with ten million headers, and a header
name that is no UTF-8; each of them ended every reader of its partition, and ended it again after each restart. Here
such a batch, or such a record, is handed out as one record whose value is `UnreadValue`.
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
"""Unpacked bytes of one partition that a call of `getmany` hands out, about: some 10 ms in which nothing else runs."""
MAX_KEY_BYTES: Final = 65_536
"""A record's key may be this long; of a longer one only the length is kept. No decision depends on a key."""
HEADER_WORK: Final = 160
"""Bytes of memory that a header takes beside its name and value, about."""

_CODEC: Final = 0x07
_NO_TIMESTAMP: Final = -1
"""As Kafka writes it."""

# Byte offsets in a batch of format 0 and 1.
_LEGACY_ATTRIBUTES: Final = 17
_LEGACY_KEY: Final = 18


class BoundedBatch:
    """A batch of format 2, read within bounds. All attributes but the records are those of aiokafka's class.

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
        """The only record of a control batch, which aiokafka's fetcher reads to recognize an abort marker."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """The records. If one can't be read, a record with an `UnreadValue` replaces the rest of the batch."""
        last: int = self._batch.next_offset - 1
        next_offset: int = self._batch.base_offset
        try:
            for record in self._records():
                _require_offset(record.offset, next_offset, last)
                yield record
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield from self._unread(next_offset, last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - whatever the bytes make a reader raise
            # The checksum is right, so this is what the producer wrote: another fetch would bring the same bytes.
            yield from self._unread(next_offset, last, "undecodable", _cause(error))

    def _records(self) -> Iterator[Any]:
        batch: bytes | memoryview | None = self._unpacked()
        assert batch is not None  # noqa: S101 - for the type: it is given up below
        if len(batch) <= PIECE_BYTES:
            yield from _read(batch)
            return
        # Not kept unpacked while its pieces are read: 24 partitions with a batch of 5 KB each that unpacks to 32 MB
        # took 800 MB. So the batch is unpacked again for each piece (20 ms).
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
        """One record with the offset `last`, in place of those from `first` to `last`; none if there are none."""
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

    A broker checks the number of records in a batch, and not the offsets in an uncompressed batch. With an offset far
    beyond the partition's end as the next one to read, no router could open its shard any more.

    Raises:
        UnreadBatchError: the offset is below `first`, or above `last`.
    """
    if not first <= offset <= last:
        raise UnreadBatchError("undecodable", f"a record has offset {offset}, where {first} to {last} are left")


def _cause(error: Exception) -> str:
    """Why a batch can't be read, for the detail of a dead letter."""
    return f"the batch can't be read: {type(error).__name__}: {error}"[:MAX_DETAIL]


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
        """The records. If one can't be read, a record with an `UnreadValue` replaces the rest of the batch."""
        last: int = self._batch.next_offset - 1
        next_offset = 0
        try:
            self._try_to_unpack()
            for record in self._batch:
                _require_offset(record.offset, next_offset, last)
                yield record if record.timestamp is not None else _untimed(record)
                next_offset = record.offset + 1
        except UnreadBatchError as error:
            yield self._unread(last, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - as in BoundedBatch
            yield self._unread(last, "undecodable", _cause(error))

    def _unread(self, last: int, reason: UnreadReason, detail: str) -> ReadRecord:
        return ReadRecord(last, _NO_TIMESTAMP, 0, None, UnreadValue(reason, detail, first_offset=last))

    def _try_to_unpack(self) -> None:
        """Unpack once to see whether it is within the limit: aiokafka has no bound of its own."""
        codec = self._of[_LEGACY_ATTRIBUTES] & _CODEC
        if not codec:
            return
        at = _LEGACY_KEY if self._of[_LEGACY_ATTRIBUTES - 1] == 0 else _LEGACY_KEY + 8  # format 1 has a timestamp
        (key_length,) = struct.unpack_from(">i", self._of, at)
        unpacked(self._of[at + 8 + max(0, key_length) :], codec)


def _untimed(record: Any) -> ReadRecord:
    """A record of format 0, which has no timestamp. aiokafka's value is None, and all readers expect a number."""
    return ReadRecord(record.offset, _NO_TIMESTAMP, 0, record.key, record.value)


class BoundedRecords(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka is untyped
    """The batches of a fetch, one by one. Replaces aiokafka's `MemoryRecords`."""

    def next_batch(self) -> Any:
        """The next batch; None after the last.

        Raises:
            CorruptRecordException: a batch is damaged as no producer can cause it; aiokafka fetches it again.
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
    """Bytes that were unpacked for a record, plus the memory of its headers; about.

    Keys and headers count too: 1,000 records with keys of 1 MB each came in 48 KB of batches, and 1,000 records with
    1,000 headers each in 5 KB.
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
    """The key deserializer of consumers of source topics: of a key that is too large only the size is kept."""
    if key is None or len(key) <= MAX_KEY_BYTES or key.__class__ is UnreadValue:
        return key
    return UnreadValue("too-large", f"a key of {len(key)} bytes; at most {MAX_KEY_BYTES} are kept", size=len(key))


def bounded_value(value: bytes | None) -> bytes | None:
    """The value deserializer of consumers of source topics: of a value too large for an event the beginning is kept.

    A consumer returns 1,000 records at a time, whose whole values could be gigabytes.
    """
    if value is None or len(value) <= MAX_VALUE_BYTES or value.__class__ is UnreadValue:
        return value
    detail = f"{len(value)} bytes; at most {MAX_VALUE_BYTES} are taken"
    return UnreadValue("too-large", detail, kept=value[:KEPT_BYTES], size=len(value))
