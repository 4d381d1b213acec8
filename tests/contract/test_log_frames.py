"""A recorded log as frames: numbers, times, what is skipped, what is refused."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.events import Event, Frame
from switchboard.errors import RecordedLogError
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.journal.log_frames import Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Record, read_log, writing_log


def line(number: int, ts: int, topic: str = "chat-arrival", body: object = None) -> Record:
    """A line of a bus log, numbered as editors do."""
    payload = orjson.dumps(body if body is not None else {"chat_id": f"c{number}", "pool": "x"})
    return Record(topic, 2, 70 + number, ts, None, payload, file="day.jsonl", line=number)


def test_each_line_of_a_bus_log_is_a_frame_of_one_event() -> None:
    """The number counts all lines from 0; time only moves forward; run is how far it moved."""
    tally = Tally()
    frames = list(bus_frames([line(1, 500), line(2, 800), line(3, 300), line(4, 900, "eu.chat-arrival")], tally))
    assert [(frame.n, frame.at, frame.run) for frame in frames] == [
        (0, 500, 0),
        (1, 800, 300),
        (2, 800, 0),
        (3, 900, 100),
    ]
    assert frames[0].events == [Event("chat-arrival", "x", {"chat_id": "c1"}, None, ("chat-arrival", 2, 71))]
    assert frames[3].events[0].source == ("eu.chat-arrival", 2, 74)
    assert (tally.frames, tally.events, tally.skipped, tally.bad) == (4, 4, 0, {})


def test_a_bad_or_skipped_line_has_a_number_but_is_no_frame_and_moves_no_time() -> None:
    """And the first frame has run 0, wherever it stands."""
    tally = Tally()
    lines = [
        line(1, 100, "assignment"),
        line(2, 200, body={"chat_id": ""}),
        line(3, 500),
        line(4, 700, "journal-of-another"),
        line(5, 9000, body=[]),
        line(6, 9000, body={"chat_id": None}),
        line(8, 600),  # line 7 is empty
    ]
    frames = list(bus_frames(lines, tally))
    assert [(frame.n, frame.at, frame.run) for frame in frames] == [(2, 500, 0), (7, 600, 100)]
    assert (tally.frames, tally.skipped) == (2, 2)
    assert tally.bad == {"schema": 2, "not-an-object": 1}
    assert tally.examples["schema"].startswith("day.jsonl:2: /chat_id minLength: ")


@given(st.lists(st.tuples(st.integers(-10, 10), st.sampled_from(["good", "bad", "skipped"]))))
def test_a_bus_logs_time_is_the_sum_of_its_runs(told: list[tuple[int, str]]) -> None:
    """So timers and clock move together."""
    lines = [
        line(i, ts, "assignment" if kind == "skipped" else "chat-arrival", {} if kind == "bad" else None)
        for i, (ts, kind) in enumerate(told, start=1)
    ]
    frames = list(bus_frames(lines, Tally()))
    good = [i for i, (_, kind) in enumerate(told) if kind == "good"]
    assert [frame.n for frame in frames] == good
    for index, frame in enumerate(frames):
        assert frame.at == max(told[i][0] for i in good[: index + 1])
        assert frame.at - frames[0].at == sum(each.run for each in frames[: index + 1])


def journal_line(number: int, frame: Frame, shard: int = 0, topic: str = "switchboard.journal") -> Record:
    """A line of a journal log."""
    return Record(topic, shard, 2 * number, 0, None, encode_frame(frame), JOURNAL_HEADERS, file="j.jsonl", line=number)


def test_a_journal_logs_frames_come_with_their_shards_and_other_lines_are_skipped() -> None:
    """The shard is the partition; shards may stand interleaved."""
    arrival = Event("chat-arrival", "x", {"chat_id": "c"}, None, ("chat-arrival", 0, 0))
    frames = [Frame(0, 10, 0), Frame(0, 11, 0, [arrival]), Frame(1, 12, 2), Frame(1, 13, 5)]
    lines = [
        journal_line(1, frames[0], shard=1),
        line(2, 0),
        journal_line(3, frames[1], shard=0),
        journal_line(4, frames[2], shard=1, topic="journal"),
        journal_line(5, frames[3], shard=0),
    ]
    tally = Tally()
    assert list(journal_frames(lines, tally)) == [(1, frames[0]), (0, frames[1]), (1, frames[2]), (0, frames[3])]
    assert (tally.frames, tally.events, tally.skipped) == (4, 1, 1)


@pytest.mark.parametrize("numbers", [[1], [0, 2], [0, 1, 1], [0, 1, 0]])
def test_a_journal_log_with_a_gap_or_a_step_back_is_refused(numbers: list[int]) -> None:
    """Without one of its frames nothing after it can be computed."""
    lines = [journal_line(i, Frame(n, 0, 0), shard=3) for i, n in enumerate(numbers, start=1)]
    with pytest.raises(RecordedLogError, match=f"^j.jsonl:{len(lines)}: shard 3: expected its frame"):
        list(journal_frames(lines, Tally()))


@pytest.mark.parametrize(
    ("payload", "headers", "message"),
    [
        (None, JOURNAL_HEADERS, "no payload"),
        (b"{}", JOURNAL_HEADERS, "no journal frame: /n required"),
        (b"{", JOURNAL_HEADERS, "no journal frame: not JSON"),
        (encode_frame(Frame(0, 0, 0)), (("rules", b"99"),), "written with rules 99"),
    ],
)
def test_a_line_of_the_journal_that_is_no_frame_is_refused(
    payload: bytes | None, headers: tuple[tuple[str, bytes], ...], message: str
) -> None:
    """By file and line."""
    record = Record("journal", 0, 0, 0, None, payload, headers, file="j.jsonl", line=8)
    with pytest.raises(RecordedLogError, match=f"^j.jsonl:8: .*{message}"):
        list(journal_frames([record], Tally()))


def test_a_journal_goes_through_a_file_unchanged(tmp_path: Path) -> None:
    """What a recorder writes, a replay reads."""
    log = tmp_path / "journal.jsonl.zst"
    frames = [
        Frame(n, 1000 * n, 250, [Event("agent-lost", "x", {"agent_id": "ü"}, "e", ("t", 0, n))]) for n in range(9)
    ]
    with writing_log(log) as write:
        for frame in frames:
            write(journal_line(1, frame))
    assert [frame for _, frame in journal_frames(read_log(log), Tally())] == frames
