"""The source topics of a shard: read, decoded, merged, and how far each partition is read."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from switchboard.domain.events import Event
from switchboard.errors import BrokerAwayError, SourceGoneError
from switchboard.journal.codec import BadInput, decode_event, pool_of
from switchboard.kafka.clients import Connection, in_words, source_reader
from switchboard.kafka.merged_reader import DroppedRun, MergedReader, PartitionBuffer, Taken, rank_of
from switchboard.kafka.open_transactions import Ends
from switchboard.kafka.positions import cut, not_there, past_markers, unreadable
from switchboard.kafka.reading import Offsets, partitions_of
from switchboard.kafka.record_batches import work_of
from switchboard.kafka.topics import TopicNames
from switchboard.router.fair_merge import fair_merge
from switchboard.router.pool_shards import shard_of
from switchboard.router.time_lags import TimeLags

log = logging.getLogger(__name__)

RELIST_SECONDS: Final = 30.0
"""How often partitions are listed again."""
WAITING_FETCH_SECONDS: Final = 0.05
"""A fetch lasts no longer while the merge waits for a partition."""
OVERDUE_SECONDS: Final = 0.25
"""A record that was read so long ago and not taken is taken in turns, whatever the timestamps of the others."""
CATCH_UP_SECONDS: Final = 600.0
"""A shard that opens, or whose brokers were away, merges by time alone until all is read, and at most for so long."""
AWAY_SECONDS: Final = 5.0
"""Brokers that have answered no fetch for so long were away."""
FRESH_SECONDS: Final = 1.0
"""How long a partition counts as read to its end after it was."""
STOP_SECONDS: Final = 2.0
COMMIT_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0
"""Offsets in a fetch's answer count as current for so long."""


class SourceDecoder:
    """Decodes source records for one shard, and drops those of other shards' pools before it decodes them.

    Args:
        shard: number of the shard.
        shards: number of shards.
        poison: records that made the engine fail, with the error; they become bad input. The shard adds to it.
    """

    def __init__(self, shard: int, shards: int, poison: Mapping[tuple[str, int, int], str]) -> None:
        self._shard = shard
        self._shards = shards
        self._poison = poison

    def decode(self, topic: str, records: Sequence[ConsumerRecord], buffer: PartitionBuffer) -> None:
        """Decode records of one partition into its buffer, given the topic's bare name."""
        shards, now = self._shards, time.monotonic()
        for record in records:
            if shards > 1:
                pool = pool_of(record.headers, record.value, record.timestamp)
                if shard_of(pool, shards) != self._shard:
                    buffer.drop(record, now)
                    continue
            source = (record.topic, record.partition, record.offset)
            what = decode_event(topic, record.headers, record.value, source=source, timestamp=record.timestamp)
            if self._poison and source in self._poison:
                what = BadInput("engine-error", self._poison[source], what.pool)
            size, held = _size_of(what, record), work_of(record)
            taken = Taken(record.timestamp, rank_of(what), what, record, size, held, now, record.offset + 1)
            buffer.records.append(taken)


def _size_of(what: Event | BadInput, record: ConsumerRecord) -> int:
    """The share of a record in the bytes of a frame."""
    size = len(record.value or b"")
    if isinstance(what, Event):
        return size
    # A dead letter holds the whole record, and costs a quarter of an event of that size: it is only compressed.
    return (size + len(record.key or b"") + sum(len(name) + len(held or b"") for name, held in record.headers)) // 4


class Sources:
    """One shard's consumer of all source partitions.

    Args:
        conn: the cluster.
        names: the topics' names.
        group: offsets are committed to this group, for lag tools and the monitor only.
        merge_wait: seconds to wait for a partition that has lag and delivers nothing.
        longest_outage: seconds. Older records take turns with the others, and do not come first.
        decoder: decodes the records.
    """

    def __init__(
        self,
        conn: Connection,
        names: TopicNames,
        group: str,
        merge_wait: float,
        longest_outage: float,
        decoder: SourceDecoder,
    ) -> None:
        self._conn = conn
        topics = {name: str(topic) for name, topic in names.sources.items()}
        self._topics = list(topics)
        self._consumer: AIOKafkaConsumer = source_reader(conn, group)
        self._reader = MergedReader(self._consumer, topics, merge_wait, decoder.decode)
        self._longest_outage = longest_outage
        self._catching_up_since: float | None = time.monotonic()
        """None once all was read and taken."""
        self._known: Offsets = {}
        """Next offset to take of each partition; partitions never read are missing."""
        self._passed: Offsets = {}
        """Next offset of each partition whose last taken records were dropped ones; the loop has yet to commit it."""
        self._time_lags = TimeLags(time.monotonic())
        self._relisted = 0.0
        self._group_commit: asyncio.Task[None] | None = None
        self._listing: asyncio.Future[list[TopicPartition]] | None = None

    @property
    def _partitions(self) -> Mapping[TopicPartition, PartitionBuffer]:
        return self._reader.merge.partitions

    async def open(self, offsets: Offsets) -> None:
        """Read on from these offsets; partitions that are not among them are read from their beginning.

        Raises:
            SourceGoneError: an offset is no longer there.
            KafkaError, TimeoutError: no broker answers.
        """
        self._known = {TopicPartition(*place): offset for place, offset in offsets.items()}
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

    async def take(self, most: int, most_bytes: int, wait: float) -> list[Taken]:
        """The next records in merged order; an empty list if none came within `wait` seconds.

        Args:
            most: records taken at most.
            most_bytes: bytes of record values after which no more are taken, about.
            wait: seconds.

        Raises:
            SourceGoneError: a topic was deleted or cut while it was read.
            KafkaError: not allowed to read, and the like.
        """
        await self._relist()
        until = time.monotonic() + wait
        while True:
            await self._fetch(0.0)
            taken = self._take(most, most_bytes)
            left = until - time.monotonic()
            if taken or left <= 0:
                return taken
            await self._fetch(min(left, WAITING_FETCH_SECONDS) if self._reader.merge.is_waiting else left)

    async def _fetch(self, wait: float) -> None:
        try:
            await self._reader.fetch(wait)
        except OffsetOutOfRangeError as error:
            gone = error.args[0] if error.args and isinstance(error.args[0], dict) else self._partitions
            raise SourceGoneError(str(unreadable(min(gone)))) from error

    def _take(self, most: int, most_bytes: int) -> list[Taken]:
        now = time.monotonic()
        if not self._reader.merge.may_take(now):
            return []
        overdue = now - OVERDUE_SECONDS if self._catching_up_since is None else None
        taken = fair_merge(list(self._partitions.values()), most, most_bytes, oldest=self._oldest, overdue=overdue)
        self._note_catching_up(now)
        self._time_lags.took(taken, time.time(), now)
        own = []
        for each in taken:
            tp = TopicPartition(each.record.topic, each.record.partition)
            self._known[tp] = each.next_offset
            if type(each) is DroppedRun:
                self._passed[tp] = each.next_offset
            else:
                self._passed.pop(tp, None)
                own.append(each)
        return own

    def _note_catching_up(self, now: float) -> None:
        """Note whether all partitions may hold old records: the shard was just opened, or the brokers were away."""
        if not self.answered_within(AWAY_SECONDS):
            self._catching_up_since = now
        elif self._catching_up_since is not None:
            is_read = all(map(self._is_read, self._partitions.values()))
            if is_read or now - self._catching_up_since > CATCH_UP_SECONDS:
                self._catching_up_since = None

    # How far the partitions are read

    @property
    def read_to_end(self) -> bool:
        """Whether every partition was read to its end within the last second (the condition of service time).

        A partition whose next record is older than the longest outage does not count: one producer with a wrong clock
        that sends more than is taken would stop every limit of every chat.
        """
        fresh, oldest = time.monotonic() - FRESH_SECONDS, self._oldest
        return all(each.ended_at >= fresh or each.is_older_than(oldest) for each in self._partitions.values())

    @property
    def _oldest(self) -> int:
        """Records with an earlier timestamp (ms since 1970) are older than the longest outage."""
        return int((time.time() - self._longest_outage) * 1000)

    @property
    def lag(self) -> dict[TopicPartition, int]:
        """By partition, how many records are there and not taken, as far as is known."""
        found = {}
        for tp, partition in self._partitions.items():
            stable = self._consumer.last_stable_offset(tp)
            is_known = stable is not None and not self._is_read(partition)
            found[tp] = max(0, stable - self._known.get(tp, 0)) if is_known else 0
        return found

    @property
    def time_lags(self) -> dict[TopicPartition, float]:
        """By partition, the clock less the timestamp of the next or last record, in s; negative: it is ahead."""
        wall, now = time.time(), time.monotonic()
        return {tp: self._time_lags.seconds(partition, wall, now) for tp, partition in self._partitions.items()}

    @property
    def ends(self) -> dict[TopicPartition, Ends]:
        """Last stable offset and high watermark of the partitions whose leaders answered within ANSWER_SECONDS."""
        oldest = (time.time() - ANSWER_SECONDS) * 1000
        found = {}
        for tp in self._partitions:
            stable, high = self._consumer.last_stable_offset(tp), self._consumer.highwater(tp)
            polled = self._consumer.last_poll_timestamp(tp)
            if stable is not None and high is not None and polled is not None and polled >= oldest:
                found[tp] = Ends(stable, high)
        return found

    @staticmethod
    def _is_read(partition: PartitionBuffer) -> bool:
        """Whether every record was read and taken, as far as is known."""
        return not partition.lag and not partition.records

    def answered_within(self, seconds: float) -> bool:
        """Whether a broker has answered a fetch within this time."""
        oldest = (time.time() - seconds) * 1000
        polls = (self._consumer.last_poll_timestamp(tp) for tp in self._partitions)
        return any(poll is not None and poll >= oldest for poll in polls)

    def pass_offsets(self) -> Offsets:
        """New next offsets of partitions: past dropped records, and past a tail of transaction markers."""
        read_to = {tp: each.position for tp, each in self._partitions.items() if self._is_read(each)}
        passed = past_markers(self._known, read_to)
        self._known.update(passed)
        passed = self._passed | passed
        self._passed = {}
        return passed

    def commit_to_group(self, offsets: Offsets) -> None:
        """Commit offsets to the group in the background, for lag tools and the monitor; no decision depends on them."""
        if self._group_commit is None or self._group_commit.done():
            self._group_commit = asyncio.ensure_future(self._commit_to_group(offsets))

    async def _commit_to_group(self, offsets: Offsets) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (TimeoutError, KafkaError) as error:
            log.debug("offsets were not told to the group: %s", in_words(error))

    # New partitions

    async def _relist(self) -> None:
        """Look for new partitions every RELIST_SECONDS, while reading goes on."""
        if self._listing is None:
            if time.monotonic() - self._relisted > RELIST_SECONDS:
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
        """Begin to read the new ones among these partitions, which are all there are.

        Raises:
            SourceGoneError: a partition that was read is no longer there, or no longer holds the next offset.
        """
        self._relisted = time.monotonic()
        for gone in not_there(self._known, found):
            raise SourceGoneError(str(gone))
        new = set(found) - self._partitions.keys()
        if new:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._begin(new)

    async def _begin(self, new: set[TopicPartition]) -> None:
        beginnings = await self._consumer.beginning_offsets(list(new))
        ends = await self._consumer.end_offsets(list(new))
        positions = await self._reader.positions()
        for gone in cut(self._known, beginnings, ends):
            raise SourceGoneError(str(gone))
        self._reader.assign(positions | {tp: self._known.get(tp, beginnings[tp]) for tp in new})
