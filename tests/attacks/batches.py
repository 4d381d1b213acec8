"""Kafka record batches encoded by hand: clients refuse to build what a hostile producer sends."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import zstandard
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode
from aiokafka.errors import NotLeaderForPartitionError, for_code
from aiokafka.protocol.produce import ProduceRequest

from tests.batches import crowded_record, framed, nullable, record, varint

_ZSTD_LEVEL: Final = 3
PRODUCE_TIMEOUT_MS: Final = 30_000
LEADER_TRIES: Final = 100


class Codec(IntEnum):
    """The compression of a batch, as its attributes name it."""

    NONE = 0
    GZIP = 1
    LZ4 = 3
    ZSTD = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch whose timestamp is set when it is sent."""

    records: int
    """Number of records in it."""
    unpacked: int
    """Size of the records before compression, bytes."""
    codec: Codec
    body: bytes
    """The records, compressed."""

    def encode(self, timestamp: int) -> bytes:
        """The bytes of the batch; every record has this timestamp (ms)."""
        return framed(self.body, self.records, self.codec, timestamp=timestamp)


def with_empty_headers(headers: int) -> bytes:
    """A record `{}` with so many headers whose names and values are empty: two bytes each."""
    return crowded_record(0, b"{}", bytes(2 * headers), headers)


def batch_of(records: Sequence[bytes], codec: Codec = Codec.NONE) -> Batch:
    """A batch of records that `record` encoded, in order."""
    joined = b"".join(records)
    return Batch(len(records), len(joined), codec, _compress(joined, codec))


def batch_of_values(values: Sequence[bytes], codec: Codec = Codec.NONE, key: bytes | None = None) -> Batch:
    """A batch of records with the same key, which a compacted topic asks for, and without headers."""
    return batch_of([record(place, value, key=key) for place, value in enumerate(values)], codec)


def batch_of_blanks(size: int) -> Batch:
    """A zstd batch of one record whose value is `size` blanks; it is compressed without being built whole."""
    before = b"\0\0" + varint(0) + nullable(None) + varint(size)
    after = varint(0)
    head = varint(len(before) + size + len(after)) + before
    whole = len(head) + size + len(after)
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(size=whole)
    blanks = b" " * (1 << 20)
    body = compressor.compress(head)
    for first in range(0, size, len(blanks)):
        body += compressor.compress(blanks[: min(len(blanks), size - first)])
    body += compressor.compress(after) + compressor.flush()
    return Batch(1, whole, Codec.ZSTD, body)


def _compress(data: bytes, codec: Codec) -> bytes:
    match codec:
        case Codec.NONE:
            return data
        case Codec.GZIP:
            return bytes(gzip_encode(data))
        case Codec.LZ4:
            return bytes(lz4_encode(data))
        case Codec.ZSTD:
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)


class Poster:
    """Sends encoded batches by produce requests of its own; also an asynchronous context manager."""

    def __init__(self, bootstrap: str, topics: Iterable[str]) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=PRODUCE_TIMEOUT_MS)
        self._topics = sorted(topics)

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        await self._client.set_topics(self._topics)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, topic: str, partition: int, batch: bytes) -> int:
        """Have the broker append a batch; the offset of its first record.

        Raises:
            KafkaError: the broker refused it; says why.
        """
        for _ in range(LEADER_TRIES):
            try:
                return await self._send(topic, partition, batch)
            except NotLeaderForPartitionError:  # a topic that was just made: the broker does not know it yet
                await asyncio.sleep(0.1)
                await self._client.force_metadata_update()
        return await self._send(topic, partition, batch)

    async def _send(self, topic: str, partition: int, batch: bytes) -> int:
        node = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
        wanted = ProduceRequest(
            transactional_id=None,
            required_acks=1,
            timeout=PRODUCE_TIMEOUT_MS,
            topics=[(topic, [(partition, batch)])],
        )
        answer = await self._client.send(node, wanted)
        _, [told] = answer.topics[0]
        if told[1]:
            raise for_code(told[1])(f"{topic}/{partition}: a batch of {len(batch)} bytes was refused")
        return int(told[2])
