"""`switchboard verify` on files: its exit codes, its words and its JSON."""

from pathlib import Path

import orjson
import pytest
from click.testing import Result

from switchboard.journal.recorded_log import Record, writing_log
from tests.commands import invoke
from tests.unit.replay.logs import decided, journal
from tests.unit.rules.story import event

FRAMES = [(second, [event("chat-arrival", chat_id=f"c{second}")]) for second in range(3)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three chats arrive."""
    return journal(tmp_path / "journal.jsonl", *FRAMES)


def run(log: Path, *lines: bytes, options: tuple[str, ...] = ()) -> Result:
    """Hold a log against these lines."""
    decisions = log.with_name("decisions.jsonl")
    decisions.write_bytes(b"".join(lines))
    return invoke("verify", log, decisions, *options, catch_exceptions=False, env={"COLUMNS": "100"})


def test_equal_decisions_are_exit_code_0_with_the_counts(log: Path) -> None:
    """In words and as JSON."""
    lines = decided(log)
    ran = run(log, *lines)
    assert ran.exit_code == 0
    assert ran.output.splitlines() == [
        "equal, byte for byte and in order: 3 decisions",
        "replayed 3 events in 3 frames",
    ]
    body = orjson.loads(run(log, *lines, options=("--json",)).output)
    assert (body["equal"], body["same"], body["frames"], body["first"]) == (True, 3, 3, None)


def test_a_difference_is_exit_code_1_with_the_field_the_frame_and_the_state(log: Path) -> None:
    """The field that differs is marked."""
    lines = decided(log)
    ran = run(log, lines[0], lines[1].replace(b'"queue":"default"', b'"queue":"defau1t"'), lines[2])
    assert ran.exit_code == 1
    told = [line.split() for line in ran.output.splitlines()]
    assert ["▶", "queue", "default", "defau1t"] in told
    assert ["chat_id", "c1", "c1"] in told
    words = " ".join(ran.output.split())
    assert "line 2: a different decision" in words
    assert "frame 1 of shard 0, 2026-03-01T08:00:01.000Z, 1,000 ms of service time" in words
    assert "chat-arrival chat_id=c1, pool default, from bus/0 @100" in words
    assert "queue default: 1 wait, first c0" in words
    assert "2 of the replay's 3 decisions were found as they are 1 frame differs" in words


def test_in_a_pipe_neither_a_table_nor_a_path_is_broken_over_lines(log: Path) -> None:
    """Unless COLUMNS asks for it."""
    long = log.rename(log.with_name(f"{'x' * 100}.jsonl"))
    lines = decided(long)
    decisions = long.with_name(f"{'y' * 50}.jsonl")
    decisions.write_bytes(b"".join([lines[0], lines[1].replace(b'"default"', b'"%s"' % (b"d" * 60)), lines[2]]))
    for columns, whole in ((None, True), ("60", False)):
        told = invoke("verify", long, decisions, env={"COLUMNS": columns}).output
        assert (f"{decisions}, line 2: a different decision" in told.splitlines()) is whole
        assert ("d" * 60 in told) is whole


def test_the_json_of_a_difference_holds_both_decisions(log: Path) -> None:
    """And what led to it."""
    lines = decided(log)
    body = orjson.loads(run(log, lines[0], lines[2], options=("--json",)).output)
    first = body["first"]
    assert (first["kind"], first["after"], first["found"]) == ("missing", 1, None)
    assert first["expected"].encode() == lines[1].rstrip()
    assert first["circumstances"]["frame"] == 1
    assert body["frames_differ"] == 1


def test_a_journal_of_other_rules_is_said_to_be_no_fault(tmp_path: Path) -> None:
    """Exit code 1, for it could not be verified; what to do is said."""
    log = journal(tmp_path / "journal.jsonl", *FRAMES, rules=[b"7"])
    ran = run(log)
    assert ran.exit_code == 1
    told = " ".join(ran.output.split())
    assert "from line 1 on: the journal is of rules 7, and this version of Switchboard has rules 1" in told
    assert "That is no fault of the log" in told
    assert "differ" not in told


def test_a_log_of_the_bus_needs_a_decision_log(tmp_path: Path) -> None:
    """Its replay's ids are not those of the live journal."""
    log = tmp_path / "bus.jsonl"
    with writing_log(log) as write:
        write(Record("chat-arrival", 0, 0, 1_000, None, b'{"chat_id":"c1"}'))
    ran = invoke("verify", log)
    assert ran.exit_code == 2
    assert "Give the decision log" in ran.output
    assert run(log, *decided(log)).exit_code == 0
