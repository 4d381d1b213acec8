"""How far a source partition is behind or ahead in time, by clocks of the test's own."""

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.journal.codec import BadInput
from switchboard.kafka.record_merge import PartitionBuffer, Taken
from switchboard.router.time_lags import RECENT_SECONDS, TimeLags

WALL = 1_700_000_000.0
"""The time at which the monotonic clock is 1000."""
ARRIVALS, PRESENCE = TopicPartition("bus.chat-arrival", 0), TopicPartition("bus.agent-presence", 1)


def record(age: float, tp: TopicPartition = ARRIVALS) -> Taken:
    """A record whose timestamp is so many seconds before WALL."""
    timestamp = round((WALL - age) * 1000)
    kafka = ConsumerRecord(tp.topic, tp.partition, 0, timestamp, 0, None, b"{}", 0, 0, 2, ())
    return Taken(timestamp, 6, BadInput("schema", "", "default"), kafka)


def partition(
    *ages: float, tp: TopicPartition = ARRIVALS, lag: bool = False, ended_at: float = 1000.0
) -> PartitionBuffer:
    """A partition with records of these ages at hand."""
    made = PartitionBuffer(tp, 0, lag=lag, ended_at=ended_at)
    made.records.extend(record(age, tp) for age in ages)
    return made


def lag(lags: TimeLags, of: PartitionBuffer, later: float = 0.0) -> float:
    """The time lag of a partition, so many seconds after WALL; to the ms."""
    return round(lags.seconds(of, WALL + later, 1000.0 + later), 3)


def test_a_partition_with_records_at_hand_is_as_far_behind_as_the_first_of_them() -> None:
    """Whatever was taken before, and also where the record is from 1970."""
    lags = TimeLags(900.0)
    lags.took([record(3)], WALL, 1000.0)
    assert lag(lags, partition(400, 2)) == 400
    assert lag(lags, partition(WALL - 0.001), later=5) == WALL + 4.999


def test_records_from_the_future_make_a_partition_ahead() -> None:
    """Below 0: while they wait, and when they are taken as soon as they come."""
    lags = TimeLags(900.0)
    assert lag(lags, partition(-3600)) == -3600
    lags.took([record(-120)], WALL, 1000.0)
    assert lag(lags, partition(), later=30) == -120


def test_a_flood_of_old_records_that_are_taken_at_once_is_seen_though_nothing_is_left() -> None:
    """The age that the last one had when it was taken; of each partition its own."""
    lags = TimeLags(900.0)
    lags.took([record(0.2), record(WALL - 0.001, PRESENCE), record(0.1)], WALL, 1000.0)
    assert lag(lags, partition(), later=1) == 0.1
    assert lag(lags, partition(tp=PRESENCE), later=1) == WALL - 0.001
    assert lag(lags, partition(tp=PRESENCE, lag=True), later=1) == WALL - 0.001


def test_a_partition_that_idles_is_not_behind() -> None:
    """However old its last record is, and however old that was when it was taken."""
    lags = TimeLags(900.0)
    assert lag(lags, partition(), later=36_000) == 0
    lags.took([record(36_000)], WALL, 1000.0)
    assert lag(lags, partition(), later=RECENT_SECONDS - 1) == 36_000
    assert lag(lags, partition(), later=RECENT_SECONDS) == 0


def test_a_record_after_a_quiet_night_does_not_look_as_old_as_the_one_before_it() -> None:
    """It is there and was not fetched yet: it can't be older than the time since all was read."""
    lags = TimeLags(900.0)
    lags.took([record(1)], WALL, 1000.0)
    assert lag(lags, partition(lag=True, ended_at=1000.0 + 36_000), later=36_000.25) == 0.25


def test_a_partition_whose_leader_delivers_nothing_is_behind_since_it_was_last_read() -> None:
    """To its end; or since anything was taken from it, or the shard was opened."""
    lags = TimeLags(900.0)
    never = partition(lag=True, ended_at=float("-inf"))
    assert lag(lags, never) == 100
    lags.took([record(1)], WALL, 1000.0)
    assert lag(lags, never, later=500) == 500
    assert lag(lags, partition(lag=True, ended_at=1200.0), later=500) == 300
