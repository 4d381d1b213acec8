"""Memory and restore time of a large shard: 10,000 agents and 100,000 open chats."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from switchboard.cli.process import relax_collector
from switchboard.domain.engine import Engine
from switchboard.domain.rows import Restoration, Row
from tests.benchmarks.traffic import Shape, framed, make

LARGE = Shape(agents=10_000, waiting=100_000)


@dataclass(slots=True)
class MemoryRun:
    """What a large state takes."""

    agents: int
    chats: int
    row_bytes: int
    empty_mb: float
    """Of a process with the engine loaded and nothing in it (resident)."""
    mb: float
    """With the state rebuilt from its rows."""
    rebuild_seconds: float


def measure() -> MemoryRun:
    """Rebuild the state from its rows in a process of its own."""
    engine = Engine(0)
    for frame in framed(make(LARGE, 0).setting, 500):
        engine.apply(frame)
    rows = [(row.table, row.key, orjson.dumps(row.value)) for row in engine.rows()]
    told = "\n".join(orjson.dumps([table, key, value.decode()]).decode() for table, key, value in rows)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.measure_memory"],
        input=told,
        text=True,
        capture_output=True,
        check=True,
    )
    return MemoryRun(row_bytes=sum(len(value) for _, _, value in rows), **json.loads(done.stdout))


def _rebuild() -> None:
    """In the process that is measured: rows from standard input, one at a time."""
    relax_collector()  # as the workers do
    empty = _resident()
    began = time.perf_counter()

    def rows() -> Iterator[Row]:
        for line in sys.stdin:
            table, key, value = orjson.loads(line)
            yield Row(table, key, orjson.loads(value))

    restoration = Restoration(0)  # as a router does it: row by row
    for row in rows():
        restoration.add(row)
    for _ in restoration.finish():
        pass
    engine = Engine.restored(restoration)
    seconds = time.perf_counter() - began
    pool = engine.pools["default"]
    told = {"agents": len(pool.agents), "chats": len(pool.chats), "empty_mb": empty, "mb": _resident()}
    sys.stdout.write(json.dumps({**told, "rebuild_seconds": seconds}))


def _resident() -> float:
    """MB that this process holds (its `ru_maxrss` would be that of the process that started it)."""
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in told.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    _rebuild()
