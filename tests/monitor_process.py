"""A monitor as a process of its own."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.routers import environment
from tests.waiting import eventually


@asynccontextmanager
async def a_monitor(**settings: object) -> AsyncIterator[str]:
    """A monitor process; yields where it answers once its tables are restored."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switchboard", "run", "monitor"),
        env=environment(**settings, web_port=port),
        cwd=tempfile.gettempdir(),
    )
    address = f"http://127.0.0.1:{port}"

    async def look() -> int:
        assert process.returncode is None, f"the monitor ended with {process.returncode}"
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{address}/healthz") as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            return 0

    try:
        await eventually(look, lambda status: status == 200, 40)
        yield address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
