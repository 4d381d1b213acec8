"""Files that are written: private, new, on the disk, and never through a link that somebody planted."""

import os
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from switchboard.journal.files import SHARED, LinkError, replacing
from switchboard.journal.line_files import writing_lines, writing_pieces


def pieces(path: Path) -> AbstractContextManager[Any]:
    """A recording that may replace what is there."""
    return writing_pieces(path, replace=True)


WRITERS = pytest.mark.parametrize("writing", [replacing, writing_lines, pieces])


@pytest.fixture(autouse=True)
def _usual_umask() -> Any:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.lstat().st_mode)


@WRITERS
def test_a_new_log_is_for_its_owner_alone(
    tmp_path: Path, writing: Callable[[Path], AbstractContextManager[Any]]
) -> None:
    """From the first byte on, whatever the umask: it holds customers' data."""
    out = tmp_path / "log.jsonl"
    with writing(out) as file:
        file.write(b"x\n")
        file.flush()
        assert [mode(each) for each in tmp_path.iterdir()] == [0o600]
    assert (out.read_bytes(), mode(out)) == (b"x\n", 0o600)


def test_a_report_is_made_to_be_shown(tmp_path: Path) -> None:
    """By the umask, as other programs' files."""
    with replacing(tmp_path / "report.html", SHARED) as file:
        file.write(b"x")
    assert mode(tmp_path / "report.html") == 0o644


@WRITERS
@pytest.mark.parametrize("there", [True, False])
def test_a_link_with_the_files_name_is_refused_and_nothing_is_written_through_it(
    tmp_path: Path, writing: Callable[[Path], AbstractContextManager[Any]], *, there: bool
) -> None:
    """Whether it leads to a file or to a name that is free; the message says to name the file itself."""
    victim, link = tmp_path / "victim", tmp_path / "log.jsonl"
    if there:
        victim.write_bytes(b"kept")
    link.symlink_to(victim)

    def write() -> None:
        with writing(link) as file:
            file.write(b"x\n")

    with pytest.raises(LinkError, match=r"log\.jsonl: is a link, to .*victim: .*name the file"):
        write()
    assert (victim.read_bytes() if there else victim.exists()) == (b"kept" if there else False)
    assert link.is_symlink()
    assert {each.name for each in tmp_path.iterdir()} == {"log.jsonl", *(["victim"] if there else [])}


def test_a_link_at_a_new_recordings_name_is_refused_though_it_leads_nowhere(tmp_path: Path) -> None:
    """`Path.exists` says that nothing is there."""
    (tmp_path / "log.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError), writing_pieces(tmp_path / "log.jsonl") as writer:
        writer.write(b"x\n")
    assert not (tmp_path / "victim").exists()


def test_a_link_planted_at_the_name_of_the_temporary_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the name can't be known before: here it is known, as that of earlier versions was."""
    monkeypatch.setattr("switchboard.journal.files.secrets.token_hex", lambda size: "0" * 2 * size)
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    for name in (".switchboard-0000000000000000.part", "log.jsonl.part"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(FileExistsError), replacing(tmp_path / "log.jsonl") as file:
        file.write(b"x")
    monkeypatch.undo()
    with replacing(tmp_path / "log.jsonl") as file:
        file.write(b"x")
    assert victim.read_bytes() == b"kept"
    assert (tmp_path / "log.jsonl").read_bytes() == b"x"


def test_a_link_put_there_while_the_file_is_written_is_refused_too(tmp_path: Path) -> None:
    """What was written goes nowhere."""
    victim, out = tmp_path / "victim", tmp_path / "log.jsonl"
    victim.write_bytes(b"kept")

    def write() -> None:
        with replacing(out) as file:
            file.write(b"x")
            out.symlink_to(victim)

    with pytest.raises(LinkError):
        write()
    assert victim.read_bytes() == b"kept"
    assert {each.name for each in tmp_path.iterdir()} == {"victim", "log.jsonl"}


def test_a_file_of_somebody_else_does_not_lend_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been put there so that everybody can read what replaces it."""
    out = tmp_path / "log.jsonl"
    out.write_bytes(b"old")
    out.chmod(0o644)
    monkeypatch.setattr("switchboard.journal.files.os.geteuid", lambda: out.stat().st_uid + 1)
    with replacing(out) as file:
        file.write(b"x")
    assert mode(out) == 0o600


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a crash of the machine may leave an empty file in the place of a good one; then the folder's names."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def note_fsync(number: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def note_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_rename)
    with replacing(tmp_path / "log.jsonl") as file:
        file.write(b"x")
    assert done == ["file", "rename", "folder"]


@WRITERS
def test_a_pipe_is_written_to_as_it_is(tmp_path: Path, writing: Callable[[Path], AbstractContextManager[Any]]) -> None:
    """One of our own."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with writing(pipe) as file:
        file.write(b"x\n")
    reader.join(10)
    assert read == [b"x\n"]


def test_a_pipe_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever put it there reads what comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    owner = pipe.stat().st_uid
    if owner == 0:  # what is the system's is taken
        os.chown(pipe, 1234, -1)
    else:
        monkeypatch.setattr("switchboard.journal.files.os.geteuid", lambda: owner + 1)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(PermissionError, match="is a pipe of another user"), replacing(pipe) as file:
            file.write(b"x")
    finally:
        os.close(reader)
