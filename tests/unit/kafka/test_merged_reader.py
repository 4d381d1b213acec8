"""The merged reader without a broker: the wait for a silent partition, fetching, and reading to fixed ends."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from switchboard.errors import StalledError
from switchboard.kafka.merged_reader import FETCH_RECORDS, MergedReader
from switchboard.kafka.positions import past_markers
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_merge import LOW_RECORDS, Merge, merge

A, B, C = (TopicPartition("t", number) for number in range(3))


def record(tp: TopicPartition, offset: int, timestamp: int, size: int = 2) -> ConsumerRecord[bytes, bytes]:
    """A record of a topic that no events are read from."""
    return ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, None, b"x" * size, None, 0, size, ())


class Consumer:
    """Stands for aiokafka's consumer: hands out what a test has put in its partitions, at once.

    Args:
        partitions: the timestamps of each partition's records.
        markers: offsets after the last record of each partition that hold transaction markers.
    """

    def __init__(self, partitions: dict[TopicPartition, Iterable[int]], markers: int = 0) -> None:
        self.records = {tp: [record(tp, n, at) for n, at in enumerate(times)] for tp, times in partitions.items()}
        self.markers = markers
        self.silent: set[TopicPartition] = set()
        """Partitions whose broker delivers nothing."""
        self.asked: list[tuple[TopicPartition, ...]] = []
        """The partitions of each call of `getmany`."""
        self.waits: list[int] = []
        """Its time-outs, ms."""
        self._positions: Offsets = {}

    def assign(self, tps: list[TopicPartition]) -> None:
        """Forget all positions."""
        self._positions = dict.fromkeys(tps, -1)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read on from there."""
        self._positions[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        """The next offset."""
        return self._positions[tp]

    def last_stable_offset(self, tp: TopicPartition) -> int:
        """The end."""
        return len(self.records[tp]) + self.markers

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """Long ago."""
        return 0

    async def getmany(
        self, *tps: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """What there is, partition by partition, with the markers after it."""
        self.asked.append(tps)
        self.waits.append(timeout_ms)
        found = defaultdict(list)
        left = max_records
        for tp in tps:
            if tp in self.silent:
                continue
            at = self._positions[tp]
            some = self.records[tp][at : at + left]
            left -= len(some)
            if some:
                found[tp] = some
            self._positions[tp] += len(some)
            if self._positions[tp] == len(self.records[tp]):
                self._positions[tp] += self.markers
        return dict(found)


def reader(consumer: Consumer, begins: Offsets | None = None, ends: Offsets | None = None) -> MergedReader:
    """A reader of these partitions, from their beginning unless told."""
    made = MergedReader(consumer, {"t": "t"}, wait=0.5, ends=ends)
    made.assign(begins or dict.fromkeys(consumer.records, 0))
    return made


def taken(made: MergedReader) -> list[int]:
    """Take what may be taken; the timestamps."""
    if not made.merge.may_take(0.0):
        return []
    return [each.timestamp for each in merge(made.merge.partitions.values(), 10_000, 10**9)]


def test_a_silent_partition_is_waited_for_and_given_up() -> None:
    """For so many seconds; then the others go on without it until it delivers."""
    waits = Merge(0.5)
    waits.assign([A, B])
    waits.partitions[B].read_to(0, 0, 100.0)
    found = [(at, waits.may_take(at), waits.is_waiting) for at in (100.0, 100.4, 100.5, 200.0)]
    assert found == [(100.0, False, True), (100.4, False, True), (100.5, True, False), (200.0, True, False)]
    waits.delivering(A)
    assert not waits.may_take(200.0), "it has delivered, and may be empty again"


def test_the_wait_begins_anew_with_each_partition_that_delivers() -> None:
    """The wait is for silence: a broker that delivers one partition after another is no reason to go on without it."""
    waits = Merge(0.5)
    waits.assign([A, B])
    assert not waits.may_take(100.0)
    waits.delivering(A)
    assert not waits.may_take(100.4)
    assert not waits.may_take(100.8)
    assert waits.may_take(100.9)


def test_a_partition_that_is_read_to_its_end_is_not_waited_for() -> None:
    """Nor is one of which it is not known whether it has an end."""
    waits = Merge(0.5)
    waits.assign([A])
    waits.partitions[A].read_to(7, None, 100.0)
    assert not waits.may_take(100.0)
    waits.partitions[A].read_to(7, 7, 100.0)
    assert waits.may_take(100.0)
    assert waits.partitions[A].ended_at == 100.0


def test_a_merge_that_does_not_give_up_says_which_partitions_are_silent() -> None:
    """A recording with ends must not lose the order."""
    waits = Merge(30, gives_up=False)
    waits.assign([A, B])
    assert not waits.may_take(100.0)
    with pytest.raises(StalledError, match=r"reading stalled for 30 s: t/0, t/1; is a broker away\?"):
        waits.may_take(130.0)


async def test_partitions_are_merged_by_time() -> None:
    """Once each has delivered, or is read to its end."""
    consumer = Consumer({A: [1, 4, 5], B: [2, 3, 6], C: []})
    made = reader(consumer)
    await made.fetch(0.0)
    assert taken(made) == [1, 2, 3, 4, 5, 6]
    assert await made.positions() == {A: 3, B: 3, C: 0}


async def test_nothing_is_taken_while_a_partition_with_lag_is_silent() -> None:
    """Its next record may be the earliest."""
    consumer = Consumer({A: [1], B: [2]})
    consumer.silent = {A}
    made = reader(consumer)
    await made.fetch(0.0)
    assert taken(made) == []
    consumer.silent = set()
    await made.fetch(0.0)
    assert taken(made) == [1, 2]


async def test_one_partition_with_many_records_does_not_keep_the_others_from_being_fetched() -> None:
    """A call of `getmany` that it fills is followed by one for the others; only the first waits."""
    consumer = Consumer({A: range(5000), B: [1], C: [1]})
    made = reader(consumer)
    await made.fetch(0.2)
    assert consumer.asked == [(A, B, C), (B, C)]
    assert consumer.waits == [200, 0]
    assert len(made.merge.partitions[A].records) == FETCH_RECORDS


async def test_a_partition_with_enough_at_hand_is_not_read_on() -> None:
    """Its buffer is bounded."""
    consumer = Consumer({A: range(LOW_RECORDS), B: [1]})
    made = reader(consumer)
    await made.fetch(0.0)
    await made.fetch(0.0)
    assert consumer.asked == [(A, B), (B,)]


async def test_partitions_that_are_added_leave_the_buffers_of_the_others() -> None:
    """What was read is not read again."""
    consumer = Consumer({A: [1, 2], B: [0, 3]})
    made = reader(consumer, begins={A: 0})
    await made.fetch(0.0)
    made.assign(await made.positions() | {B: 1})
    await made.fetch(0.0)
    assert taken(made) == [1, 2, 3]


async def test_reading_to_ends_stops_there() -> None:
    """All before the ends is handed out by time; what comes after them is not."""
    consumer = Consumer({A: [1, 4, 9], B: [2, 3, 8], C: [5]})
    found = [each async for each in reader(consumer, ends={A: 2, B: 3, C: 0}).batches(asyncio.Event())]
    assert [each.timestamp for records in found for each in records] == [1, 2, 3, 4, 8]


async def test_reading_ends_when_it_is_stopped() -> None:
    """Though there are no ends."""
    stop = asyncio.Event()
    found = []
    async for records in reader(Consumer({A: [1, 2]})).batches(stop):
        found += records
        stop.set()
    assert [each.timestamp for each in found] == [1, 2]


async def test_markers_behind_the_last_record_are_passed() -> None:
    """Of partitions that were read before; the others are begun wherever."""
    consumer = Consumer({A: [1], B: [1]}, markers=1)
    made = reader(consumer)
    await made.fetch(0.0)
    assert past_markers({A: 1}, await made.positions()) == {A: 2}
    assert past_markers({A: 2}, await made.positions()) == {}
