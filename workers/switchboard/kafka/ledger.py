"""The ledger: what a shard decided becomes visible in one fenced Kafka transaction, or not at all.

It knows no domain: values are bytes already, and all of a shard's records go to the partition of its number.
"""

import asyncio
import contextlib
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
from switchboard.kafka.clients import BATCH_BYTES, Connection, in_words, transactional_producer
from switchboard.kafka.topics import Topic, TopicNames

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]
"""A list at run time: aiokafka takes nothing else."""
Record = tuple[bytes | None, bytes | None, Headers]
"""(key, value, headers); a value of None is a tombstone."""

OPEN_SECONDS: Final = 15
"""A takeover takes 0.1 s; a coordinator that is just being elected takes a few."""
COMMIT_SECONDS: Final = 10
STOP_SECONDS: Final = 5
CLEAN_COMMIT_SECONDS: Final = 3
CLEAN_STOP_SECONDS: Final = 2
"""aiokafka's `commit_transaction()` and `stop()` can hang for ever, hence a deadline on each: the shorter ones on a
clean stop, so that a router is gone within 5 s."""

ZSTD: Final = 4
"""The codec, as in a batch's attributes."""


@dataclass(slots=True)
class CommitBatch:
    """All that one transaction makes visible."""

    outputs: defaultdict[Topic, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """Frames, decisions, rows, tombstones, dead letters and progress, by topic, in order."""

    def add(self, topic: Topic, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """One more record for a topic; in a hot loop append to `outputs[topic]` itself."""
        self.outputs[topic].append((key, value, headers or []))

    def extend(self, following: "CommitBatch") -> None:
        """Take in what is to become visible with this, and stands behind it."""
        for topic, records in following.outputs.items():
            self.outputs[topic] += records


class Ledger:
    """One shard's only way out to the bus.

    Args:
        conn: the cluster.
        transactional_id: the shard's, static (`GROUP-shard-I`): TxnOffsetCommit has no member epochs in aiokafka, so
            that it is the id alone which fences.
        names: the topics' names on the bus.
        shard: the partition that all goes to.
    """

    def __init__(self, conn: Connection, transactional_id: str, names: TopicNames, shard: int) -> None:
        self._conn = conn
        self._transactional_id = transactional_id
        self._names = names
        self._shard = shard
        self._producer: AIOKafkaProducer | None = None
        self._lost: LedgerLostError | None = None

    async def open(self) -> None:
        """Take the shard: fences whoever held it, and aborts what they left open.

        Raises:
            LedgerLostError: not within `OPEN_SECONDS`, or refused.
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
        """Make the batch visible, whole, or nothing of it.

        1. begin a transaction;
        2. pack the records into batches, by topic;
        3. hand all batches to the producer;
        4. wait for the broker's answer to each, and check each;
        5. commit.

        Args:
            batch: what to make visible; an empty one does nothing.
            within: seconds for all of it.

        Raises:
            FencedError: the shard is another's, or the transaction ran out of time.
            LedgerLostError: anything else, a passed deadline too. Either way the ledger is closed for good.
            ValueError: a record is larger than a batch may be; nothing was sent and the ledger is as it was.
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
        """Let go of the shard; returns within `CLEAN_STOP_SECONDS`, or `STOP_SECONDS` if not `clean`."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, CLEAN_STOP_SECONDS if clean else STOP_SECONDS)

    async def _transact(self, producer: AIOKafkaProducer, packed: list[tuple[str, BatchBuilder]]) -> None:
        # 1. begin
        await producer.begin_transaction()
        # 3. send; this waits where a partition's batch before is still on its way
        answers = [await producer.send_batch(each, name, partition=self._shard) for name, each in packed]
        # 4. check: aiokafka's commit_transaction() commits even where a batch was rejected, since it never looks at
        #    the futures. Decisions became visible without their rows.
        for answer in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        # 5. commit
        await producer.commit_transaction()

    def _pack(self, producer: AIOKafkaProducer, batch: CommitBatch) -> list[tuple[str, BatchBuilder]]:
        # 2. pack: `create_batch` is several times cheaper than a `send` a record. One clock for all of a commit.
        now = time.time_ns() // 1_000_000
        by_topic = [
            [(self._names.of(topic), full) for full in _batches(producer, topic, records, now)]
            for topic, records in batch.outputs.items()
            if records
        ]
        # Each topic's first batch, then each one's second: what is handed over together goes out in one request.
        return [each for turn in zip_longest(*by_topic) for each in turn if each is not None]

    async def _lose(self, what: str, cause: BaseException) -> LedgerLostError:
        """Close the producer for good, and remember why."""
        cause = _first_cause(self._producer, cause)
        fenced = isinstance(cause, ProducerFenced | InvalidProducerEpoch)
        told = "its deadline passed" if isinstance(cause, TimeoutError) else in_words(cause)
        message = f"ledger of shard {self._shard} ({self._transactional_id}): {what}: {told}"
        self._lost = FencedError(message) if fenced else LedgerLostError(message)
        self._lost.__cause__ = cause
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abandon(producer)
        return self._lost


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes that a record takes alone in a batch, at most."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
    return size


def _compressed_batch() -> BatchBuilder:
    """A batch as a transactional producer makes them, but compressed: a producer has one codec for all topics."""
    return BatchBuilder(BATCH_BYTES, ZSTD, is_transactional=True)


def _batches(producer: AIOKafkaProducer, topic: Topic, records: list[Record], now: int) -> list[BatchBuilder]:
    # Dead letters: 1,000 a second of 60 KB each are 60 MB/s, which the decisions would have to wait for.
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
        # A batch takes its first record whatever its size.
        if each.size() > BATCH_BYTES:
            raise ValueError(f"a record for {topic} takes {each.size()} bytes, and a batch holds {BATCH_BYTES}")
        each.close()
    return done


async def stop_producer(producer: AIOKafkaProducer, within: float) -> None:
    """Stop a producer once all that it was given is acknowledged, or without that when so many seconds are over."""
    try:
        async with asyncio.timeout(within):
            await producer.stop()
    except Exception:
        log.warning("a producer did not stop within %s s: abandoned", within)
        log.debug("a producer did not stop", exc_info=True)
        await _abandon(producer)


def _first_cause(producer: AIOKafkaProducer | None, cause: BaseException) -> BaseException:
    """What ended the producer, if something did.

    A fencing that it learns of between two batches of a commit reaches us as an IllegalOperation.
    """
    sender = producer._sender.sender_task if producer is not None else None  # noqa: SLF001 - there is no public way
    if sender is None or not sender.done() or sender.cancelled():
        return cause
    return sender.exception() or cause


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer that may be hanging, without flushing: its tasks would otherwise go on to retry for ever."""
    # aiokafka's stop() flushes first, and its sender, when cancelled, waits for the requests under way: while no broker
    # answers, both hang. There is no public way, so: cancel the sender together with what it waits for, then cut the
    # connections. (What it waits for is known to its own frame alone.)
    sender = producer._sender.sender_task  # noqa: SLF001
    if sender is not None and not sender.done():
        under_way = sender.get_coro().cr_frame.f_locals.get("tasks", set())
        for task in (sender, *under_way):
            task.cancel()
        await asyncio.wait([sender, *under_way], timeout=STOP_SECONDS)
    producer._closed = True  # noqa: SLF001
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.client.close()
