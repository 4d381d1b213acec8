"""`switchboard run` as a process: the ends of workers that have no broker yet."""

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


async def started(worker: str) -> asyncio.subprocess.Process:
    """A worker that waits for a broker, and would heed SIGTERM."""
    settings = {"bootstrap_servers": "127.0.0.1:1", "broker_wait_seconds": 60, "metrics_port": 0, "web_port": 0}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "switchboard",
        "run",
        worker,
        env=environment(**settings),
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def heeds() -> bool:
        return bool(caught(process.pid) & 1 << signal.SIGTERM - 1)

    await eventually(heeds)
    return process


def caught(pid: int) -> int:
    """The signals that a process handles, a bit for each, from 1."""
    told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(told.partition("SigCgt:")[2].split()[0], 16)


async def test_a_worker_that_waits_for_a_broker_stops_when_told_to() -> None:
    """Whoever stops a worker waits 5 s, or 15; a worker waits longer than that for a broker."""

    async def stopped(worker: str) -> tuple[str, int]:
        process = await started(worker)
        process.terminate()
        return worker, await asyncio.wait_for(process.wait(), 5)

    workers = ("router", "monitor", "all")
    assert await asyncio.gather(*map(stopped, workers)) == [(worker, 0) for worker in workers]


async def test_a_worker_that_was_killed_is_no_clean_end() -> None:
    """As by the kernel where memory is out: whoever restarts what failed must be told that it did."""
    process = await started("all")

    async def workers() -> list[int]:
        return children(process.pid)

    router, _ = await eventually(workers, lambda found: len(found) == 2)
    os.kill(router, signal.SIGKILL)
    assert await asyncio.wait_for(process.wait(), 30) == 128 + signal.SIGKILL
