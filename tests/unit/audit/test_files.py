"""`switchboard audit LOG DECISIONS`: what it reads, what it says, and how it ends."""

import asyncio
from pathlib import Path

import orjson
import pytest
from click.testing import Result

from switchboard.audit.findings import Report
from switchboard.audit.inputs import audit_files
from switchboard.domain.events import Frame
from switchboard.errors import AuditInputError, RecordedLogError
from switchboard.journal.frames import encode_frame
from switchboard.journal.line_files import read_lines, writing_lines
from switchboard.journal.recorded_log import Record, encode_record
from tests.commands import invoke
from tests.property.mutations import decided
from tests.unit.audit.day import history

GOLDEN = Path(__file__).parents[2] / "golden"
DAY = GOLDEN / "day.jsonl"
DECISIONS = GOLDEN / "day.decisions.jsonl.zst"

Lines = list[bytes]


def written(path: Path, lines: Lines) -> Path:
    """A file of these lines, compressed by its name."""
    with writing_lines(path) as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return path


def journal(frames: list[Frame], shards: tuple[int, ...] = (0,)) -> Lines:
    """A journal log's lines: of several shards they take turns."""
    return [
        encode_record(Record("journal", shard, frame.n, frame.at, None, encode_frame(frame)))
        for frame in frames
        for shard in shards
    ]


def decisions(frames: list[Frame], shards: tuple[int, ...] = (0,)) -> Lines:
    """Its decision log's lines, in the order in which they are made."""
    made = {shard: decided(frames, shard) for shard in shards}
    return [orjson.dumps(each) for at in range(len(frames)) for shard in shards for each in made[shard][at]]


def looked_at(log: Path, *decision_logs: Path) -> Report:
    """What the auditor says."""
    return asyncio.run(audit_files(log, decision_logs, lambda _: None))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """The small day as a journal log."""
    return written(tmp_path / "journal.jsonl.gz", journal(history()))


def command(*arguments: str | Path) -> Result:
    """Run the command."""
    return invoke("audit", *arguments)


def test_nothing_is_found_in_the_recorded_day() -> None:
    """A bus log with its decision log, compressed."""
    report = looked_at(DAY, DECISIONS)
    assert report.findings == []
    assert (report.frames, report.decisions, report.offers, report.chats) == (2174, 2007, 380, 286)


def test_a_finding_names_the_log_and_the_line(tmp_path: Path) -> None:
    """Frame n of a bus log is its line n + 1: an editor goes there."""
    lines = [line.rstrip() for line in read_lines(DECISIONS)]
    at = next(index for index, line in enumerate(lines) if b'"chat-wrapping"' in line)
    dropped = orjson.loads(lines.pop(at))
    first = looked_at(DAY, written(tmp_path / "cut.jsonl.zst", lines)).findings[0]
    assert first.place == f"{DAY}:{first.frame + 1}"
    assert (first.rules, first.chat_id, first.at) == (("I4", "R15"), dropped["chat_id"], dropped["at"])


def test_shards_are_followed_side_by_side(tmp_path: Path) -> None:
    """A journal log of all shards, with one decision log of all shards."""
    shards = (0, 5)
    log = written(tmp_path / "journal.jsonl", journal(history(), shards))
    report = looked_at(log, written(tmp_path / "decisions.jsonl", decisions(history(), shards)))
    assert report.findings == []
    assert report.frames == 2 * len(history())


def test_decisions_may_come_a_file_a_topic(day: Path, tmp_path: Path) -> None:
    """As kcat records them: each topic in order with gaps, put together by the numbers in their ids."""
    made = decisions(history())
    assignment = written(tmp_path / "assignment.jsonl", [each for each in made if b'"chat-requested"' not in each])
    push_request = written(tmp_path / "push-request.jsonl", [each for each in made if b'"chat-requested"' in each])
    assert looked_at(day, assignment, push_request).findings == []
    assert looked_at(day, assignment).findings[0].rules == ("I8", "R11")


def test_a_decision_log_that_ends_early_is_one_finding(day: Path, tmp_path: Path) -> None:
    """It says what the next frame calls for, and what to do; what follows would be noise."""
    report = looked_at(day, written(tmp_path / "short.jsonl", decisions(history())[:15]))
    assert report.found == 1
    assert report.findings[0].frame == 8
    assert "the decision log ends before: make one that goes as far as the log" in report.findings[0].found


def test_decisions_beyond_the_log_are_one_finding_a_shard(tmp_path: Path) -> None:
    """They may be right, but there is nothing to tell it by."""
    log = written(tmp_path / "short.jsonl", journal(history()[:19]))
    found = looked_at(log, written(tmp_path / "decisions.jsonl", decisions(history()))).findings
    assert [each.frame for each in found] == [19]
    assert found[0].expected == "no decision: the log ends with frame 18; take a log that goes as far as the decisions"
    assert found[0].found == "chat-requeued of frame 19, the first of 8"


def test_a_decision_behind_later_frames_is_found(day: Path, tmp_path: Path) -> None:
    """Decisions stand in the order of their frames."""
    made = decisions(history())
    made.append(made.pop(3))
    found = looked_at(day, written(tmp_path / "decisions.jsonl", made)).findings
    assert [(each.rules, each.frame) for each in found] == [(("I4", "R13"), 3), (("ids",), 3)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{", "expected a decision as JSON"),
        (b"[]", "expected a decision, as replay writes them"),
        (b'{"type":"chat-arrival","chat_id":"c"}', 'got type "chat-arrival"'),
        (b'{"chat_id":"c"}', "got no type"),
        (b'{"type":"chat-wrapping","id":"default/0/1/0","pool":"default"}', "no chat-wrapping: "),
    ],
)
def test_what_is_no_decision_is_refused_with_its_line(day: Path, tmp_path: Path, line: bytes, what: str) -> None:
    """A wrong file is told apart from a wrong decision."""
    path = written(tmp_path / "wrong.jsonl", [decisions(history())[0], line])
    with pytest.raises(AuditInputError, match=f"wrong.jsonl:2: .*{what}"):
        looked_at(day, path)


def test_a_journal_that_begins_in_the_middle_is_refused(tmp_path: Path) -> None:
    """The books begin empty: without what came before nothing could be told."""
    log = written(tmp_path / "late.jsonl", journal(history()[3:]))
    with pytest.raises(RecordedLogError, match="expected its frame 0, got 3"):
        looked_at(log, written(tmp_path / "decisions.jsonl", decisions(history())))


def test_the_command_says_what_it_looked_at_and_ends_with_0() -> None:
    """Nothing found."""
    done = command(DAY, DECISIONS)
    assert done.exit_code == 0
    assert done.output.startswith("nothing found; looked at 2,174 frames, 2,174 events, 2,007 decisions, 380 offers, ")


def test_the_command_tells_findings_and_ends_with_1(day: Path, tmp_path: Path) -> None:
    """Of many the first are told, and all are counted."""
    made = [each for each in decisions(history()) if b'"chat-wrapping"' not in each]
    done = command(day, written(tmp_path / "decisions.jsonl", made))
    assert done.exit_code == 1
    assert done.output.startswith("I4 R15: pool default, chat c1, agent ana\n  when      frame 9 of shard 0, ")
    assert "1 finding; looked at 22 frames" in done.output


def test_the_command_prints_data(day: Path, tmp_path: Path) -> None:
    """`--json`: figures and findings, field by field."""
    made = [each for each in decisions(history()) if b'"chat-wrapping"' not in each]
    done = command(day, written(tmp_path / "decisions.jsonl", made), "--json")
    told = orjson.loads(done.output)
    assert (done.exit_code, told["found"], told["frames"]) == (1, 1, 22)
    assert told["findings"][0] | {"at": "", "place": ""} == {
        "rules": ["I4", "R15"],
        "shard": 0,
        "frame": 9,
        "at": "",
        "place": "",
        "pool": "default",
        "decision": None,
        "chat_id": "c1",
        "agent_id": "ana",
        "expected": "chat-wrapping of chat c1 with agent ana queue q",
        "found": "no more decisions in this frame",
    }


def test_a_log_without_decisions_is_wrong_use() -> None:
    """Both or neither."""
    done = command(DAY)
    assert done.exit_code == 2
    assert "LOG needs its DECISIONS" in done.output
