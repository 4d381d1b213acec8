"""`switchboard replay --out`: what is there stays until there is something better."""

import gzip
from pathlib import Path

import pytest
from click.testing import Result

from switchboard.errors import RecordedLogError
from switchboard.journal.line_files import read_lines
from tests.commands import invoke
from tests.unit.replay.logs import decided, journal
from tests.unit.rules.story import event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three chats arrive."""
    return journal(
        tmp_path / "journal.jsonl", *((second, [event("chat-arrival", chat_id=f"c{second}")]) for second in range(3))
    )


def run(log: Path, out: Path) -> Result:
    """Replay a log to a decision log."""
    return invoke("replay", log, "--out", out)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_replay_that_fails_leaves_the_old_decision_log_as_it_was(tmp_path: Path, log: Path, suffix: str) -> None:
    """A log that is cut; and where there was none, there is none afterwards."""
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(log.read_bytes())[:-20])
    out, none = tmp_path / f"old.{suffix}", tmp_path / f"none.{suffix}"
    out.write_bytes(b"kept")
    before = set(tmp_path.iterdir())
    for each in (out, none):
        assert isinstance(run(cut, each).exception, RecordedLogError)
    assert out.read_bytes() == b"kept"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_replay_takes_the_place_of_an_older_one(tmp_path: Path, log: Path, suffix: str) -> None:
    """With the old one's mode, compressed by the name's ending, and nothing stays beside it."""
    out = tmp_path / f"old.{suffix}"
    out.write_bytes(b"old")
    out.chmod(0o640)
    lines = decided(log)
    before = set(tmp_path.iterdir())
    assert run(log, out).exit_code == 0
    assert list(read_lines(out)) == lines
    assert out.read_bytes()[:2] == {"jsonl": b'{"', "jsonl.gz": b"\x1f\x8b", "jsonl.zst": b"\x28\xb5"}[suffix]
    assert out.stat().st_mode & 0o777 == 0o640
    assert set(tmp_path.iterdir()) == before
    assert run(log, Path("/dev/null")).exit_code == 0


def test_a_decision_log_never_takes_the_place_of_its_log(tmp_path: Path, log: Path) -> None:
    """Under its own name, nor under another that it has."""
    before = log.read_bytes()
    other = tmp_path / "other.jsonl"
    other.hardlink_to(log)
    for out in (log, other):
        ran = run(log, out)
        assert ran.exit_code == 2
        assert "name another file" in ran.output
    assert log.read_bytes() == before
