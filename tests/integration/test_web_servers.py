"""The web servers of a router and of a monitor as processes of their own, under attack; no broker is there."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.monitors import free_port
from tests.routers import Worker, a_process, environment
from tests.sockets import HALF, ask, connected, descriptors, still_open
from tests.waiting import eventually

DESCRIPTORS = 1_024
"""What a process may have on most systems unless something else is set."""


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    return free_port()


@pytest.fixture(params=["router", "monitor"])
async def worker(request: pytest.FixtureRequest, port: int) -> AsyncIterator[Worker]:
    """One that waits for its broker."""
    nowhere = f"127.0.0.1:{free_port()}"
    env = environment(bootstrap_servers=nowhere, broker_wait_seconds=120, metrics_port=port, web_port=port)
    async with a_process(Worker, "run", request.param, env=env) as started:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
        await started.logged(rf"at http://127\.0\.0\.1:{port}")
        yield started


def open_descriptors(pid: int) -> int:
    """How many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_1100_half_open_requests_silence_no_probe(worker: Worker, port: int) -> None:
    """They used up the file descriptors of the process: every new connection was reset, for as long as they stood."""
    with descriptors(4_096):
        held = [await connected(port, HALF) for _ in range(1_100)]
        for path in ("/livez", "/healthz", "/metrics"):
            status, _ = await ask(port, path)
            # Before its broker is there a monitor is restoring, and is as alive as a router.
            assert status == 200 or (path, status) == ("/healthz", 503)
        assert open_descriptors(worker.process.pid) < DESCRIPTORS / 2
        for each in held:
            each.close()
    assert "gave its place to another" in worker.log
    assert "Too many open files" not in worker.log


async def test_a_connection_that_sends_no_request_is_closed(worker: Worker, port: int) -> None:
    """After 10 s, so that nothing piles up where nobody else comes."""
    assert worker.process.returncode is None
    held = [await connected(port, sent) for sent in (b"", HALF)]

    await eventually(lambda: asyncio.sleep(0, still_open(held)), lambda number: number == 0, seconds=20)
