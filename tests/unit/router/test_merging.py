"""Records of many partitions in one order: by timestamp, at equal ones by type, and ascending in each partition."""

from collections import deque
from operator import attrgetter

from aiokafka.structs import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from switchboard.contracts.codec import BadInput
from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.router.merging import Partition, Taken, merge, rank_of

TYPES = st.sampled_from(EVENT_TYPES)
HELD = st.lists(st.lists(st.tuples(st.integers(0, 9), TYPES), max_size=6), min_size=1, max_size=5)


def taken(tp: TopicPartition, offset: int, timestamp: int, event_type: str = "chat-arrival", size: int = 10) -> Taken:
    """One record, read and checked."""
    event = Event(event_type, "default", {}, source=(tp.topic, tp.partition, offset))
    value = b"x" * size
    record = ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, None, value, None, 0, size, ())
    return Taken(timestamp, rank_of(event), event, record)


def partition(order: int, *heads: tuple[int, str], lag: bool = False) -> Partition:
    """A partition that holds records of these timestamps and types, in this order."""
    tp = TopicPartition("t", order)
    buffer = deque(taken(tp, offset, timestamp, kind) for offset, (timestamp, kind) in enumerate(heads))
    return Partition(tp, order, buffer, lag=lag)


def all_of(held: list[Partition]) -> list[Taken]:
    """All that they hold, frame by frame."""
    found: list[Taken] = []
    while some := merge(held, 1000, 10**6):
        found += some
    return found


def times(found: list[Taken]) -> list[int]:
    """Their timestamps."""
    return list(map(attrgetter("timestamp"), found))


@given(HELD)
def test_all_is_taken_once_in_each_partitions_order(held: list[list[tuple[int, str]]]) -> None:
    """Nothing is lost, nothing doubled, and offsets of one partition ascend whatever its timestamps."""
    found = all_of([partition(order, *heads) for order, heads in enumerate(held)])
    for order, heads in enumerate(held):
        offsets = [each.record.offset for each in found if each.record.partition == order]
        assert offsets == list(range(len(heads)))
    assert len(found) == sum(map(len, held))


@given(HELD)
def test_partitions_in_order_of_time_are_merged_in_order_of_time_and_type(held: list[list[tuple[int, str]]]) -> None:
    """Where each partition ascends, so does all that is taken: by timestamp, then by type, then by partition."""
    ranked = [sorted(heads, key=lambda head: (head[0], rank_of(Event(head[1], "p", {})))) for heads in held]
    found = all_of([partition(order, *heads) for order, heads in enumerate(ranked)])
    keys = [(each.timestamp, each.rank, each.record.partition) for each in found]
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
    assert [each.awaited for each in held] == [True, False, False, False]


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
