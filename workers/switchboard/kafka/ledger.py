"""The ledger: makes the records of a commit visible in one fenced Kafka transaction, all or none.

The ledger handles bytes only. All records of a shard go to the partition with the number of the shard.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from switchboard.errors import FencedError, LedgerLostError
from switchboard.kafka.aiokafka_patches import abandon_producer, sender_error
from switchboard.kafka.clients import BATCH_BYTES, Connection, in_words, transactional_producer
from switchboard.kafka.topics import Topic, TopicNames

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]
"""A list at run time: aiokafka accepts no other sequence."""
Record = tuple[bytes | None, bytes | None, Headers]
"""(key, value, headers); a value of None is a tombstone."""

OPEN_SECONDS: Final = 15
"""Time to open. Fencing the previous owner takes 0.1 s; the election of a coordinator takes some seconds."""
COMMIT_SECONDS: Final = 10
STOP_SECONDS: Final = 5
CLEAN_COMMIT_SECONDS: Final = 3
CLEAN_STOP_SECONDS: Final = 2
"""Deadlines for a commit and for stopping a producer: aiokafka's `commit_transaction()` and `stop()` can hang for ever.
Those of a clean end are shorter, and 5 s together."""

ZSTD: Final = 4
"""The compression codec, as in the attributes of a record batch."""


@dataclass(slots=True)
class CommitBatch:
    """The records that one transaction makes visible."""

    outputs: defaultdict[Topic, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """Frames, decisions, rows, tombstones, dead letters and progress, by topic, in order."""

    def add(self, topic: Topic, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Add a record. Hot loops append to `outputs[topic]` directly."""
        self.outputs[topic].append((key, value, headers or []))

    def extend(self, following: "CommitBatch") -> None:
        """Append the records of `following`, which become visible in the same transaction."""
        for topic, records in following.outputs.items():
            self.outputs[topic] += records


class Ledger:
    """The only writer of a shard's records.

    Args:
        conn: the cluster.
        transactional_id: of the shard, always the same (`GROUP-shard-I`). aiokafka sends no member epochs with a
            transaction, so only the id fences.
        names: the topics' names on the bus.
        shard: the partition of every record.
    """

    def __init__(self, conn: Connection, transactional_id: str, names: TopicNames, shard: int) -> None:
        self._conn = conn
        self._transactional_id = transactional_id
        self._names = names
        self._shard = shard
        self._producer: AIOKafkaProducer | None = None
        self._lost: LedgerLostError | None = None

    async def open(self) -> None:
        """Take the shard: fence its last owner, and abort the transaction that the owner left open.

        Raises:
            LedgerLostError: no success within `OPEN_SECONDS`, or the broker refused.
        """
        self._producer = transactional_producer(self._conn, self._transactional_id)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._producer.start()
        except asyncio.CancelledError as cause:
            await self._lose("opening was cancelled", cause)
            raise
        except Exception as cause:
            raise await self._lose("could not be opened", cause) from cause

    async def commit(self, batch: CommitBatch, *, within: float = COMMIT_SECONDS) -> None:
        """Make all records of the batch visible, or none.

        1. pack the records into batches, by topic;
        2. begin a transaction;
        3. hand all batches to the producer;
        4. await and check the broker's answer to each batch;
        5. commit.

        Args:
            batch: the records; an empty batch causes no transaction.
            within: seconds for steps 2 to 5.

        Raises:
            FencedError: another router has the shard, or the transaction timed out. The ledger is closed for good.
            LedgerLostError: any other failure, a passed deadline included. The ledger is closed for good.
            ValueError: a record is larger than a batch may be. Nothing was sent, and the ledger is still open.
        """
        if self._lost is not None:
            raise self._lost
        if self._producer is None:
            raise LedgerLostError(f"the ledger of shard {self._shard} is not open")
        packed = self._pack(self._producer, batch)
        if not packed:
            return
        try:
            async with asyncio.timeout(within):
                await self._transact(self._producer, packed)
        except asyncio.CancelledError as cause:
            await self._lose("a commit was cancelled", cause)
            raise
        except Exception as cause:
            raise await self._lose("a commit failed", cause) from cause

    async def close(self, *, clean: bool = True) -> None:
        """Stop the producer within `CLEAN_STOP_SECONDS`, or `STOP_SECONDS` if not `clean`; else abandon it.

        To abandon a producer takes twice `STOP_SECONDS` at most.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, CLEAN_STOP_SECONDS if clean else STOP_SECONDS)

    async def _transact(self, producer: AIOKafkaProducer, packed: list[tuple[str, BatchBuilder]]) -> None:
        """Steps 2 to 5 of `commit`, which need the broker."""
        # 2. begin
        await producer.begin_transaction()
        # 3. send; waits while the previous batch of a partition is under way
        answers = [await producer.send_batch(each, name, partition=self._shard) for name, each in packed]
        # 4. check: aiokafka's commit_transaction() ignores these futures, and commits although a batch was rejected.
        #    Without the check, decisions became visible without their rows.
        for answer in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        # 5. commit
        await producer.commit_transaction()

    def _pack(self, producer: AIOKafkaProducer, batch: CommitBatch) -> list[tuple[str, BatchBuilder]]:
        """Step 1 of `commit`: the records in batches, each with its topic's name on the bus."""
        # `create_batch` is several times cheaper than one `send` for each record. All records of a commit have the same
        # timestamp.
        now = time.time_ns() // 1_000_000
        by_topic = [
            [(self._names.of(topic), full) for full in _batches(producer, topic, records, now)]
            for topic, records in batch.outputs.items()
            if records
        ]
        # The first batch of each topic, then the second of each: neighbours are sent in one request.
        return [each for turn in zip_longest(*by_topic) for each in turn if each is not None]

    async def _lose(self, what: str, cause: BaseException) -> LedgerLostError:
        """Close the producer for good, and keep the error for later commits."""
        if self._producer is not None:
            cause = sender_error(self._producer) or cause
        fenced = isinstance(cause, ProducerFenced | InvalidProducerEpoch)
        reason = "its deadline passed" if isinstance(cause, TimeoutError) else in_words(cause)
        message = f"ledger of shard {self._shard} ({self._transactional_id}): {what}: {reason}"
        self._lost = FencedError(message) if fenced else LedgerLostError(message)
        self._lost.__cause__ = cause
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon_producer(producer, STOP_SECONDS)
        return self._lost


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Upper bound of the bytes that a record takes in a batch of its own."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
    return size


def _compressed_batch() -> BatchBuilder:
    """A compressed batch of a transaction; the producer's own setting would compress all topics."""
    return BatchBuilder(BATCH_BYTES, ZSTD, is_transactional=True)


def _batches(producer: AIOKafkaProducer, topic: Topic, records: list[Record], now: int) -> list[BatchBuilder]:
    """The records of one topic in closed batches, in order.

    Args:
        producer: of the ledger.
        topic: of the records.
        records: at least one.
        now: the records' timestamp, ms.

    Raises:
        ValueError: a record is larger than a batch may be.
    """
    # Dead letters are compressed: 1,000 of 60 KB a second are 60 MB/s, and would delay the decisions.
    create = _compressed_batch if topic is Topic.DEAD_LETTER else producer.create_batch
    batch = create()
    done = [batch]
    append = batch.append
    for key, value, headers in records:
        if append(timestamp=now, key=key, value=value, headers=headers) is not None:
            continue
        batch = create()
        done.append(batch)
        append = batch.append
        append(timestamp=now, key=key, value=value, headers=headers)
    for each in done:
        # A batch accepts its first record whatever the size.
        if each.size() > BATCH_BYTES:
            raise ValueError(f"a record for {topic} takes {each.size()} bytes, and a batch holds {BATCH_BYTES}")
        each.close()
    return done


async def stop_producer(producer: AIOKafkaProducer, within: float) -> None:
    """Stop a producer once its records are acknowledged; after `within` seconds abandon the producer."""
    try:
        async with asyncio.timeout(within):
            await producer.stop()
    except Exception:
        log.warning("a producer did not stop within %s s: abandoned", within)
        log.debug("a producer did not stop", exc_info=True)
        await abandon_producer(producer, STOP_SECONDS)
