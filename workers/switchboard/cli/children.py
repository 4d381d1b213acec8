"""Our own workers as processes of the demo."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 10
"""A worker stops within 5 s; beyond twice that it is killed."""

# When this process ends in whatever way, SIGKILL too, the pipe closes and no worker is left behind.
_WATCH: Final = 'cat >/dev/null; kill -9 "$1" 2>/dev/null'


class Child:
    """`switchboard ARGUMENTS` in a process of its own, its output in a file; Ctrl-C does not reach it."""

    def __init__(self, arguments: list[str], settings: Mapping[str, str], log: Path) -> None:
        """Start it with these settings in its environment."""
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "switchboard", *arguments],
                env=os.environ | dict(settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(  # noqa: S603 - fixed words
            ["/bin/sh", "-c", _WATCH, "watch", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        return await asyncio.to_thread(self._process.wait)

    def last_words(self, lines: int = 10) -> str:
        """The end of what it said."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Ask it to end and wait; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        # Only now: told in this order the watch never kills another's pid.
        self._watch.kill()
        self._watch.communicate()
        return code
