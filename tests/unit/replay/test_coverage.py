"""Each source record once and in order: what is a fault and how it is told."""

from array import array

from switchboard.tools.final_check import Coverage


def faults(coverage: Coverage, *live: int) -> list[str]:
    """All that is wrong, given the offsets of the records of chat-arrival/0."""
    return [*coverage.faults, *coverage.compare("chat-arrival", 0, array("q", live))]


def taken(*offsets: int) -> Coverage:
    """These offsets of chat-arrival/0 stand in the journal of shard 0, in this order."""
    coverage = Coverage()
    for frame, offset in enumerate(offsets):
        coverage.journaled(0, frame, ("chat-arrival", 0, offset))
    return coverage


def test_records_taken_once_and_in_order_are_no_fault() -> None:
    """Holes in offsets, as transactions leave them, are none either."""
    assert faults(taken(0, 1, 5), 0, 1, 5) == []


def test_a_record_that_was_never_taken_is_named() -> None:
    """Lost."""
    assert faults(taken(0, 2), 0, 1, 2) == ["chat-arrival/0: 1 of 3 records was never taken, such as @1"]


def test_several_records_are_told_in_the_plural() -> None:
    """Two of two, and two that are not there."""
    assert faults(taken(7, 8), 0, 1) == [
        "chat-arrival/0: 2 of 2 records were never taken, such as @0, @1",
        "chat-arrival/0: 2 records were taken that are not there, such as @7, @8",
    ]


def test_a_record_that_was_taken_twice_is_named() -> None:
    """In one journal that is out of order as well."""
    assert faults(taken(0, 1, 1), 0, 1) == [
        "frame 2 of shard 0 holds chat-arrival/0@1 after chat-arrival/0@1",
        "chat-arrival/0: 1 record was taken more than once, such as @1",
    ]


def test_a_record_taken_by_two_shards_is_named() -> None:
    """A record belongs to one shard."""
    coverage = taken(0, 1)
    coverage.journaled(1, 0, ("chat-arrival", 0, 1))
    assert faults(coverage, 0, 1) == ["chat-arrival/0: 1 record was taken more than once, such as @1"]


def test_two_shards_may_share_a_partition_each_in_order() -> None:
    """Their pools are on the same topics."""
    coverage = taken(1, 3)
    for offset in (0, 2):
        coverage.journaled(1, offset, ("chat-arrival", 0, offset))
    assert faults(coverage, 0, 1, 2, 3) == []


def test_a_record_out_of_order_is_named_with_its_frame() -> None:
    """Offsets of one partition always ascend."""
    assert faults(taken(1, 0), 0, 1) == ["frame 1 of shard 0 holds chat-arrival/0@0 after chat-arrival/0@1"]


def test_a_record_that_is_not_there_is_named() -> None:
    """Made up."""
    assert faults(taken(0, 7), 0) == ["chat-arrival/0: 1 record was taken that is not there, such as @7"]


def test_a_dead_letter_counts_as_taken_but_not_twice() -> None:
    """Set aside or journaled, never both."""
    coverage = taken(0)
    coverage.set_aside(("chat-arrival", 0, 1))
    assert faults(coverage, 0, 1) == []
    coverage.set_aside(("chat-arrival", 0, 0))
    assert faults(coverage, 0, 1) == ["chat-arrival/0: 1 record was taken more than once, such as @0"]
