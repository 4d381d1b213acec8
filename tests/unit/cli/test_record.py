"""`switchboard record --out`: a log that is there is not lost."""

from pathlib import Path

import pytest

from switchboard.dev.local_broker import free_port
from switchboard.errors import BrokerAwayError
from tests.commands import invoke


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings of a broker that is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWITCHBOARD_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("SWITCHBOARD_BROKER_WAIT_SECONDS", "0.2")


def test_a_log_that_is_there_is_refused(tmp_path: Path) -> None:
    """Exit code 2; what to do is said."""
    log = tmp_path / "keep.jsonl"
    log.write_bytes(b"kept")
    ran = invoke("record", "--out", log)
    assert ran.exit_code == 2
    assert "--force" in ran.output
    assert log.read_bytes() == b"kept"


def test_a_broker_that_is_not_there_costs_no_log(tmp_path: Path) -> None:
    """Not even with --force; and no empty one is left."""
    old, none = tmp_path / "keep.jsonl", tmp_path / "none.jsonl"
    old.write_bytes(b"kept")
    for log in (old, none):
        ran = invoke("record", "--out", log, "--force")
        assert isinstance(ran.exception, BrokerAwayError)
    assert (old.read_bytes(), none.exists()) == (b"kept", False)


@pytest.mark.parametrize("name", ["a b", "ünits", "\x1b[2J", "a" * 250])
def test_a_name_that_no_topic_can_have_is_wrong_use(tmp_path: Path, name: str) -> None:
    """Exit code 2, before any broker is asked."""
    ran = invoke("record", "--out", tmp_path / "x", "--topics", f"chat-arrival,{name}")
    assert ran.exit_code == 2
    assert "expected a topic's name" in " ".join(ran.output.split())
