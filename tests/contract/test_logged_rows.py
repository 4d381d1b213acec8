"""A journal log that begins with rows: its engines go on from there, exactly."""

from pathlib import Path

import orjson
import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rows import Row
from switchboard.errors import RecordedLogError
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.journal.log_frames import DAMAGED, Tally
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.tools.offline_replay import decide, steps

SHARD = 3
HEAD = 5
"""Frames before the rows."""


def _frame(number: int) -> Frame:
    data = {"chat_id": f"c{number}"}
    events = [Event("chat-arrival", "x", data, None, ("t", 0, number))]
    if number % 2 == 0:
        events.append(Event("agent-logged-in", "x", {"agent_id": f"a{number}"}, None, ("p", 0, number)))
    return Frame(number, 1_000_000 + 1000 * number, 1000 if number else 0, events)


FRAMES = [_frame(number) for number in range(12)]


def journaled(frames: list[Frame]) -> list[Record]:
    """Their lines."""
    return [Record("eu.journal", SHARD, frame.n, 0, None, encode_frame(frame), JOURNAL_HEADERS) for frame in frames]


def rows_after(frames: list[Frame]) -> list[Record]:
    """The lines of the rows after these frames."""
    engine = Engine(SHARD)
    for frame in frames:
        engine.apply(frame)
    return [logged(row) for row in engine.rows()]


def logged(row: Row) -> Record:
    """A row's line."""
    value = None if row.value is None else orjson.dumps(row.value)
    return Record(f"eu.{row.table}", SHARD, 0, 0, row.key.encode(), value)


def log_of(path: Path, records: list[Record]) -> Path:
    """A log of these records."""
    with writing_log(path) as write:
        for record in records:
            write(record)
    return path


def ids(log: Path, tally: Tally) -> list[str]:
    """The decisions of a log."""
    return [decision.id for decisions in decide(log, tally) for decision in decisions]


def test_engines_go_on_from_the_rows(tmp_path: Path) -> None:
    """What is decided after them is what a replay from frame 0 decides there."""
    tally = Tally()
    whole = ids(log_of(tmp_path / "whole", journaled(FRAMES)), Tally())
    rows = rows_after(FRAMES[:HEAD])
    late = ids(log_of(tmp_path / "late", [*rows, *journaled(FRAMES[HEAD:])]), tally)
    assert late == [decision for decision in whole if int(decision.split("/")[2]) >= HEAD]
    assert late
    assert (tally.rows, tally.skipped, tally.frames) == (len(rows), 0, len(FRAMES) - HEAD)


def test_later_lines_of_a_row_count_and_a_tombstone_ends_it(tmp_path: Path) -> None:
    """As in the compacted topics that they come from."""
    stale = [*rows_after(FRAMES[: HEAD - 2]), logged(Row("open-chats", "x/gone", {"chat_id": "gone"}))]
    rows = [*stale, logged(Row("open-chats", "x/gone", None)), *rows_after(FRAMES[:HEAD])]
    log = log_of(tmp_path / "late", [*rows, *journaled(FRAMES[HEAD:])])
    (engine, first), *_ = steps(log, Tally())
    assert first.n == HEAD
    assert sorted(row.key for row in engine.rows()) == sorted(
        {(record.key or b"").decode() for record in rows_after(FRAMES[:HEAD])}
    )


def test_rows_beside_a_journal_from_its_beginning_are_skipped(tmp_path: Path) -> None:
    """A recording of all topics may hold them, before and after its frames."""
    tally = Tally()
    rows = rows_after(FRAMES)
    log = log_of(tmp_path / "all", [*rows, *journaled(FRAMES), *rows])
    assert ids(log, tally) == ids(log_of(tmp_path / "whole", journaled(FRAMES)), Tally())
    assert (tally.rows, tally.skipped) == (0, 2 * len(rows))


def test_rows_alone_are_a_journal_log_without_a_frame(tmp_path: Path) -> None:
    """Recorded while nothing happened."""
    assert ids(log_of(tmp_path / "idle", rows_after(FRAMES)), Tally()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (Record("open-chats", SHARD, 0, 0, b"x/c", b"{"), "6: no row of open-chats: "),
        (Record("open-chats", SHARD, 0, 0, None, b"{}"), "6: no row of open-chats: expected a key"),
        (Record("agent-capacity", SHARD, 0, 0, b"x/a", b"[]"), "6: no row of agent-capacity: expected a key"),
        (Record("shard-progress", SHARD, 0, 0, b"clock", b'{"format":99,"frame":4}'), "6: rows of format 99; this"),
        (Record("agent-capacity", SHARD, 0, 0, b"x/a", b'{"pool":"x"}'), " the rows of shard 3 are damaged: KeyError"),
    ],
)
def test_damaged_rows_are_told(tmp_path: Path, line: Record, message: str) -> None:
    """By file and line, or by shard where only all of them together tell."""
    rows = rows_after(FRAMES[:HEAD])
    log = log_of(tmp_path / "late", [*rows[-5:], line, *rows[:-5], *rows[-1:], *journaled(FRAMES[HEAD:])])
    with pytest.raises(RecordedLogError) as raised:
        ids(log, Tally())
    assert str(raised.value).startswith(f"{log}:{message}")


def test_frames_that_do_not_go_on_from_the_rows_are_a_gap(tmp_path: Path) -> None:
    """Told with the number that was to come; a reading that skips counts it and goes on."""
    log = log_of(tmp_path / "late", [*rows_after(FRAMES[:HEAD]), *journaled(FRAMES[HEAD + 2 :])])
    with pytest.raises(RecordedLogError, match=f"expected its frame {HEAD}, got {HEAD + 2}"):
        ids(log, Tally())
    tally = Tally()
    assert [frame.n for _, frame in steps(log, tally, skip_bad=True)] == list(range(HEAD + 2, len(FRAMES)))
    assert (tally.gaps, tally.bad[DAMAGED]) == (1, 1)
