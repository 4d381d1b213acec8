"""The local broker comes up, goes away and comes back, and leaves nothing behind."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from switchboard.dev.local_broker import LocalBroker, need_tools
from switchboard.errors import BrokerUnavailableError

ORPHAN = """
import os, signal
from switchboard.dev.local_broker import LocalBroker
broker = LocalBroker()
broker.start()
print(broker.port, broker._java.pid, broker._folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def listens(port: int) -> bool:
    """Whether something answers on the port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def gone(pid: int) -> bool:
    """Whether no process (or only a dead one, not yet waited for) has the id."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_a_killed_broker_comes_back_on_the_same_port() -> None:
    """Clients of a broker that went away find it again where it was."""
    with LocalBroker() as broker:
        assert listens(broker.port)
        broker.kill()
        assert not listens(broker.port)
        broker.start()
        assert listens(broker.port)
    assert not listens(broker.port)


def test_a_broker_does_not_outlive_a_killed_run() -> None:
    """SIGKILL of the process that started it ends the broker and removes its folder."""
    run = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False, timeout=90)
    assert run.returncode == -signal.SIGKILL, run.stderr
    port, pid, folder = run.stdout.split()
    until = time.monotonic() + 10
    while time.monotonic() < until and (not gone(int(pid)) or Path(folder).exists() or listens(int(port))):
        time.sleep(0.02)
    assert gone(int(pid))
    assert not Path(folder).exists()
    assert not listens(int(port))


def test_a_taken_port_is_named() -> None:
    """A broker asked onto a port that is in use says so, in place of starting somewhere else."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailableError, match=f"port {port} on 127.0.0.1 is taken"):
            LocalBroker(port).start()


@pytest.mark.parametrize(("maven", "named"), [(False, "Java 17"), (True, "Java 17 .* and Maven")])
def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, *, maven: bool) -> None:
    """Where Java or Maven is missing, one message says what to install or to set."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerUnavailableError, match=f"needs {named}.*KAFKA_BOOTSTRAP"):
        need_tools(maven=maven)
