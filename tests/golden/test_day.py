"""A recorded day, replayed: what was decided on it is decided on it still."""

import hashlib
import subprocess
import sys
from pathlib import Path

from switchboard.contracts.log_files import read_lines

DAY = Path(__file__).with_name("day.jsonl")
DECISIONS = Path(__file__).with_name("day.decisions.jsonl.zst")


def replay(out: Path) -> bytes:
    """What the command writes for the day."""
    command = [sys.executable, "-m", "switchboard", "replay", str(DAY), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return out.read_bytes()


def test_a_replay_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    """I10: two replays, in two processes with other hash seeds, write the same file."""
    first, second = replay(tmp_path / "first.jsonl"), replay(tmp_path / "second.jsonl")
    assert first
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()


def test_the_recorded_day_is_decided_as_it_was(tmp_path: Path) -> None:
    """A change of any decision on it is a change of the rules: then their version changes, and this log with it."""
    assert replay(tmp_path / "now.jsonl").splitlines(keepends=True) == list(read_lines(DECISIONS))
