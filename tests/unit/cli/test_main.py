"""`switchboard` as a whole: what becomes of errors, and of what libraries log."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from switchboard.cli.main import main
from switchboard.kafka.local_broker import free_port


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Log levels are the process's: they are put back."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    yield
    logger.setLevel(before)


def run(monkeypatch: pytest.MonkeyPatch, *command: str) -> int | str | None:
    """The exit code of a command."""
    monkeypatch.setattr("sys.argv", ["switchboard", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_port_that_is_taken_is_wrong_use(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(monkeypatch, "broker", "--port", str(port)) == 2
    told = capsys.readouterr().err
    assert f"port {port} on 127.0.0.1 is taken: stop what listens there, or name another port" in told


@pytest.mark.parametrize(("level", "raw"), [("info", False), ("debug", True)])
def test_a_broker_that_is_away_is_said_once_and_in_plain_words(level: str, *, raw: bool) -> None:
    """Exit code 3; what the client library logs about it is shown at debug only."""
    settings = {"BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "BROKER_WAIT_SECONDS": "0.5", "LOG_LEVEL": level}
    done = subprocess.run(
        [sys.executable, "-m", "switchboard", "config", "show"],
        env=os.environ | {f"SWITCHBOARD_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    told = done.stderr.splitlines()
    assert told[-1].startswith("switchboard: no broker answers at 127.0.0.1:")
    assert ("Unable connect" in done.stderr) is raw
    assert (len(told) > 1) is raw
