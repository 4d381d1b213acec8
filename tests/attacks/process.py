"""The router under attack: a process of a chosen checkout, restarted as a supervisor would, its memory watched."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import aiohttp

SAMPLE_SECONDS: Final = 0.05
"""Between looks at the router's memory."""
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
MOST_RESTARTS: Final = 3
"""A router that ended so often is left dead: more restarts would show the same."""
ADDRESS: Final = re.compile(r"at (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True)
class Exit:
    """One end of the router that nobody asked for."""

    at: float
    """Monotonic, s."""
    code: int
    why: str
    """The last line of its log, or the memory limit."""


@dataclass(slots=True)
class Checkout:
    """The code under test."""

    workers: Path
    """Its source root: the folder that holds the package `switchboard`."""

    def environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        """Environment of its commands: these settings and no others."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
        given = {f"SWITCHBOARD_{name.upper()}": str(value) for name, value in settings.items()}
        return inherited | given | {"PYTHONPATH": str(self.workers)}

    async def run(self, settings: Mapping[str, object], *words: str, seconds: float = 60) -> tuple[int, str]:
        """Run a command of it to its end; exit code (-1: killed at the deadline) and the end of what it said."""
        process = await asyncio.create_subprocess_exec(
            *_command(*words),
            env=self.environment(settings),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tempfile.gettempdir(),
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            return -1, f"did not end within {seconds:.0f} s"
        return process.returncode or 0, out.decode(errors="replace")


@dataclass(slots=True)
class MonitorProcess:
    """`switchboard run monitor`, not restarted when it ends; an asynchronous context manager."""

    checkout: Checkout
    settings: Mapping[str, object]
    _process: Process | None = None
    _folder: tempfile.TemporaryDirectory[str] = field(init=False)

    async def __aenter__(self) -> Self:
        """Start it; return when it says where it serves."""
        self._folder = tempfile.TemporaryDirectory(prefix="attacks-")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_command("run", "monitor"),
                env=self.checkout.environment({**self.settings, "web_port": 0}),
                stdout=log,
                stderr=log,
                cwd=self._folder.name,
            )
        until = time.monotonic() + READY_SECONDS
        while not ADDRESS.search(self._log.read_text(errors="replace")) and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._folder.cleanup()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "monitor.log"

    @property
    def state(self) -> str:
        """That it lives, or how it ended."""
        code = self._process.returncode if self._process is not None else None
        if code is None:
            return "lives"
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return f"exit {code}: {lines[-1][-200:] if lines else ''}"


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "switchboard", *words]


@dataclass(slots=True)
class RouterProcess:
    """`switchboard run router` under a supervisor: restarted at once when it ends, three times at most."""

    checkout: Checkout
    settings: Mapping[str, object]
    memory_limit: int
    """Resident bytes at which it is killed, as a container's limit would; 0: none."""
    exits: list[Exit] = field(default_factory=list)
    peak: int = 0
    """Highest resident memory of any of its processes since `forget_peak`, bytes."""
    _process: Process | None = None
    _log: Path = field(init=False)
    _folder: tempfile.TemporaryDirectory[str] = field(init=False)
    _supervisor: asyncio.Task[None] | None = None
    _address: str | None = None
    _stopping: bool = False
    _over_limit: bool = False

    async def start(self) -> None:
        """Start it and its supervisor; return when it is ready."""
        self._folder = tempfile.TemporaryDirectory(prefix="attacks-")
        self._log = Path(self._folder.name) / "router.log"
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise())
        await self.ready()

    @property
    def pid(self) -> int | None:
        """Of its process that runs, or ran last."""
        return self._process.pid if self._process is not None else None

    @property
    def given_up(self) -> bool:
        """Whether it ended so often that it is not started again."""
        return not self.alive and len(self.exits) > MOST_RESTARTS

    @property
    def alive(self) -> bool:
        """Whether a process of it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> str:
        """What its processes have logged."""
        return self._log.read_text(errors="replace")

    def forget_peak(self) -> None:
        """Measure the peak from now on (the kernel's own mark of the process is set back as well)."""
        self.peak = 0
        if self._process is not None:
            with contextlib.suppress(OSError):
                Path(f"/proc/{self._process.pid}/clear_refs").write_text("5", encoding="ascii")

    async def ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until /readyz says 200; the seconds waited, or `seconds` if it never did."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            status, _ = await self.get("/readyz")
            if status == 200:
                break
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def get(self, path: str, seconds: float = 5.0) -> tuple[int, str]:
        """Ask its web server; status 0 where it does not answer in time."""
        if self._address is None:
            found = ADDRESS.findall(self.log[self._logged_before :])
            self._address = found[-1] if found else None
        if self._address is None or not self.alive:
            return 0, ""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._address + path) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, ""

    async def restart(self) -> float:
        """Stop it as a rollout does and start it again; the seconds until it is ready."""
        await self._end()
        self._stopping = False
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise())
        return await self.ready()

    async def stop(self) -> None:
        """End it and remove its log."""
        await self._end()
        self._folder.cleanup()

    async def _end(self) -> None:
        self._stopping = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    _logged_before: int = 0

    async def _spawn(self) -> None:
        self._address = None
        self._over_limit = False
        self._logged_before = len(self.log) if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_command("run", "router", "--from", "earliest"),
                env=self.checkout.environment(self.settings),
                stdout=log,
                stderr=log,
                cwd=self._folder.name,
            )

    async def _supervise(self) -> None:
        while True:
            process = self._process
            assert process is not None
            while process.returncode is None:
                self._look_at_memory(process)
                await asyncio.sleep(SAMPLE_SECONDS)
            if self._stopping:
                return
            lines = [line for line in self.log.splitlines() if line.strip()]
            why = f"killed at {self.memory_limit >> 20} MiB" if self._over_limit else (lines[-1] if lines else "")
            self.exits.append(Exit(time.monotonic(), process.returncode, why[-300:]))
            if len(self.exits) > MOST_RESTARTS:
                return
            await self._spawn()

    def _look_at_memory(self, process: Process) -> None:
        try:
            told = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return
        found = re.search(r"VmHWM:\s+(\d+) kB", told)
        if found is None:
            return
        peak = int(found[1]) << 10
        self.peak = max(self.peak, peak)
        if self.memory_limit and peak > self.memory_limit:
            self._over_limit = True
            with contextlib.suppress(ProcessLookupError):
                process.kill()
