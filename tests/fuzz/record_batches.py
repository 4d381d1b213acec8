"""Record batches of all formats as a fetch brings them, read within bounds."""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, ClassVar, Final

import cramjam
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder, _LegacyRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import calc_crc32c, decode_varint_py

from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, UnreadValue
from switchboard.journal.schemas import MAX_DETAIL
from switchboard.kafka.batch_codecs import BatchLimits, set_limits
from switchboard.kafka.record_batches import BoundedRecords, bounded_value
from switchboard.kafka.record_parser import MAX_HEADER_BYTES, MAX_HEADERS
from tests.batches import nullable, varint
from tests.fuzz.source_records import NOW, random_timestamp, source_record
from tests.fuzz.target import Target, require
from tests.fuzz.texts import damaged, odd_bytes

LIMITS: Final = BatchLimits(size=1024 * 1024, records=2_000)
"""Smaller than a router's, so that thousands of batches beyond them can be tried."""
TP: Final = TopicPartition("chat-arrival", 0)
CODECS: Final = (0, 0, 1, 2, 3, 4)
_PACK: Final[dict[int, Callable[[bytes], Any]]] = {
    1: lambda data: gzip.compress(data, mtime=0),  # the same bytes each time
    2: cramjam.snappy.compress_raw,
    3: cramjam.lz4.compress,
    4: cramjam.zstd.compress,
}
BOMB_BYTES: Final = (LIMITS.size - 61, LIMITS.size, LIMITS.size + 1, 8 * LIMITS.size)
BIGGEST_BOMB_BYTES: Final = 128 * 1024 * 1024
SPAN: Final = 5_000
"""Offsets from one batch to the next, at least: a broker gives each batch its own."""
_LENGTH: Final = 8
_MAGIC: Final = 16
_CRC: Final = 17
_ATTRIBUTES: Final = 21


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes that a fetch brings of one partition."""

    data: bytes


class RecordBatches(Target[Fetched]):
    """Records come out in ascending order, as aiokafka reads them where it can; memory stays within the limits."""

    name: ClassVar = "record-batches"
    checks: ClassVar = "BoundedRecords through aiokafka's PartitionRecords, against aiokafka's own reading"
    outcomes: ClassVar = frozenset(
        {"read", "nothing", "unread too-large", "unread undecodable", "refused: checksum or frame", "read leniently"}
    )
    growth_limit: ClassVar = 64 * 1024 * 1024

    def __init__(self) -> None:
        set_limits(LIMITS)

    def close(self) -> None:
        """Set the limits of a router again."""
        set_limits(BatchLimits())

    def generate(self, random: Random) -> Fetched:
        """One to three batches, sound or not; with a right checksum, mostly."""
        base = random.choice((0, 0, 7, 2**40))
        data = b""
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            data += _batch(random, base)
            base += SPAN * random.choice((1, 1, 7))
        if random.random() < 0.05:
            data = damaged(random, data)
        return Fetched(data)

    def check(self, case: Fetched) -> str:
        """Read as the fetcher does."""
        records: list[ConsumerRecord] = []
        reader = _reader(BoundedRecords(case.data))
        last = -1
        try:
            for record in reader:
                require(record.offset > last or not _is_sound(case.data), "offsets ascend", (last, record.offset))
                last = record.offset
                _check_record(record)
                records.append(record)
        except CorruptRecordException:
            # A broker checks frame and checksum of what it takes, so this is a fault of the broker or of the network.
            require(not _is_sound(case.data), "a batch with a right frame and checksum is not refused")
            return "refused: checksum or frame"
        unread = [record.value for record in records if isinstance(record.value, UnreadValue)]
        plain = None if unread else _as_aiokafka_reads(case.data)
        if plain is not None:
            require([_fields(each) for each in records] == plain, "records are as aiokafka reads them")
        if unread:
            return f"unread {unread[-1].reason}"
        if plain is None:
            return "read leniently"
        return "read" if records else "nothing"


class PlainBatch(_DefaultRecordBatchPy):  # type: ignore[misc] # aiokafka is untyped
    """A batch of format 2 as aiokafka reads it in Python, also its numbers."""

    def _read_msg(self, decode_varint: Any = decode_varint_py) -> Any:
        return super()._read_msg(decode_varint)


class PlainRecords(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka is untyped
    """Batches as aiokafka reads them in Python: its compiled readers can end the process."""

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        of = self._next_slice
        super().next_batch()
        return PlainBatch(bytearray(of)) if of[_MAGIC] >= 2 else _LegacyRecordBatchPy(bytearray(of), of[_MAGIC])


def _reader(records: Any) -> PartitionRecords:
    """What the fetcher reads the records of a partition with, as the router's consumer sets it up."""
    return PartitionRecords(
        TP,
        records,
        aborted_transactions=[],
        fetch_offset=0,
        key_deserializer=None,
        value_deserializer=bounded_value,
        check_crcs=True,
        isolation_level=READ_COMMITTED,
    )


def _check_record(record: ConsumerRecord) -> None:
    """A record that is handed to the router has bounded parts of the right kinds."""
    value, headers = record.value, record.headers
    require(value is None or len(value) <= MAX_VALUE_BYTES, "a value has at most 64 KiB", len(value or b""))
    require(record.key is None or type(record.key) is bytes, "a key is bytes or None", record.key)
    require(-(2**63) <= record.timestamp < 2**63, "a timestamp has 64 bits", record.timestamp)
    if isinstance(value, UnreadValue):
        require(0 < len(value.detail) <= MAX_DETAIL, "what was not read says why", value.detail)
        require(value.first_offset is None or value.first_offset <= record.offset, "offsets of a batch ascend")
        require(len(value) <= max(KEPT_BYTES, MAX_VALUE_BYTES), "at most 64 KiB are kept", len(value))
        return
    require(len(headers) <= MAX_HEADERS, "a record has at most 1,000 headers", len(headers))
    size = sum(len(name) + len(held or b"") for name, held in headers)
    require(size <= 4 * MAX_HEADER_BYTES, "headers have at most 64 KiB, and four characters for a byte of a name", size)
    for name, held in headers:
        require(name.encode().decode() == name, "a header's name is text", name)
        require(held is None or type(held) is bytes, "a header's value is bytes or None", held)


def _fields(record: Any) -> tuple[Any, ...]:
    headers = tuple(record.headers)
    timestamp = (
        (1 << 64) - 1 if record.timestamp is None else record.timestamp % (1 << 64)
    )  # format 0 has none; 64 bits are kept
    kind = record.timestamp_type or 0
    return record.offset, timestamp, kind, record.key, bounded_value(record.value), headers


def _as_aiokafka_reads(data: bytes) -> list[tuple[Any, ...]] | None:
    """The records as aiokafka reads them alone; None where it can't, or would unpack more than is read here."""
    try:
        if not _is_sound(data) or any(len(each) > LIMITS.size for each in _unpacked_bytes(data)):
            return None
        reader = _reader(PlainRecords(data))
        found = [_fields(record) for record in reader]
        batches = list(_places(data))
    except Exception:  # noqa: BLE001 - it raises whatever it likes
        return None
    # It hands out a record with an offset outside of its batch, which is not read here.
    return found if all(any(offset in batch for batch in batches) for offset, *_ in found) else None


def _places(data: bytes) -> Iterator[range]:
    """The offsets of each batch."""
    records = MemoryRecords(data)
    while records.has_next():
        batch = records.next_batch()
        yield range(batch.base_offset, batch.next_offset)


def _unpacked_bytes(data: bytes) -> list[bytes]:
    """The unpacked records of each batch, cut where they are too many."""
    found = []
    at = 0
    memory = bytearray(LIMITS.size + 1)
    while at + _ATTRIBUTES < len(data):
        (length,) = struct.unpack_from(">i", data, at + _LENGTH)
        codec = data[at + _ATTRIBUTES + 1] & 7 if data[at + _MAGIC] == 2 else 0
        end = at + 12 + max(length, 14)
        if codec in {1, 3, 4}:
            module = {1: cramjam.gzip, 3: cramjam.lz4, 4: cramjam.zstd}[codec]
            size = module.decompress_into(data[at + 61 : end], memory)
            found.append(bytes(memory[:size]))
        at = end
    return found


def _is_sound(data: bytes) -> bool:
    """Whether frame and checksum of every batch are right, and the batches follow one another."""
    try:
        records = MemoryRecords(data)
        last = -1
        while records.has_next():
            batch = records.next_batch()
            if batch is None or not batch.validate_crc() or batch.next_offset <= last + 1:
                return False
            last = batch.next_offset - 1
    except Exception:  # noqa: BLE001 - so they are not
        return False
    return True


def _batch(random: Random, base: int) -> bytes:
    kind = random.random()
    if kind < 0.2:
        return _legacy(random, base)
    count = random.choice((0, 1, 1, 2, 3, 20))
    if kind < 0.24:
        records, count = _many(random)
    elif kind < 0.27:
        size, codec = random.choice(BOMB_BYTES), random.choice((1, 2, 3, 4))
        if codec == 4 and random.random() < 0.2:
            size = BIGGEST_BOMB_BYTES
        return _bomb(size, codec, random.choice((b"\0", b" ")) if size != BIGGEST_BOMB_BYTES else b" ", base)
    else:
        deltas = [0] * count if random.random() < 0.05 else list(range(count))
        if random.random() < 0.1:  # a compacted topic has gaps
            deltas = sorted(random.sample(range(40), count))
        records = b"".join(_record(random, delta) for delta in deltas)
    if random.random() < 0.05:
        records = damaged(random, records)
    if random.random() < 0.02:
        count = random.choice((-1, 0, count + 1, LIMITS.records, LIMITS.records + 1, 2**31 - 1, -(2**31)))
    return _framed(random, base, records, count)


def _framed(random: Random, base: int, records: bytes, count: int) -> bytes:
    """A batch of format 2 with a right checksum, and sometimes a field that no client would write."""
    codec = random.choice(CODECS)
    if random.random() < 0.02:
        codec = random.choice((5, 6, 7))
    packed = bytes(_PACK[codec](records)) if codec in _PACK else records
    if codec == 2 and random.random() < 0.5:
        packed = _xerial(random, records)
    if random.random() < 0.02:
        packed = damaged(random, packed)
    attributes = codec
    if random.random() < 0.15:
        attributes |= random.choice((8, 16, 24, 0x4000, -0x8000))  # a broker refuses control batches (32) of clients
    # A broker takes a batch only where this fits to the number of records.
    span = max(0, min(count - 1, SPAN - 1)) if random.random() < 0.9 else random.choice((40, 40, 0, SPAN - 1, -1))
    first = random_timestamp(random)
    latest = first if random.random() < 0.9 else random_timestamp(random)
    producer = random.choice((-1, -1, -1, 7))
    checked = struct.pack(">hiqqqhii", attributes, span, first, latest, producer, -1, -1, count) + packed
    return struct.pack(">qiibI", base, 9 + len(checked), -1, 2, calc_crc32c(checked)) + checked


def _record(random: Random, delta: int) -> bytes:
    made = source_record(random)
    headers = [(name.encode(), value) for name, value in made.headers]
    if random.random() < 0.1:
        headers.append((random.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"", odd_bytes(random))), b"v"))
    count = len(headers)
    if random.random() < 0.01:
        headers *= random.choice((0, 400, 1_001))
        count = len(headers)
    if random.random() < 0.01:
        count = random.choice((-1, count + 1, 2**31 - 1, 2**62))
    shift = random.choice((0, 0, 1, -1)) if random.random() < 0.97 else random.choice((2**40, 2**63 - 1, -(2**63)))
    offset = delta if random.random() < 0.995 else random.choice((-1, 2**31, -(2**31), 2**62))
    attributes = 0 if random.random() < 0.99 else random.choice((1, 127))  # more than 127 aiokafka reads wrong
    body = bytes([attributes]) + varint(shift) + varint(offset)
    body += nullable(made.key) + nullable(made.value) + varint(count)
    body += b"".join(nullable(name) + nullable(held) for name, held in headers)
    if random.random() < 0.005:
        body = damaged(random, body)
    length = len(body)
    if random.random() < 0.005:
        length = random.choice((-1, 0, length - 1, length + 1, 2**31, 2**62))
    return varint(length) + body


def _many(random: Random) -> tuple[bytes, int]:
    """Records without anything in them, about as many as are read; or one with headers, about as many as are read."""
    if random.random() < 0.5:
        count = random.choice((LIMITS.records - 1, LIMITS.records, LIMITS.records + 1))
        return b"".join(_small(delta) for delta in range(count)), count
    headers = random.choice((MAX_HEADERS - 1, MAX_HEADERS, MAX_HEADERS + 1, 100_000))
    name = random.choice((b"\0\1", b"\2a\1", b"\2\xff\1"))
    body = b"\0" + varint(0) + varint(0) + nullable(b"k") + nullable(b"{}") + varint(headers) + name * headers
    return varint(len(body)) + body, 1


@cache
def _small(delta: int) -> bytes:
    body = b"\0" + varint(0) + varint(delta) + nullable(None) + nullable(b"{}") + varint(0)
    return varint(len(body)) + body


@cache
def _bomb_body(size: int, codec: int, fill: bytes) -> bytes:
    """Compressed bytes that unpack to one record with a value of one repeated byte."""
    head = b"\0" + varint(0) + varint(0) + nullable(None) + varint(size - 40)
    body = head + fill * (size - len(head) - 6) + varint(0)
    return bytes(_PACK[codec](varint(len(body)) + body))


def _bomb(size: int, codec: int, fill: bytes, base: int) -> bytes:
    packed = _bomb_body(size, codec, fill)
    checked = struct.pack(">hiqqqhii", codec, 0, NOW, NOW, -1, -1, -1, 1) + packed
    return struct.pack(">qiibI", base, 9 + len(checked), -1, 2, calc_crc32c(checked)) + checked


def _xerial(random: Random, records: bytes) -> bytes:
    """Snappy as Java's clients write it: in blocks."""
    out = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    size = random.choice((1, 100, 32 * 1024))
    size = max(size, len(records) // 50)
    for at in range(0, len(records), size):
        block = bytes(cramjam.snappy.compress_raw(records[at : at + size]))
        out += struct.pack(">i", len(block) if random.random() < 0.99 else random.choice((-1, 0, 2**31 - 1))) + block
    return out


def _legacy(random: Random, base: int) -> bytes:
    """A batch of format 0 or 1."""
    magic = random.choice((0, 1))
    codec = random.choice((0, 1, 2, 3)) if magic == 1 else random.choice((0, 1, 2))
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 21)
    count = random.choice((1, 1, 3, 20))
    for number in range(count):
        made = source_record(random)
        timestamp = max(0, made.timestamp) if magic else 0
        builder.append(base + number, timestamp, made.key, made.value)
    data = bytes(builder.build())
    if codec:  # a broker gives a set the offset of its last record
        data = struct.pack(">q", base + count - 1) + data[8:]
    if random.random() < 0.2:
        data = _recrc(damaged(random, data) if random.random() < 0.5 else _flipped(random, data))
    return data


def _flipped(random: Random, data: bytes) -> bytes:
    """The batch with another attribute, key length or length."""
    at = random.choice((17, 18, 26, 30))
    return data[:at] + random.choice((b"\x00", b"\x01", b"\x07", b"\xff", b"\x0b")) + data[at + 1 :]


def _recrc(data: bytes) -> bytes:
    """The first message with its length and checksum as they should be."""
    if len(data) < 26:
        return data
    body = data[16:]
    return data[:8] + struct.pack(">iI", len(body) + 4, zlib.crc32(body)) + body
