"""Damaged logs: each harm is told by file and line, or with --skip-bad counted, and never passed over in silence."""

from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest

from switchboard.domain.events import Event, Frame
from switchboard.errors import RecordedLogError
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.journal.line_files import PieceWriter, writing_pieces
from switchboard.journal.log_frames import DAMAGED, Tally
from switchboard.journal.recorded_log import Record, encode_record, read_log
from switchboard.tools.offline_replay import steps

FRAMES = [
    Frame(n, 1000 * n, 250, [Event("chat-arrival", "x", {"chat_id": f"c{n}"}, None, ("t", 0, n))]) for n in range(9)
]
LINES = [
    encode_record(Record("journal", 0, frame.n, 0, None, encode_frame(frame), JOURNAL_HEADERS)) for frame in FRAMES
]


def log_of(path: Path, lines: Iterable[bytes]) -> Path:
    """A log of these lines."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def numbers(log: Path, tally: Tally, *, skip_bad: bool = False) -> list[int]:
    """The frames that engines are told, all applied."""
    found = []
    for engine, frame in steps(log, tally, skip_bad=skip_bad):
        engine.apply(frame)
        found.append(frame.n)
    return found


HARMS: list[tuple[str, Callable[[list[bytes]], list[bytes]], int, str, list[int], int]] = [
    ("a line that is no JSON", lambda all_: [*all_[:4], b"\x00\x01", *all_[4:]], 5, "not JSON", list(range(9)), 0),
    ("another format", lambda all_: [b"a;b;c", *all_], 1, "not JSON", list(range(9)), 0),
    ("a mangled payload", lambda all_: [*all_[:3], all_[3].replace(b'\\"at', b'\\"AT'), *all_[4:]], 4,
     "no journal frame", [0, 1, 2, 4, 5, 6, 7, 8], 1),
    ("a gap", lambda all_: [*all_[:2], *all_[5:]], 3, "expected its frame 2, got 5", [0, 1, 5, 6, 7, 8], 1),
    ("a step back", lambda all_: [*all_[:3], all_[1], *all_[3:]], 4, "expected its frame 3, got 1", list(range(9)), 0),
    ("no beginning", lambda all_: all_[3:], 1, "begins with each shard's frame 0", [3, 4, 5, 6, 7, 8], 1),
]  # fmt: skip
"""(what, how, the line that is told, the message, the frames that a reading that skips is left with, its gaps)."""


@pytest.mark.parametrize(("harm", "at", "message"), [each[1:4] for each in HARMS], ids=[each[0] for each in HARMS])
def test_a_harm_is_told_by_its_line(
    tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]], at: int, message: str
) -> None:
    """And ends the replay there."""
    log = log_of(tmp_path / "log.jsonl", harm(LINES))
    with pytest.raises(RecordedLogError, match=message) as raised:
        numbers(log, Tally())
    assert (raised.value.file, raised.value.line) == (str(log), at)


@pytest.mark.parametrize(
    ("harm", "at", "left", "gaps"), [(each[1], each[2], *each[4:]) for each in HARMS], ids=[each[0] for each in HARMS]
)
def test_a_harm_that_is_skipped_is_counted(
    tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]], at: int, left: list[int], gaps: int
) -> None:
    """Missing frames are counted as a gap, for what is decided after it may differ from what was decided live."""
    log = log_of(tmp_path / "log.jsonl", harm(LINES))
    tally = Tally()
    assert numbers(log, tally, skip_bad=True) == left
    assert tally.gaps == gaps
    assert tally.bad[DAMAGED] >= 1
    assert tally.examples[DAMAGED].startswith(f"{log}:{at}: ")


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_log_that_is_cut_anywhere_is_told_and_all_before_the_cut_can_be_read(tmp_path: Path, suffix: str) -> None:
    """As a full disk or a SIGKILL leaves it."""
    whole, log = tmp_path / f"whole.{suffix}", tmp_path / f"log.{suffix}"
    ends = [0]
    with writing_pieces(whole) as writer:
        for line in LINES:
            writer.write(line + b"\n")
            writer.flush()
            ends.append(whole.stat().st_size)
    content = whole.read_bytes()
    for cut in range(ends[2], len(content), 5):
        log.write_bytes(content[:cut])
        pieces = max(number for number, end in enumerate(ends) if end <= cut)
        tally = Tally()
        found = numbers(log, tally, skip_bad=True)
        assert found in (list(range(pieces)), list(range(pieces + 1)))
        if cut in ends or (suffix == "jsonl" and cut + 1 in ends):
            assert not tally.bad
        else:
            assert tally.bad == {DAMAGED: 1}
            with pytest.raises(RecordedLogError, match="cut"):
                list(read_log(log))


def test_a_file_of_another_kind_is_no_log(tmp_path: Path) -> None:
    """Whether its lines are refused or skipped."""
    log = log_of(tmp_path / "day.csv", [b"start,calls", b"08:00,17"])
    with pytest.raises(RecordedLogError, match=r"day\.csv:1: not JSON"):
        numbers(log, Tally())
    with pytest.raises(RecordedLogError, match="no line is of a topic of ours"):
        numbers(log, Tally(), skip_bad=True)


def test_times_of_a_bus_log_that_go_back_are_counted(tmp_path: Path) -> None:
    """They happen at the time of the line before; how far back they go is told."""
    times = [1000, 5000, 4000, 2000, 6000]
    lines = [encode_record(Record("chat-arrival", 0, n, ts, None, b'{"chat_id":"c"}')) for n, ts in enumerate(times)]
    log = log_of(tmp_path / "bus.jsonl", lines)
    tally = Tally()
    assert numbers(log, tally) == [0, 1, 2, 3, 4]
    assert (tally.back, tally.furthest_back) == (2, 3000)
    assert tally.examples["back"] == f"{log}:3: 1000 ms"


def test_a_piece_is_written_when_it_is_large_or_old(tmp_path: Path) -> None:
    """What is lost by a SIGKILL is a second's worth at most."""
    with (tmp_path / "log").open("wb") as file:
        now = [100.0]
        writer = PieceWriter(lambda: file, clock=lambda: now[0])

        def on_disk() -> int:
            return (tmp_path / "log").stat().st_size

        writer.write(b"x\n")
        writer.tick()
        assert on_disk() == 0
        now[0] += 1
        writer.tick()
        assert on_disk() == 2
        writer.write(b"x" * 1024 * 1024 + b"\n")
        assert on_disk() == 2 + 1024 * 1024 + 1


def test_a_recording_that_fails_before_its_first_record_changes_nothing(tmp_path: Path) -> None:
    """Neither is an old log lost, nor is there an empty one afterwards, unless it is asked for."""
    old, none = tmp_path / "old.jsonl", tmp_path / "none.jsonl"
    old.write_bytes(b"kept")
    for log in (old, none):
        with pytest.raises(ConnectionError), writing_pieces(log, replace=True):
            raise ConnectionError
    assert (old.read_bytes(), none.exists()) == (b"kept", False)
    with writing_pieces(none) as writer:
        assert not none.exists()
        writer.open()
    assert none.read_bytes() == b""


def test_what_was_recorded_before_an_error_is_kept(tmp_path: Path) -> None:
    """It takes the place of an old log only where that is asked for."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"old")
    with pytest.raises(FileExistsError), writing_pieces(log) as writer:
        writer.write(b"new\n")
    assert log.read_bytes() == b"old"

    def fail() -> None:
        with writing_pieces(log, replace=True) as writer:
            writer.write(b"new\n")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail()
    assert log.read_bytes() == b"new\n"


def test_what_a_recording_compresses_is_a_log_as_any_other(tmp_path: Path) -> None:
    """Gzip members, or zstd frames, one after another."""
    for suffix in ("gz", "zst"):
        log = tmp_path / f"log.{suffix}"
        with writing_pieces(log) as writer:
            for line in LINES:
                writer.write(line + b"\n")
                writer.flush()
        assert [orjson.loads(record.payload or b"")["n"] for record in read_log(log)] == list(range(9))
