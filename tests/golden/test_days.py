"""Recorded days, replayed: what was decided on them is decided on them still."""

import hashlib
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

from switchboard.journal.line_files import read_lines
from switchboard.journal.log_frames import Tally
from switchboard.tools import offline_replay
from tests.golden.make_days import FOLDER, MAKERS, decision_log

LOGS = sorted({*MAKERS, "demo.jsonl.zst"})
DAY = FOLDER / "day.jsonl"


@pytest.mark.parametrize("name", LOGS)
def test_a_recorded_day_is_decided_as_it_was(name: str) -> None:
    """A change of any decision on it is a change of the rules: then their version changes, and this log with it."""
    made: list[bytes] = []
    tally = Tally()
    offline_replay.replay(
        FOLDER / name, lambda lines: made.extend(lines.splitlines(keepends=True)), tally, lambda: None
    )
    assert tally.events > 700
    for now, then in zip_longest(made, read_lines(decision_log(FOLDER / name))):
        assert now == then


def test_a_replay_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    """I10: two replays, in two processes with other hash seeds, write the same file."""
    outs = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    command = [sys.executable, "-m", "switchboard", "replay", str(DAY), "--out"]
    running = [subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL) for out in outs]
    assert [process.wait(60) for process in running] == [0, 0]
    first, second = (out.read_bytes() for out in outs)
    assert first
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
