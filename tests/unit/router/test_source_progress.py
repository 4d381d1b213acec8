"""How far a shard's source partitions are read, on clocks of the test's own: fairness, lag, and dropped records."""

from collections.abc import Iterable

from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.events import Event
from switchboard.kafka.record_merge import Dropped, Item, Merge, Taken
from switchboard.router.source_progress import CATCH_UP_SECONDS, OVERDUE_SECONDS, Batch, Moment, SourceProgress

WALL = 1_700_000_000.0
"""The time at which the monotonic clock is 1000."""
NOW_MS = round(WALL * 1000)
DAY = 86_400.0
PLENTY = 10**6
P, Q = TopicPartition("t", 0), TopicPartition("t", 1)


def at(later: float = 0.0) -> Moment:
    """So many seconds after WALL."""
    return Moment(1000.0 + later, WALL + later)


def own(tp: TopicPartition, offset: int, timestamp: int, read_at: float = 1000.0) -> Taken:
    """A record of the shard's."""
    record = ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, None, b"{}", None, 0, 2, ())
    return Taken(timestamp, 2, Event("chat-arrival", "default", {}), record, 2, 2, read_at)


def foreign(tp: TopicPartition, offset: int, timestamp: int, read_at: float = 1000.0) -> Dropped:
    """A record of another shard's, dropped."""
    return Dropped(tuple(tp), timestamp, timestamp, timestamp, offset + 1, read_at)


class Bus:
    """The partitions P and Q, read as far as the test says.

    Args:
        known: next offsets to take at the beginning.
    """

    def __init__(self, known: dict[tuple[str, int], int] | None = None) -> None:
        self.merge = Merge(0.5)
        self.merge.assign([P, Q])
        self.progress = SourceProgress(self.merge, DAY, 1000.0)
        self.progress.known = known or {}

    def read(self, tp: TopicPartition, items: Iterable[Item] = (), *, to: int = 0, end: int | None = None) -> None:
        """These were read, up to the offset `to` of a partition that ends there, or at `end`."""
        self.merge.delivering(tp).add(items)
        self.merge.partitions[tp].read_to(to, to if end is None else end, 1000.0)

    def take(self, moment: Moment | None = None, most: int = 1000, *, away: bool = False) -> Batch:
        """Take a batch."""
        return self.progress.take(moment or at(), most, PLENTY, away=away)

    def live(self) -> "Bus":
        """All was read and taken: no longer by time alone."""
        for tp in (P, Q):
            self.read(tp)
        self.take()
        return self


def places(batch: Batch) -> list[int]:
    """The partitions of what was taken."""
    return [each.record.partition for each in batch.taken]


def offsets(batch: Batch) -> list[tuple[int, int]]:
    """(partition, next offset) of what was taken."""
    return [(each.record.partition, each.next_offset) for each in batch.taken]


# Fairness


def flood(tp: TopicPartition, number: int, timestamp: int, read_at: float = 1000.0) -> list[Item]:
    """So many records of one timestamp."""
    return [own(tp, offset, timestamp, read_at) for offset in range(number)]


def test_an_overdue_record_has_its_turn_only_once_the_shard_has_caught_up() -> None:
    """After an outage all partitions hold old records, and the order of time matters more than a wait."""
    later = at(OVERDUE_SECONDS + 0.1)
    for is_live, expected in ((False, [0] * 400), (True, [0] * 399 + [1])):
        bus = Bus().live() if is_live else Bus()
        bus.read(P, flood(P, 1000, NOW_MS), to=1000)
        bus.read(Q, [own(Q, 0, NOW_MS + 10)], to=1)
        assert sorted(places(bus.take(later, most=400))) == expected


def test_catching_up_begins_again_when_the_brokers_were_away_and_ends_after_ten_minutes() -> None:
    """Though never all was read."""
    bus = Bus().live()
    bus.read(P, flood(P, 1000, NOW_MS), to=1000)
    bus.read(Q, [own(Q, 0, NOW_MS + 10)], to=1)
    assert 1 in places(bus.take(at(1), most=100, away=True)), "it was not yet known"
    bus.read(Q, [own(Q, 1, NOW_MS + 10)], to=2)
    assert 1 not in places(bus.take(at(2), most=100))
    bus.take(at(1 + CATCH_UP_SECONDS + 0.1), most=1)
    assert 1 in places(bus.take(at(1 + CATCH_UP_SECONDS + 0.2), most=100))


def test_records_older_than_the_longest_outage_come_after_the_others() -> None:
    """By the time of day; and such a partition does not stop service time."""
    bus = Bus()
    old = NOW_MS - round(DAY * 1000)
    bus.read(P, [own(P, 0, old - 1), own(P, 1, old)], to=2, end=99)
    bus.read(Q, [own(Q, 0, NOW_MS)], to=1)
    assert bus.progress.read_to_end(at())
    assert places(bus.take()) == [1, 0, 0]


def test_read_to_end_holds_for_a_second_after_every_partition_was() -> None:
    """The condition of service time."""
    bus = Bus()
    bus.read(P)
    assert not bus.progress.read_to_end(at())
    bus.read(Q)
    assert bus.progress.read_to_end(at(1))
    assert not bus.progress.read_to_end(at(1.1))


# Lag and markers


def test_lag_counts_what_was_not_taken_up_to_the_last_stable_offset() -> None:
    """0 where that is not known, and where all was taken though markers follow."""
    bus = Bus({P: 5})
    bus.read(P, [own(P, 5, NOW_MS)], to=8)
    bus.read(Q)
    assert bus.progress.lag({P: 8, Q: None}) == {P: 3, Q: 0}
    bus.take()
    assert bus.progress.lag({P: 8, Q: None}) == {P: 0, Q: 0}
    assert bus.progress.pass_markers() == {P: 8}
    assert bus.progress.pass_markers() == {}


# Dropped records


def test_offsets_past_dropped_records_move_with_the_record_before_them() -> None:
    """With their effects, never earlier; those before the first record wait for nothing."""
    bus = Bus({P: 0})
    bus.read(P, [foreign(P, 0, 1), own(P, 1, 2), foreign(P, 2, 3), foreign(P, 3, 4), own(P, 4, 5)], to=5)
    bus.read(P, [foreign(P, 5, 6)], to=6)
    bus.read(Q)
    batch = bus.take(most=1)
    assert (offsets(batch), batch.passed) == ([(0, 4)], {})
    assert bus.progress.known == {P: 4}
    batch = bus.take()
    assert (offsets(batch), batch.passed) == ([(0, 6)], {})


def test_offsets_past_dropped_records_move_alone_where_no_record_of_the_shard_was_read() -> None:
    """Once, and only forward."""
    bus = Bus({P: 7})
    bus.read(P, [foreign(P, 7, 1)], to=8)
    bus.read(Q)
    assert bus.take() == Batch([], {tuple(P): 8})
    bus.read(P, [own(P, 8, 2)], to=9)
    assert offsets(bus.take()) == [(0, 9)]
    bus.read(P, [foreign(P, 9, 3)], to=10)
    bus.read(P, [foreign(P, 10, 4)], to=11)
    assert bus.take() == Batch([], {tuple(P): 11})
    assert bus.take() == Batch()
    assert bus.progress.lag({P: 11, Q: 0}) == {P: 0, Q: 0}


def test_records_dropped_after_a_record_was_taken_move_the_offset_by_themselves() -> None:
    """That record's offset may be committed already."""
    bus = Bus({P: 0})
    bus.read(P, [own(P, 0, 1), foreign(P, 1, 5)], to=2, end=9)
    bus.read(Q, [own(Q, 0, 3)], to=1)
    assert offsets(bus.take(most=1)) == [(0, 2)]
    bus.read(P, [foreign(P, 2, 5)], to=3, end=9)
    batch = bus.take()
    assert (offsets(batch), batch.passed) == ([(1, 1)], {tuple(P): 3})


def test_a_dropped_record_is_waited_for_and_keeps_its_turn_as_any_other() -> None:
    """What follows it may be of this shard and earlier than what other partitions hold."""
    bus = Bus()
    bus.read(P, [foreign(P, 0, 10)], to=1, end=9)
    bus.read(Q, [own(Q, 0, 5), own(Q, 1, 20)], to=2)
    assert offsets(bus.take()) == [(1, 1)]
    bus.read(P, [own(P, 1, 15)], to=2)
    assert offsets(bus.take()) == [(0, 2), (1, 2)]


def test_dropped_records_tell_how_far_behind_their_partition_is() -> None:
    """While they wait for their turn, and after."""
    bus = Bus()
    bus.read(P, [own(P, 0, NOW_MS - 7_000), foreign(P, 1, NOW_MS - 2_000)], to=2)
    bus.read(Q)
    assert bus.progress.time_lags(at())[P] == 7
    bus.take(most=1)
    assert bus.progress.time_lags(at())[P] == 2
    bus.take()
    assert bus.progress.time_lags(at(5))[P] == 2


def test_a_dropped_record_that_no_outage_explains_does_not_stop_service_time() -> None:
    """As one of the shard's own does not."""
    bus = Bus()
    bus.read(P, [foreign(P, 0, 1)], to=1, end=9)
    bus.read(Q)
    assert bus.progress.read_to_end(at())


def test_a_backlog_of_old_dropped_records_does_not_stop_service_time() -> None:
    """They take no room in a frame, so nothing of them is at hand after it."""
    bus = Bus().live()
    for turn in range(1, 4):
        later = 5.0 + turn
        bus.read(P, [foreign(P, turn, 1, 1000.0 + later)], to=turn + 1, end=99)
        bus.merge.partitions[Q].read_to(0, 0, 1000.0 + later)
        assert bus.progress.read_to_end(at(later))
        bus.take(at(later))
        assert not bus.merge.partitions[P].records
        assert bus.progress.read_to_end(at(later))
    bus.merge.partitions[Q].read_to(0, 0, 1010.0)
    assert not bus.progress.read_to_end(at(10.0)), "the broker delivers none of them any more"
    bus.read(P, [foreign(P, 9, NOW_MS)], to=10, end=99)
    bus.take(at(10.0))
    assert not bus.progress.read_to_end(at(10.0)), "the next record may be of now"


def test_the_time_lag_of_dropped_records_is_that_of_the_first_while_they_wait_and_then_of_the_last() -> None:
    """As if each were a record of its own, though their turn is that of the latest."""
    bus = Bus()
    run = foreign(P, 0, NOW_MS - 600_000)
    run.join(foreign(P, 1, NOW_MS + 3_600_000))
    bus.read(P, [run], to=2, end=4)
    more = foreign(P, 2, NOW_MS - 1_000)
    more.join(foreign(P, 3, NOW_MS - 2_000))
    bus.read(P, [more], to=4)
    bus.read(Q)
    assert run.timestamp == NOW_MS + 3_600_000
    assert bus.progress.time_lags(at())[P] == 600
    bus.take()
    assert bus.progress.time_lags(at())[P] == 2


RECORDS = st.lists(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12), min_size=2, max_size=2)


@given(RECORDS, st.integers(1, 5), st.integers(1, 5))
def test_dropping_changes_neither_the_order_of_the_others_nor_the_offsets(
    records: list[list[tuple[int, bool]]], most: int, size: int
) -> None:
    """Against a shard that takes all: the same records in the same order, and at the end the same offsets.

    Timestamps differ between the partitions, since a dropped record has no rank.
    """
    full, early = Bus({P: 0, Q: 0}), Bus({P: 0, Q: 0})
    found: dict[str, list[tuple[int, int]]] = {"full": [], "early": []}
    moved: dict[tuple[str, int], int] = {}
    for first in range(0, 12, size):
        for tp, of in zip((P, Q), records, strict=True):
            some = [
                (offset, 2 * timestamp + tp.partition, is_own)
                for offset, (timestamp, is_own) in enumerate(of)
                if first <= offset < first + size
            ]
            to = min(first + size, len(of))
            full.read(tp, [own(tp, *each[:2]) for each in some], to=to, end=len(of))
            early.read(tp, [(own if each[2] else foreign)(tp, *each[:2]) for each in some], to=to, end=len(of))
        while batch := full.take(most=most).taken:
            found["full"] += [
                (each.record.partition, each.record.offset)
                for each in batch
                if records[each.record.partition][each.record.offset][1]
            ]
        while (got := early.take(most=most)) != Batch():
            for place, offset in got.passed.items():
                assert offset > moved.get(place, 0)
                moved[place] = offset
            for each in got.taken:
                assert each.next_offset > moved.get(each.place, 0)
                assert all(
                    not is_own for _, is_own in records[each.place[1]][each.record.offset + 1 : each.next_offset]
                )
                moved[each.place] = each.next_offset
                found["early"].append((each.record.partition, each.record.offset))
    assert found["early"] == found["full"]
    assert early.progress.known == full.progress.known == {P: len(records[0]), Q: len(records[1])}
    assert {P: 0, Q: 0} | moved == early.progress.known
