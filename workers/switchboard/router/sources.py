"""The source topics of a shard: read, decoded, merged, and how far each partition is read."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from switchboard.domain.events import Event
from switchboard.errors import BrokerAwayError, SourceGoneError
from switchboard.journal.codec import BadInput, decode_event
from switchboard.kafka.clients import Connection, in_words, source_reader
from switchboard.kafka.merged_reader import MergedReader
from switchboard.kafka.open_transactions import Ends
from switchboard.kafka.positions import cut, not_there, unreadable
from switchboard.kafka.reading import Offsets, partitions_of
from switchboard.kafka.record_batches import work_of
from switchboard.kafka.record_merge import Dropped, Item, Taken, rank_of
from switchboard.kafka.topics import TopicNames
from switchboard.router.pool_shards import ShardPools
from switchboard.router.source_progress import Batch, Moment, SourceProgress

log = logging.getLogger(__name__)

RELIST_SECONDS: Final = 30.0
"""How often partitions are listed again."""
WAITING_FETCH_SECONDS: Final = 0.05
"""A fetch lasts no longer while the merge waits for a partition."""
AWAY_SECONDS: Final = 5.0
"""If no broker has answered a fetch for so long, the brokers count as away."""
STOP_SECONDS: Final = 2.0
"""Time for each of the two steps of closing."""
COMMIT_SECONDS: Final = 2.0
"""Time to commit offsets to the group."""
DEADLINE_SECONDS: Final = 10.0
"""Time to start the consumer and list the partitions, and time to begin to read new partitions."""
ANSWER_SECONDS: Final = 5.0
"""Offsets in a fetch's answer count as current for so long."""


class SourceDecoder:
    """Decodes source records for one shard, and drops those of other shards.

    Args:
        shard: the shard's index.
        shards: number of shards; with one no record is dropped.
        poison: records that made the engine fail, with the error; they become bad input. Filled by `EngineFailures`.
    """

    def __init__(self, shard: int, shards: int, poison: Mapping[tuple[str, int, int], str]) -> None:
        self._pools = ShardPools(shard, shards) if shards > 1 else None
        self._poison = poison

    def decode(self, topic: str, records: Sequence[ConsumerRecord]) -> Iterable[Item]:
        """Decode or drop records of one partition, given the topic's bare name."""
        now = time.monotonic()
        pools = self._pools
        foreign: list[ConsumerRecord] = []
        for record in records:
            if pools is not None and pools.is_foreign(record):
                foreign.append(record)
                continue
            if foreign:
                yield Dropped.of(foreign, now)
                foreign = []
            yield self._decoded(topic, record, now)
        if foreign:
            yield Dropped.of(foreign, now)

    def _decoded(self, topic: str, record: ConsumerRecord, now: float) -> Taken:
        source = (record.topic, record.partition, record.offset)
        what = decode_event(topic, record.headers, record.value, source=source, timestamp=record.timestamp)
        if self._poison and source in self._poison:
            what = BadInput("engine-error", self._poison[source], what.pool)
        return Taken(record.timestamp, rank_of(what), what, record, _size_of(what, record), work_of(record), now)


def _size_of(what: Event | BadInput, record: ConsumerRecord) -> int:
    """The share of a record in the bytes of a frame."""
    size = len(record.value or b"")
    if isinstance(what, Event):
        return size
    # A dead letter holds the whole record, and costs a quarter of an event of that size, because it is only compressed.
    return (size + len(record.key or b"") + sum(len(name) + len(held or b"") for name, held in record.headers)) // 4


class Sources:
    """One shard's consumer of all source partitions.

    Args:
        conn: the cluster.
        names: the topics' names.
        group: offsets are committed to this group, for lag tools and the monitor only.
        merge_wait: seconds to wait for a partition that has lag and delivers nothing.
        longest_outage: seconds. Older records come after the others of a frame (`fair_merge`).
        decoder: decodes the records.
        relist_every: seconds between two looks for new partitions.
    """

    def __init__(
        self,
        conn: Connection,
        names: TopicNames,
        group: str,
        merge_wait: float,
        longest_outage: float,
        decoder: SourceDecoder,
        relist_every: float,
    ) -> None:
        self._conn = conn
        self._relist_every = relist_every
        topics = {name: str(topic) for name, topic in names.sources.items()}
        self._topics = list(topics)
        self._consumer: AIOKafkaConsumer = source_reader(conn, group)
        self._reader = MergedReader(self._consumer, topics, merge_wait, decoder.decode)
        self._progress = SourceProgress(self._reader.merge, longest_outage, time.monotonic())
        self._relisted = 0.0
        self._group_commit: asyncio.Task[None] | None = None
        self._listing: asyncio.Future[list[TopicPartition]] | None = None

    async def open(self, offsets: Offsets) -> None:
        """Read on from these offsets; partitions that are not among them are read from their beginning.

        Raises:
            SourceGoneError: an offset is no longer there.
            NotAllowedError: the right to describe a topic is missing.
            BrokerAwayError, KafkaError, TimeoutError: no broker answers.
        """
        self._progress.known = {TopicPartition(*place): offset for place, offset in offsets.items()}
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._consumer.start()
            found = await partitions_of(self._conn, self._topics)
        await self._list(found)

    async def close(self) -> None:
        """Stop reading."""
        under_way = [each for each in (self._group_commit, self._listing) if each is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_SECONDS)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._consumer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning("a source consumer did not stop: %s", in_words(error))

    async def take(self, most: int, most_bytes: int, wait: float) -> Batch:
        """The next records; an empty batch if none came within `wait` seconds, dropped ones included.

        Args:
            most: records taken at most.
            most_bytes: bytes of record values after which no more are taken, about.
            wait: seconds.

        Raises:
            SourceGoneError: a topic was deleted or cut while it was read.
            KafkaError: not allowed to read, and the like.
            TimeoutError: no broker answers while reading of a new partition begins.
        """
        await self._relist()
        until = time.monotonic() + wait
        while True:
            await self._fetch(0.0)
            batch = self._progress.take(_now(), most, most_bytes, away=not self.answered_within(AWAY_SECONDS))
            left = until - time.monotonic()
            if batch.taken or batch.passed or left <= 0:
                return batch
            await self._fetch(min(left, WAITING_FETCH_SECONDS) if self._reader.merge.is_waiting else left)

    async def _fetch(self, wait: float) -> None:
        try:
            await self._reader.fetch(wait)
        except OffsetOutOfRangeError as error:
            gone = error.args[0] if error.args and isinstance(error.args[0], dict) else self._progress.partitions
            raise SourceGoneError(str(unreadable(min(gone)))) from error

    # How far the partitions are read

    @property
    def read_to_end(self) -> bool:
        """Whether every partition was read to its end within the last second (see `SourceProgress.read_to_end`)."""
        return self._progress.read_to_end(_now())

    @property
    def lag(self) -> dict[TopicPartition, int]:
        """By partition, how many records are there and not taken, as far as is known."""
        return self._progress.lag({tp: self._consumer.last_stable_offset(tp) for tp in self._progress.partitions})

    @property
    def time_lags(self) -> dict[TopicPartition, float]:
        """By partition, the clock less the timestamp of the next or last record, in s; negative: it is ahead."""
        return self._progress.time_lags(_now())

    @property
    def ends(self) -> dict[TopicPartition, Ends]:
        """Last stable offset and high watermark of the partitions whose leaders answered within ANSWER_SECONDS."""
        oldest = (time.time() - ANSWER_SECONDS) * 1000
        found = {}
        for tp in self._progress.partitions:
            stable, high = self._consumer.last_stable_offset(tp), self._consumer.highwater(tp)
            polled = self._consumer.last_poll_timestamp(tp)
            if stable is not None and high is not None and polled is not None and polled >= oldest:
                found[tp] = Ends(stable, high)
        return found

    def answered_within(self, seconds: float) -> bool:
        """Whether a broker has answered a fetch within this time."""
        oldest = (time.time() - seconds) * 1000
        polls = (self._consumer.last_poll_timestamp(tp) for tp in self._progress.partitions)
        return any(poll is not None and poll >= oldest for poll in polls)

    def pass_markers(self) -> Offsets:
        """New next offsets of fully read partitions whose tail is only transaction markers."""
        return self._progress.pass_markers()

    def commit_to_group(self, offsets: Offsets) -> None:
        """Commit offsets to the group in the background, for lag tools and the monitor; no decision depends on them."""
        if self._group_commit is None or self._group_commit.done():
            self._group_commit = asyncio.ensure_future(self._commit_to_group(offsets))

    async def _commit_to_group(self, offsets: Offsets) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (TimeoutError, KafkaError) as error:
            log.debug("offsets were not committed to the group: %s", in_words(error))

    # New partitions

    async def _relist(self) -> None:
        """Look for new partitions every `relist_every` s, while reading goes on."""
        if self._listing is None:
            if time.monotonic() - self._relisted > self._relist_every:
                self._listing = asyncio.ensure_future(partitions_of(self._conn, self._topics))
        elif self._listing.done():
            listing, self._listing = self._listing, None
            try:
                found = listing.result()
            except (BrokerAwayError, KafkaError, TimeoutError) as error:
                log.debug("partitions were not listed: %s", in_words(error))
                self._relisted = time.monotonic()
            else:
                await self._list(found)

    async def _list(self, found: list[TopicPartition]) -> None:
        """Given all partitions that exist, begin to read the new ones.

        Raises:
            SourceGoneError: a partition that was read is no longer there, or no longer holds the next offset.
        """
        self._relisted = time.monotonic()
        for gone in not_there(self._progress.known, found):
            raise SourceGoneError(str(gone))
        new = set(found) - self._progress.partitions.keys()
        if new:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._begin(new)

    async def _begin(self, new: set[TopicPartition]) -> None:
        beginnings = await self._consumer.beginning_offsets(list(new))
        ends = await self._consumer.end_offsets(list(new))
        positions = await self._reader.positions()
        for gone in cut(self._progress.known, beginnings, ends):
            raise SourceGoneError(str(gone))
        self._reader.assign(positions | {tp: self._progress.known.get(tp, beginnings[tp]) for tp in new})


def _now() -> Moment:
    return Moment(time.monotonic(), time.time())
