"""Records of many partitions in one order: by timestamp, at equal ones by type, and ascending in each partition."""

from collections import deque
from operator import attrgetter

from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.journal.codec import BadInput
from switchboard.kafka.record_merge import Item, PartitionBuffer, Taken, merge, rank_of
from switchboard.router.fair_merge import SHARE, fair_merge

TYPES = st.sampled_from(EVENT_TYPES)
HELD = st.lists(st.lists(st.tuples(st.integers(0, 9), TYPES), max_size=6), min_size=1, max_size=5)


def taken(tp: TopicPartition, offset: int, timestamp: int, event_type: str = "chat-arrival", size: int = 10) -> Taken:
    """One record, read and checked."""
    event = Event(event_type, "default", {}, source=(tp.topic, tp.partition, offset))
    value = b"x" * size
    record = ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, None, value, None, 0, size, ())
    return Taken(timestamp, rank_of(event), event, record, size)


def records(order: int, *timestamps: int, lag: bool = False, read_at: float = 0.0, size: int = 10) -> PartitionBuffer:
    """A partition that holds arrivals of these timestamps, all read at one moment."""
    held = partition(order, lag=lag)
    held.records.extend(taken(held.tp, offset, each, size=size) for offset, each in enumerate(timestamps))
    for each in held.records:
        each.read_at = read_at
    return held


def partition(order: int, *heads: tuple[int, str], lag: bool = False) -> PartitionBuffer:
    """A partition that holds records of these timestamps and types, in this order."""
    tp = TopicPartition("t", order)
    buffer: deque[Item] = deque(taken(tp, offset, timestamp, kind) for offset, (timestamp, kind) in enumerate(heads))
    return PartitionBuffer(tp, order, buffer, lag=lag)


def all_of(held: list[PartitionBuffer]) -> list[Item]:
    """All that they hold, frame by frame."""
    found: list[Item] = []
    while some := merge(held, 1000, 10**6):
        found += some
    return found


def times(found: list[Item]) -> list[int]:
    """Their timestamps."""
    return list(map(attrgetter("timestamp"), found))


def test_a_partition_is_read_on_until_enough_records_or_bytes_are_at_hand() -> None:
    """By records alone 200 with keys, values and headers of 64 KiB each would take 40 MB, in each partition."""
    held = records(0, 1, 2, 3)
    for each in held.records:
        each.held = 100
    assert held.is_low(4, 301)
    assert not held.is_low(3, 301)
    assert not held.is_low(4, 300)
    assert partition(0).is_low(1, 1)


@given(HELD)
def test_all_is_taken_once_in_each_partitions_order(held: list[list[tuple[int, str]]]) -> None:
    """Nothing is lost, nothing doubled, and offsets of one partition ascend whatever its timestamps."""
    found = all_of([partition(order, *heads) for order, heads in enumerate(held)])
    for order, heads in enumerate(held):
        offsets = [each.next_offset - 1 for each in found if each.place[1] == order]
        assert offsets == list(range(len(heads)))
    assert len(found) == sum(map(len, held))


@given(HELD)
def test_partitions_in_order_of_time_are_merged_in_order_of_time_and_type(held: list[list[tuple[int, str]]]) -> None:
    """Where each partition ascends, so does all that is taken: by timestamp, then by type, then by partition."""
    ranked = [sorted(heads, key=lambda head: (head[0], rank_of(Event(head[1], "p", {})))) for heads in held]
    found = all_of([partition(order, *heads) for order, heads in enumerate(ranked)])
    keys = [(each.timestamp, each.rank, each.place[1]) for each in found]
    assert keys == sorted(keys)


def test_at_equal_timestamps_the_order_is_that_of_the_event_types() -> None:
    """Configuration, login, arrivals, requests, acceptances, lifecycle, other presence; what is bad comes last."""
    ranks = [rank_of(Event(event_type, "p", {})) for event_type in ("pool-configured", "agent-logged-in")]
    ranks += [rank_of(Event(event_type, "p", {})) for event_type in ("chat-arrival", "request-chat", "chat-accepted")]
    assert ranks == [0, 1, 2, 3, 4]
    lifecycle = {rank_of(Event(each, "p", {})) for each in EVENT_TYPES if each.startswith("chat-")} - {2, 4}
    presence = {rank_of(Event(each, "p", {})) for each in EVENT_TYPES if each.startswith(("agent-", "request-"))}
    assert lifecycle == {5}
    assert presence == {1, 3, 6}
    assert rank_of(BadInput("schema", "")) == 6


def test_the_merge_stops_where_a_partition_with_more_to_come_has_run_empty() -> None:
    """What it brings next may be older than what others hold."""
    held = [partition(0, (1, "chat-arrival"), lag=True), partition(1, (2, "chat-arrival"), (3, "chat-arrival"))]
    assert times(merge(held, 1000, 10**6)) == [1]
    held[0].given_up = True
    assert times(merge(held, 1000, 10**6)) == [2, 3]


def test_a_partition_is_awaited_while_it_has_lag_and_nothing_at_hand() -> None:
    """And no longer once it was given up."""
    behind, given_up = partition(0, lag=True), partition(0, lag=True)
    given_up.given_up = True
    held = [behind, given_up, partition(0, (1, "chat-arrival"), lag=True), partition(0)]
    assert [each.is_awaited for each in held] == [True, False, False, False]


def test_as_much_is_taken_as_a_frame_holds_and_one_record_at_least() -> None:
    """By number and by bytes: what is over waits for the next frame."""
    held = partition(0, *((number, "chat-arrival") for number in range(5)))
    assert len(merge([held], 3, 10**6)) == 3
    assert len(merge([held], 3, 1)) == 1
    assert len(merge([held], 3, 10**6)) == 1
    assert merge([held], 3, 10**6) == []


def test_a_configuration_is_the_last_of_its_frame() -> None:
    """One may take 50 ms to apply, and other work has its turn between frames only."""
    kinds = ["chat-arrival", "pool-configured", "pool-configured", "chat-arrival", "chat-arrival"]
    held = partition(0, *((number, kind) for number, kind in enumerate(kinds)))
    assert [len(merge([held], 1000, 10**6)) for _ in range(4)] == [2, 1, 2, 0]


PLENTY = 10**6
NOW = 100.0


def partitions_of(found: list[Item]) -> list[int]:
    """The partitions that records were taken from."""
    return [each.place[1] for each in found]


@given(HELD, st.integers(0, 10), st.booleans(), st.integers(1, 30))
def test_a_fair_merge_takes_all_in_the_end_in_each_partitions_order(
    held: list[list[tuple[int, str]]], oldest: int, is_live: bool, most: int
) -> None:
    """Nothing is lost, nothing doubled, whatever is old or overdue and however small the frames are."""
    partitions = [partition(order, *heads) for order, heads in enumerate(held)]
    found: list[Item] = []
    while some := fair_merge(partitions, most, PLENTY, oldest=oldest, overdue=NOW if is_live else None):
        assert len(some) <= most
        found += some
    for order, heads in enumerate(held):
        assert [each.next_offset - 1 for each in found if each.place[1] == order] == list(range(len(heads)))


@given(HELD)
def test_while_nothing_is_old_or_overdue_a_fair_merge_is_a_merge(held: list[list[tuple[int, str]]]) -> None:
    """By time alone, as after an outage."""
    fair = [partition(order, *heads) for order, heads in enumerate(held)]
    plain = [partition(order, *heads) for order, heads in enumerate(held)]
    found = fair_merge(fair, 1000, PLENTY, oldest=0, overdue=None)
    assert found == merge(plain, 1000, PLENTY)


def test_records_that_no_outage_explains_do_not_come_first() -> None:
    """A million with timestamp 1 would keep everyone waiting until all are done: they get a quarter of the frame."""
    old, recent = records(0, *[1] * 1000, lag=True), records(1, *range(5000, 5100))
    found = fair_merge([old, recent], 400, PLENTY, oldest=4000, overdue=None)
    assert partitions_of(found)[:100] == [1] * 100
    assert partitions_of(found)[100:] == [0] * 300
    recent.records.extend(records(1, *range(5100, 6100)).records)
    found = fair_merge([old, recent], 400, PLENTY, oldest=4000, overdue=None)
    assert partitions_of(found) == [1] * 300 + [0] * (400 // SHARE)


def test_a_head_that_is_overdue_has_its_turn_though_another_partition_holds_older_records_and_has_more() -> None:
    """The merge by time ends where the flooding partition has run empty: others would never be reached."""
    flood, other = records(0, *range(1000), lag=True, read_at=NOW), records(1, 5000, 5001, read_at=NOW - 1)
    found = fair_merge([flood, other], 2000, PLENTY, oldest=0, overdue=NOW - 0.25)
    assert partitions_of(found) == [0] * 1000 + [1] * 2
    catching_up, other = records(0, *range(1000), lag=True, read_at=NOW), records(1, 5000, 5001, read_at=NOW - 1)
    assert partitions_of(fair_merge([catching_up, other], 2000, PLENTY, oldest=0, overdue=None)) == [0] * 1000


def test_turns_go_to_the_partition_from_which_the_fewest_were_taken() -> None:
    """However many partitions a producer floods, and however old it makes its records."""
    floods = [records(order, *[10] * 500, read_at=NOW - 1) for order in range(3)]
    other = records(9, *range(5000, 5050), read_at=NOW - 1)
    found = fair_merge([*floods, other], 800, PLENTY, oldest=0, overdue=NOW - 0.25)
    assert partitions_of(found).count(9) == 50
    assert len(found) == 800


def test_bytes_are_shared_as_records_are() -> None:
    """Large records fill a frame with few."""
    flood, other = records(0, *[1] * 100, size=1000, read_at=NOW - 1), records(1, *[5] * 10, size=1000, read_at=NOW - 1)
    found = fair_merge([flood, other], 2000, 8000, oldest=0, overdue=NOW - 0.25)
    assert partitions_of(found) == [0] * 6 + [1] * 2


@given(HELD)
def test_where_all_is_old_the_order_is_that_of_time(held: list[list[tuple[int, str]]]) -> None:
    """A first start on a bus that holds a month of events."""
    fair = [partition(order, *heads) for order, heads in enumerate(held)]
    plain = [partition(order, *heads) for order, heads in enumerate(held)]
    found = fair_merge(fair, 1000, PLENTY, oldest=1000, overdue=None)
    assert found == merge(plain, 1000, PLENTY)
