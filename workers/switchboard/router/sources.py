"""The source topics of a shard: read, decoded, merged, and told how far they are read."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from switchboard.domain.events import Event
from switchboard.errors import BrokerAwayError, SourceGoneError
from switchboard.journal.codec import BadInput, decode_event, pool_of
from switchboard.kafka.clients import Connection, in_words, source_reader
from switchboard.kafka.merged_reader import ForeignRun, Partition, Taken, TimeLags, fair_merge, rank_of, shard_of
from switchboard.kafka.open_transactions import Ends
from switchboard.kafka.positions import Offsets, cut, not_there, unreadable
from switchboard.kafka.reading import partitions_of
from switchboard.kafka.record_batches import work_of
from switchboard.kafka.topics import TopicNames

log = logging.getLogger(__name__)

RELIST_SECONDS: Final = 30
"""How often partitions are listed afresh."""
FETCH_RECORDS: Final = 1000
"""Records decoded at a time: about 3 ms in which nothing else runs."""
TURN: Final = 100
"""Records decoded between turns of the event loop, in which the commit under way gets on."""
BUFFER_LOW: Final = 200
"""A partition with fewer records at hand is read on."""
BUFFER_BYTES: Final = 1024 * 1024
"""Unless they hold as much memory: 200 records of 64 KiB, with as much of keys and of headers, are 40 MB."""
OVERDUE_SECONDS: Final = 0.25
"""A record that was read so long ago and was not taken is taken by turns, whatever the timestamps of the others."""
CATCH_UP_SECONDS: Final = 600.0
"""A shard that opens, or whose brokers were away, merges by time alone until all is read, and at most for so long."""
AWAY_SECONDS: Final = 5.0
"""Brokers that have answered no fetch for so long were away."""
FRESH_SECONDS: Final = 1.0
"""What a partition's end was known to be is believed for so long."""
COMMIT_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0
"""The age of a fetch's answer up to which the offsets in it are taken for those of now."""


class Sources:
    """One shard's consumer of all source partitions.

    Args:
        conn: the cluster.
        names: the topics' names.
        group: the group to which offsets are committed, only so that lag tools and the monitor see them.
        merge_wait: seconds to wait for a partition that has lag and has delivered nothing.
        longest_outage: seconds. Records that are older come by turns with the others', not before them.
        poison: records that made the engine fail, with the error; they are read as bad input.
        shard: (number of the shard, number of shards). Records of other shards' pools are dropped before they are
            decoded.
    """

    def __init__(
        self,
        conn: Connection,
        names: TopicNames,
        group: str,
        merge_wait: float,
        longest_outage: float,
        poison: dict[tuple[str, int, int], str],
        shard: tuple[int, int],
    ) -> None:
        self._conn = conn
        self._bare = {name: str(topic) for name, topic in names.sources.items()}
        self._consumer: AIOKafkaConsumer = source_reader(conn, group)
        self._merge_wait = merge_wait
        self._longest_outage = longest_outage
        self._catching_up_since: float | None = time.monotonic()
        """None once all was read and taken."""
        self._poison = poison
        self._shard, self._shards = shard
        self._passed: Offsets = {}
        """Offsets after runs of other shards' records that no later record of the partition has passed."""
        self._partitions: dict[TopicPartition, Partition] = {}
        self._known: Offsets = {}
        self._time_lags = TimeLags(time.monotonic())
        self._relisted = 0.0
        self._waiting_since: float | None = None
        self._told: asyncio.Task[None] | None = None
        self._listing: asyncio.Future[list[TopicPartition]] | None = None

    async def open(self, offsets: Offsets) -> None:
        """Read on from these offsets; partitions that are not among them are read from their beginning.

        Raises:
            SourceGoneError: an offset is no longer there.
            KafkaError, TimeoutError: no broker answers.
        """
        self._known = dict(offsets)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._consumer.start()
            found = await partitions_of(self._conn, self._bare)
        await self._list(found)

    async def close(self) -> None:
        """Stop reading."""
        under_way = [each for each in (self._told, self._listing) if each is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=COMMIT_SECONDS)
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning("a source consumer did not stop: %s", in_words(error))

    async def take(self, most: int, most_bytes: int, wait: float) -> list[Taken]:
        """The next records in merged order; none if none came within `wait` seconds.

        Raises:
            SourceGoneError: a topic was deleted or cut under us.
            KafkaError: not allowed to read, and the like.
        """
        await self._relist()
        until = time.monotonic() + wait
        while True:
            await self._fetch(0.0)
            taken = self._merge(most, most_bytes)
            left = until - time.monotonic()
            if taken or left <= 0:
                return taken
            await self._fetch(min(left, 0.05) if self._waiting_since is not None else left)

    @property
    def read_to_end(self) -> bool:
        """Whether every partition was read to its end within the last second (the condition of service time).

        One whose next record is older than any outage does not count: a producer with a wrong clock that sends more
        than is taken would stop every limit of every chat.
        """
        fresh, oldest = time.monotonic() - FRESH_SECONDS, self._oldest
        return all(each.ended_at >= fresh or each.is_older_than(oldest) for each in self._partitions.values())

    @property
    def _oldest(self) -> int:
        """The timestamp, ms, from which on records are not older than the longest outage."""
        return int((time.time() - self._longest_outage) * 1000)

    @property
    def lag(self) -> dict[TopicPartition, int]:
        """Records that are there and were not taken, by partition, as far as is known."""
        found = {}
        for tp in self._partitions:
            stable = self._consumer.last_stable_offset(tp)
            found[tp] = 0 if stable is None else max(0, stable - self._known.get((tp.topic, tp.partition), 0))
            if self._is_read(tp):
                found[tp] = 0
        return found

    @property
    def time_lags(self) -> dict[TopicPartition, float]:
        """The clock less the timestamp of the next or last record, in s, by partition; negative: it is ahead."""
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

    def _is_read(self, tp: TopicPartition) -> bool:
        """Whether all there is was read and taken, as far as is known."""
        partition = self._partitions.get(tp)
        return partition is not None and not partition.lag and not partition.buffer

    def answered_within(self, seconds: float) -> bool:
        """Whether a broker has answered one of our fetches within this time."""
        oldest = (time.time() - seconds) * 1000
        polls = (self._consumer.last_poll_timestamp(tp) for tp in self._partitions)
        return any(poll is not None and poll >= oldest for poll in polls)

    def pass_offsets(self) -> Offsets:
        """New offsets of partitions past records of other shards' pools, and past the markers of transactions.

        A partition that is read to its end ends with a marker, after the last record of a transaction. Without its new
        offset it would seem to lag; and once its retention had emptied it, as if something had been lost unread.
        """
        passed, self._passed = self._passed, {}
        for tp, partition in self._partitions.items():
            place = (tp.topic, tp.partition)
            if self._is_read(tp) and self._known.get(place, partition.position) < partition.position:
                passed[place] = self._known[place] = partition.position
        return passed

    def tell_group(self, offsets: Offsets) -> None:
        """Commit offsets to the group, for lag tools and the monitor; nothing that is decided depends on it."""
        if self._told is None or self._told.done():
            self._told = asyncio.ensure_future(self._tell(offsets))

    async def _tell(self, offsets: Offsets) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (TimeoutError, KafkaError) as error:
            log.debug("offsets were not told to the group: %s", in_words(error))

    async def _relist(self) -> None:
        """Now and then look for partitions that are new, while reading goes on."""
        if self._listing is None:
            if time.monotonic() - self._relisted > RELIST_SECONDS:
                self._listing = asyncio.ensure_future(partitions_of(self._conn, self._bare))
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
        """Take up the partitions that are new.

        Raises:
            SourceGoneError: a partition that was read is no longer there.
        """
        self._relisted = time.monotonic()
        for gone in not_there(self._known, found):
            raise SourceGoneError(str(gone))
        new = set(found) - self._partitions.keys()
        if new:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._take_up(new)

    async def _take_up(self, new: set[TopicPartition]) -> None:
        beginnings = await self._consumer.beginning_offsets(list(new))
        ends = await self._consumer.end_offsets(list(new))
        positions = {tp: await self._consumer.position(tp) for tp in self._partitions}
        for gone in cut(self._known, beginnings, ends):
            raise SourceGoneError(str(gone))
        for tp in new:
            positions[tp] = self._known.get((tp.topic, tp.partition), beginnings[tp])
        # assign() forgets all positions: none may be read before each is set again, hence no await between.
        self._consumer.assign(list(positions))
        for tp, offset in positions.items():
            self._consumer.seek(tp, offset)
        order = sorted(positions, key=lambda tp: (list(self._bare).index(tp.topic), tp.partition))
        self._partitions = {tp: self._partitions.get(tp) or Partition(tp, 0) for tp in order}
        for place, partition in enumerate(self._partitions.values()):
            partition.order = place

    async def _fetch(self, wait: float) -> None:
        """Fill the buffers that are low."""
        low = [tp for tp, partition in self._partitions.items() if partition.is_low(BUFFER_LOW, BUFFER_BYTES)]
        left = low
        while left:
            got = await self._get(left, wait if left is low else 0.0)
            for tp, records in got.items():
                await self._buffer(tp, records)
            if sum(map(len, got.values())) < FETCH_RECORDS:
                break
            # One partition with many records can use up a whole call, again and again: ask for the others alone.
            left = [tp for tp in left if tp not in got]
        await self._look_at_ends(low)

    async def _get(self, tps: list[TopicPartition], wait: float) -> dict[TopicPartition, list[ConsumerRecord]]:
        try:
            got: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
                *tps, timeout_ms=int(wait * 1000), max_records=FETCH_RECORDS
            )
        except OffsetOutOfRangeError as error:
            tp = min(error.args[0]) if error.args and isinstance(error.args[0], dict) else tps[0]
            raise SourceGoneError(str(unreadable(tp))) from error
        return got

    async def _buffer(self, tp: TopicPartition, records: list[ConsumerRecord]) -> None:
        partition = self._partitions[tp]
        if partition.awaited:
            self._waiting_since = None  # the wait is for silence: while they deliver, one by one, it is none
        partition.given_up = False
        for first in range(0, len(records), TURN):
            if first:
                await asyncio.sleep(0)
            self._decode(partition, records[first : first + TURN])

    async def _look_at_ends(self, tps: Iterable[TopicPartition]) -> None:
        """Learn which partitions are read to their end.

        That is the last stable offset: a stranger's open transaction is not lag.
        """
        now, wall = time.monotonic(), time.time() * 1000
        for tp in tps:
            partition = self._partitions[tp]
            stable, polled = self._consumer.last_stable_offset(tp), self._consumer.last_poll_timestamp(tp)
            partition.position = await self._consumer.position(tp)
            partition.lag = stable is None or partition.position < stable
            if not partition.lag:
                partition.given_up = False
                partition.ended_at = max(partition.ended_at, now - max(0.0, wall - (polled or 0)) / 1000)

    def _decode(self, partition: Partition, records: list[ConsumerRecord]) -> None:
        """Put records into the buffer of their partition, those of other shards' pools as runs that hold nothing."""
        tp, shards, now = partition.tp, self._shards, time.monotonic()
        bare = self._bare[tp.topic]
        for record in records:
            if shards > 1:
                pool = pool_of(record.headers, record.value, record.timestamp)
                if shard_of(pool, shards) != self._shard:
                    partition.drop(record, now)
                    continue
            source = (tp.topic, tp.partition, record.offset)
            what = decode_event(bare, record.headers, record.value, source=source, timestamp=record.timestamp)
            if self._poison and source in self._poison:
                what = BadInput("engine-error", self._poison[source], what.pool)
            size, held = _size_of(what, record), work_of(record)
            partition.buffer.append(
                Taken(record.timestamp, rank_of(what), what, record, size, held, now, record.offset + 1)
            )

    def _merge(self, most: int, most_bytes: int) -> list[Taken]:
        partitions = list(self._partitions.values())
        awaited = [partition for partition in partitions if partition.awaited]
        if awaited:
            now = time.monotonic()
            if self._waiting_since is None:
                self._waiting_since = now
            if now - self._waiting_since < self._merge_wait:
                return []
            for partition in awaited:
                partition.given_up = True
        self._waiting_since = None
        now = time.monotonic()
        overdue = now - OVERDUE_SECONDS if self._catching_up_since is None else None
        taken = fair_merge(partitions, most, most_bytes, oldest=self._oldest, overdue=overdue)
        self._note_catching_up(now)
        self._time_lags.took(taken, time.time(), now)
        own = []
        for each in taken:
            place = (each.record.topic, each.record.partition)
            self._known[place] = each.next_offset
            if type(each) is ForeignRun:
                self._passed[place] = each.next_offset
            else:
                self._passed.pop(place, None)
                own.append(each)
        return own

    def _note_catching_up(self, now: float) -> None:
        """Note whether all partitions may hold old records: the shard was just opened, or the brokers were away."""
        if not self.answered_within(AWAY_SECONDS):
            self._catching_up_since = now
        elif self._catching_up_since is not None:
            is_read = all(map(self._is_read, self._partitions))
            if is_read or now - self._catching_up_since > CATCH_UP_SECONDS:
                self._catching_up_since = None


def _size_of(what: Event | BadInput, record: ConsumerRecord) -> int:
    """The share of a record in FRAME_BYTES of a frame."""
    size = len(record.value or b"")
    if isinstance(what, Event):
        return size
    # Its dead letter holds all of it, and costs a quarter of an event of that size: it is only compressed.
    return (size + len(record.key or b"") + sum(len(name) + len(held or b"") for name, held in record.headers)) // 4
