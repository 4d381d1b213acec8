"""A shard's rows at one frame: what is later is dropped, and where that is in doubt it is looked at again."""

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from switchboard.tools.row_cut import RowCut, cut_at


def row(offset: int, ts: int, key: str, value: object) -> ConsumerRecord[bytes, bytes]:
    """A record of a topic of rows."""
    encoded = None if value is None else orjson.dumps(value)
    return ConsumerRecord("t", 0, offset, ts, 0, key.encode(), encoded, None, -1, -1, ())


def clock(offset: int, ts: int, frame: int) -> ConsumerRecord[bytes, bytes]:
    """The row of a frame's number."""
    return row(offset, ts, "clock", {"frame": frame})


def found(cut: RowCut | None) -> tuple[int, dict[str, object]]:
    """The frame of a cut, and its rows."""
    assert cut is not None
    return cut.frame, {record.key.decode(): orjson.loads(record.value) for record in cut.rows}


AGENTS = [row(0, 10, "x/a", 0), row(2, 20, "x/b", 1), row(4, 30, "x/a", 2), row(6, 40, "x/b", None)]
"""The rows of frames 0 to 3; a commit's marker stands after each."""


def test_while_nothing_is_committed_all_rows_are_those_of_the_last_frame() -> None:
    """The latest of each key; a tombstone ends it."""
    progress = [clock(0, 10, 0), clock(2, 20, 1), clock(4, 30, 2), clock(6, 40, 3)]
    assert found(cut_at(8, progress, [AGENTS])) == (3, {"clock": {"frame": 3}, "x/a": 2})


@pytest.mark.parametrize(
    ("first_end", "frame", "agents"), [(2, 0, {"x/a": 0}), (4, 1, {"x/a": 0, "x/b": 1}), (6, 2, {"x/a": 2, "x/b": 1})]
)
def test_what_is_later_than_the_frame_is_dropped(first_end: int, frame: int, agents: dict[str, object]) -> None:
    """By the timestamp that all records of a commit have."""
    progress = [clock(0, 10, 0), clock(2, 20, 1), clock(4, 30, 2), clock(6, 40, 3)]
    assert found(cut_at(first_end, progress, [AGENTS])) == (frame, {"clock": {"frame": frame}, **agents})


def test_a_shard_that_has_made_no_frame_has_no_rows() -> None:
    """It may know its source offsets already."""
    assert cut_at(2, [row(0, 10, "source/t/0", {"offset": 7})], [[]]) == RowCut()


@pytest.mark.parametrize(
    ("progress", "agents"),
    [
        ([clock(2, 20, 0)], AGENTS[:1]),  # the first frame of all came between the looks
        ([clock(0, 20, 0), clock(2, 20, 1)], AGENTS),  # two commits within one millisecond
        ([clock(0, 20, 0), clock(2, 10, 1)], AGENTS),  # the clock was set back after the frame
        ([clock(-2, 30, 0), clock(0, 20, 1), clock(2, 40, 2)], AGENTS),  # and before it
        ([clock(0, 20, 0), clock(2, 40, 1)], [row(0, 30, "x/a", 0), row(2, 20, "x/b", 1)]),  # the broker's timestamps
    ],
)
def test_where_timestamps_leave_doubt_it_is_looked_at_again(
    progress: list[ConsumerRecord[bytes, bytes]], agents: list[ConsumerRecord[bytes, bytes]]
) -> None:
    """Rather than giving rows that no frame ever had."""
    assert cut_at(2, progress, [agents]) is None
