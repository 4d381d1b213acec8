"""Recorded days, replayed: what was decided on them is decided on them still."""

import os
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
    """I10: a replay in another process, with another hash seed, writes what was recorded."""
    out = tmp_path / "decisions.jsonl"
    command = [sys.executable, "-m", "switchboard", "replay", str(DAY), "--out", str(out)]
    subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONHASHSEED": "random"}, check=True)
    assert out.read_bytes() == b"".join(read_lines(decision_log(DAY)))
