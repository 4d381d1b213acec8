"""`switchboard run all`: it ends as the first of its workers does."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.routers import environment
from tests.waiting import eventually


def children(pid: int) -> list[int]:
    """The processes that a process has started, the first one first."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def test_a_worker_that_was_killed_is_no_clean_end() -> None:
    """As by the kernel where memory is out: whoever restarts what failed must be told that it did."""
    settings = {"bootstrap_servers": "127.0.0.1:1", "broker_wait_seconds": 60, "metrics_port": 0, "web_port": 0}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "switchboard",
        "run",
        "all",
        env=environment(**settings),
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def workers() -> list[int]:
        return children(process.pid)

    router, _ = await eventually(workers, lambda found: len(found) == 2)
    os.kill(router, signal.SIGKILL)
    assert await asyncio.wait_for(process.wait(), 30) == 128 + signal.SIGKILL
