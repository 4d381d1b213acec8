"""Files that commands write and read: what can't be right is said before any work."""

from pathlib import Path

import pytest

from tests.commands import invoke
from tests.unit.replay.logs import decided, journal
from tests.unit.rules.story import event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A chat arrives."""
    return journal(tmp_path / "journal.jsonl", (0, [event("chat-arrival", chat_id="c1")]))


@pytest.mark.parametrize(
    ("command", "arguments", "option"),
    [
        ("record", [], "--out"),
        ("replay", ["LOG"], "--out"),
        ("whatif", ["LOG", "--agents", "+1"], "--report"),
    ],
)
def test_a_folder_that_is_not_there_is_wrong_use_before_any_work(
    command: str, arguments: list[str], option: str, log: Path, tmp_path: Path
) -> None:
    """Whether it was never made or is a file; exit code 2, and nothing is made."""
    before = set(tmp_path.iterdir())
    for folder in (tmp_path / "nodir", log):
        told = [str(log) if each == "LOG" else each for each in arguments]
        ran = invoke(command, *told, option, folder / "x.gz", env={"COLUMNS": "1000"})
        assert ran.exit_code == 2
        assert f"'{option}': there is no folder {folder}" in ran.output
    assert set(tmp_path.iterdir()) == before


def test_a_file_in_the_folder_one_is_in_needs_no_folder(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does standard output."""
    monkeypatch.chdir(tmp_path)
    assert invoke("replay", log, "--out", "decisions.jsonl").exit_code == 0
    assert invoke("replay", log, "--out", "-").stdout == Path("decisions.jsonl").read_text()


@pytest.mark.parametrize("command", ["verify", "audit"])
def test_a_log_and_its_decisions_that_are_swapped_are_told(command: str, log: Path, tmp_path: Path) -> None:
    """Exit code 2; so where both are recorded logs."""
    decisions = tmp_path / "decisions.jsonl"
    decisions.write_bytes(b"".join(decided(log)))
    for arguments, said in (
        (
            (decisions, log),
            f"LOG and DECISIONS seem to be swapped: {decisions} is a decision log, and {log} a recorded",
        ),
        ((log, log), f"{log} is a recorded log: expected a decision log"),
    ):
        ran = invoke(command, *arguments, env={"COLUMNS": "1000"})
        assert ran.exit_code == 2
        assert said in ran.output
    assert invoke(command, log, decisions).exit_code == 0
