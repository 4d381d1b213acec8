"""Figures of runs: the cost of `--help` and `--version`, and the functions that an event and a log pass through."""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

from tests.routers import REPOSITORY, Bus, Router, Worker, a_bus, a_process, environment
from tests.shape.figures import Figures

CHILD: Final = Path(__file__).with_name("child.py")
GOLDEN: Final = REPOSITORY / "tests" / "golden"
LOG: Final = ("day.jsonl", "day.decisions.jsonl.zst")
"""The recorded log that is verified, and its decisions."""
LIBRARIES: Final = ("aiokafka", "aiohttp", "pydantic", "faust", "jsonschema_rs")
"""Slow to load: `--help` needs none of them."""
RUNS: Final = 5
EVENTS: Final = 15
"""Of 30 events, a function of the path was called for 23 or more, a function of a periodic task for 5 or fewer."""
SECONDS: Final = 300
"""The bound of a run; a profiled command takes several times as long as another."""

Call = tuple[str, str, int, list[float]]
"""A function: its file, its name, its first line, and the times of its calls (monotonic, s)."""
EVENT: Final = "an event from Kafka's record to its commit"


def start_figures() -> Figures:
    """Processor time and modules of `switchboard --help` and `switchboard --version`."""
    figures: Figures = {}
    for option in ("--help", "--version"):
        name = f"`switchboard {option}`"
        loaded = set(_child("modules", option)["modules"])
        figures[f"{name}: processor time, s"] = statistics.median(_processor_seconds(option) for _ in range(RUNS))
        figures[f"{name}: modules loaded"] = len(loaded)
        figures[f"{name}: slow libraries among them"] = [each for each in LIBRARIES if each in loaded]
    return figures


def verify_figures() -> Figures:
    """Files and functions of the package that `switchboard verify` calls on a golden log."""
    log, decisions = (str(GOLDEN / name) for name in LOG)
    calls: list[Call] = _child("calls", "verify", log, decisions)["calls"]
    return _passed("`switchboard verify LOG DECISIONS`", {each[:3] for each in map(tuple, calls)})


async def event_figures() -> Figures:
    """Files and functions of the package that a router calls to serve an event; on a broker.

    The event is an agent's request for a chat: a chat waits, and the router assigns the chat to the agent. A function
    counts if the router calls it between the publication and the moment when the assignment is visible to a reader of
    committed records, for more than half of EVENTS requests. The polling functions of an idle router are among them,
    the functions that a router calls every second are not.
    """
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        file = Path(folder) / "calls.json"
        async with _a_broker() as bootstrap, a_bus(bootstrap, f"shape-{uuid.uuid4().hex[:8]}.") as bus:
            spans = await _serve(bus, file)
        calls: list[Call] = json.loads(file.read_text(encoding="utf-8"))["calls"]
    times = Counter(function for span in spans for function in _called_within(calls, *span))
    return _passed(EVENT, (function for function, spans_with in times.items() if spans_with > EVENTS / 2))


def left_out() -> Figures:
    """The figures of an event where no broker is wanted."""
    return dict.fromkeys(_passed(EVENT, ()), "left out: needs --broker")


async def _serve(bus: Bus, file: Path) -> list[tuple[float, float]]:
    """Have a profiled router serve events; when each was published and when its decision was visible (monotonic, s)."""
    spans = []
    entry = (sys.executable, "-P", str(CHILD), str(file), "calls")
    env = _own_code(bus.environment())
    async with a_process(Router, "run", "router", "--from", "earliest", env=env, entry=entry) as router:
        await router.ready()
        for number in range(EVENTS):
            agent, chat = f"agent-{number}", f"chat-{number}"
            await bus.arrive(chat)
            await bus.until_decided("chat-queued", chat)
            published = time.monotonic()
            await bus.request(agent)
            await bus.until_decided("chat-assigned", chat)
            spans.append((published, time.monotonic()))
        await router.stop()
    return spans


@asynccontextmanager
async def _a_broker() -> AsyncIterator[str]:
    """The host:port of a broker: the one that KAFKA_BOOTSTRAP names, else a throwaway one."""
    named = os.environ.get("KAFKA_BOOTSTRAP")
    if named:
        yield named
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with a_process(Worker, "broker", "--port", str(port), env=_own_code(environment())) as broker:
        yield (await broker.logged(r"listens at (127\.0\.0\.1:\d+)"))[1]
        await broker.stop()


def _called_within(calls: Iterable[Call], begin: float, end: float) -> set[tuple[str, str, int]]:
    return {(file, name, line) for file, name, line, times in calls if any(begin <= each <= end for each in times)}


def _passed(name: str, functions: Iterable[tuple[Any, ...]]) -> Figures:
    """How many files and functions of these."""
    found = set(functions)
    return {f"{name}: files": len({file for file, *_ in found}), f"{name}: functions": len(found)}


def _child(kind: str, *arguments: str) -> dict[str, Any]:
    """Run a command in the child of child.py; its modules and calls."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        _run("-P", str(CHILD), str(file), kind, *arguments)
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _processor_seconds(*arguments: str) -> float:
    """Processor time, user and system, of `python -m switchboard` with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run("-m", "switchboard", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(*arguments: str) -> None:
    command = [sys.executable, *arguments]
    folder = tempfile.gettempdir()
    env = _own_code(environment())
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, cwd=folder, timeout=SECONDS)


def _own_code(env: dict[str, str]) -> dict[str, str]:
    """The environment, with the package of this repository before an installed one."""
    return env | {"PYTHONPATH": str(REPOSITORY / "workers")}
