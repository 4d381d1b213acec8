"""`switchboard` from its start to its exit code: what becomes of errors, and of what libraries log.

Tests of workers as processes are in `tests/processes`.
"""

import socket
import sys
from asyncio import gather
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from switchboard.cli.main import main
from switchboard.dev.local_broker import free_port
from tests.commands import library_levels_kept
from tests.routers import run


async def test_a_broker_that_is_away_is_said_once_and_in_plain_words() -> None:
    """Exit code 3; the client library's own messages are shown at debug only."""
    nowhere = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {"bootstrap_servers": nowhere, "broker_wait_seconds": 0.5}
    levels = ("info", "debug")
    ended = await gather(*(run("config", "show", log_level=level, **settings) for level in levels))
    for level, done in zip(levels, ended, strict=True):
        assert done.code == 3
        lines = done.err.splitlines()
        assert lines[-1].startswith(f"switchboard: no broker answers at {nowhere}")
        assert ("Unable to connect" in done.err) is (level == "debug")
        assert (len(lines) > 1) is (level == "debug")


@pytest.fixture
def failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run a command that fails at its start, without a process of its own; exit code and stderr."""

    def run_here(*command: str, **settings: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["switchboard", *command])
        for name, value in settings.items():
            monkeypatch.setenv(f"SWITCHBOARD_{name.upper()}", str(value))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(str(ended.value.code)), capsys.readouterr().err

    with library_levels_kept():
        yield run_here


def test_a_port_that_is_taken_is_wrong_use(failed: Callable[..., tuple[int, str]]) -> None:
    """The message names the port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, message = failed("broker", "--port", str(port))
    assert code == 2
    assert f"port {port} on 127.0.0.1 is taken: stop what listens there, or name another port" in message


def test_a_worker_with_a_wrong_option_gives_up_in_json(failed: Callable[..., tuple[int, str]]) -> None:
    """Before the worker has a log of its own."""
    _, message = failed("run", "router", "--from", "soon", log_format="json")
    assert "expected earliest, latest or a time" in orjson.loads(message)["reason"]


def test_a_worker_with_wrong_settings_gives_up_in_json_too(failed: Callable[..., tuple[int, str]]) -> None:
    """Before the worker has a log of its own; other commands speak to people, whatever is set."""
    _, message = failed("run", "router", log_format="json", shards=0)
    assert "shards is '0'" in orjson.loads(message)["reason"]
    _, message = failed("topics", "check", log_format="json", shards=0)
    assert message.startswith("switchboard: shards is '0'")


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
