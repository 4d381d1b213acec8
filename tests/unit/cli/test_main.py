"""`switchboard` as a process: what becomes of errors, and of what libraries log."""

import os
import socket
import subprocess
import sys
import time

import orjson
import pytest

from switchboard.cli.main import main
from switchboard.dev.local_broker import free_port
from switchboard.domain.rfc3339 import parse_ms


def run(*command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command that ends."""
    told = {f"SWITCHBOARD_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "switchboard", *command],
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_port_that_is_taken_is_wrong_use() -> None:
    """It is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("broker", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is taken: stop what listens there, or name another port" in done.stderr


@pytest.mark.parametrize(("level", "raw"), [("info", False), ("debug", True)])
def test_a_broker_that_is_away_is_said_once_and_in_plain_words(level: str, *, raw: bool) -> None:
    """Exit code 3; what the client library logs about it is shown at debug only."""
    nowhere = f"127.0.0.1:{free_port()}"
    done = run("config", "show", bootstrap_servers=nowhere, broker_wait_seconds=0.5, log_level=level)
    assert done.returncode == 3
    told = done.stderr.splitlines()
    assert told[-1].startswith(f"switchboard: no broker answers at {nowhere}")
    assert ("Unable to connect" in done.stderr) is raw
    assert (len(told) > 1) is raw


@pytest.mark.parametrize("command", ["check", "create"])
def test_a_broker_that_says_nothing_is_waited_for_no_longer_than_was_set(command: str) -> None:
    """One that takes connections and never answers, as behind some firewalls."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        done = run("topics", command, bootstrap_servers=nowhere, broker_wait_seconds=1)
        assert time.monotonic() - began < 8
    assert done.returncode == 3
    assert done.stderr.startswith(f"switchboard: no broker answers at {nowhere} (PLAINTEXT; waited 1 s)")


@pytest.mark.parametrize("command", [("run", "router"), ("run", "monitor"), ("run", "all"), ("simulate",)])
def test_a_worker_whose_log_is_json_gives_up_in_json(command: tuple[str, ...]) -> None:
    """Its last words too: who collects its log reads nothing else."""
    ports = {"metrics_port": 0, "web_port": 0}
    done = run(
        *command, bootstrap_servers=f"127.0.0.1:{free_port()}", broker_wait_seconds=0.5, log_format="json", **ports
    )
    assert done.returncode == 3
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    # Of `run all` the other worker may log behind them, until it is stopped.
    last = next(line for line in lines if line["event"] == "the worker gives up")
    assert (last["level"], last["exit_code"]) == ("error", 3)
    assert last["reason"].startswith("no broker answers at 127.0.0.1:")
    assert parse_ms(last["time"]) > 0


def test_a_worker_with_wrong_settings_gives_up_in_json_too() -> None:
    """Before it has a log of its own; other commands speak to people, whatever is set."""
    told = orjson.loads(run("run", "router", log_format="json", shards=0).stderr)
    assert "shards is '0'" in told["reason"]
    told = orjson.loads(run("run", "router", "--from", "soon", log_format="json").stderr)
    assert "expected earliest, latest or a time" in told["reason"]
    assert run("topics", "check", log_format="json", shards=0).stderr.startswith("switchboard: shards is '0'")


def test_a_defect_of_a_worker_is_one_line_of_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its trace in a field of its own, and nowhere its message: that may hold somebody's id."""

    def fail(**_: object) -> None:
        raise ZeroDivisionError(2**40)

    monkeypatch.setattr(sys.modules[main.__module__], "switchboard", fail)
    monkeypatch.setattr(sys, "argv", ["switchboard", "run", "router"])
    monkeypatch.setenv("SWITCHBOARD_LOG_FORMAT", "json")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    line = capsys.readouterr().err
    told = orjson.loads(line)
    assert told["reason"].startswith("ZeroDivisionError at ")
    assert ", in fail" in told["trace"]
    assert str(2**40) not in line
