"""`switchboard` as a whole: what becomes of errors, and of what libraries log."""

import socket

import pytest

from switchboard.cli.main import main


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
