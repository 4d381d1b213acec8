"""Commands and workers as processes whose broker is away: the wait, the exit code and the last words."""

import socket
import time
from asyncio import gather
from typing import Any

import orjson

from switchboard.dev.local_broker import free_port
from switchboard.domain.rfc3339 import parse_ms
from tests.routers import run


async def test_a_broker_that_says_nothing_is_waited_for_no_longer_than_was_set() -> None:
    """A broker that takes connections and never answers, as behind some firewalls."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        commands = ("check", "create")
        settings: dict[str, Any] = {"bootstrap_servers": nowhere, "broker_wait_seconds": 1}
        ended = await gather(*(run("topics", command, **settings) for command in commands))
        assert time.monotonic() - began < 10
    for done in ended:
        assert done.code == 3
        assert done.err.startswith(f"switchboard: no broker answers at {nowhere} (PLAINTEXT; waited 1 s)")


async def test_a_worker_whose_log_is_json_gives_up_in_json() -> None:
    """The last words too are JSON: a collector of logs reads nothing else."""
    settings: dict[str, Any] = {"bootstrap_servers": f"127.0.0.1:{free_port()}", "broker_wait_seconds": 0.5}
    settings |= {"log_format": "json", "metrics_port": 0, "web_port": 0}
    commands = (("run", "router"), ("run", "monitor"), ("run", "all"), ("simulate",))
    for command, done in zip(commands, await gather(*(run(*each, **settings) for each in commands)), strict=True):
        assert done.code == 3, command
        lines = [orjson.loads(line) for line in done.err.splitlines()]
        # Of `run all` the other worker may log behind the last words, until the other worker is stopped.
        last = next(line for line in lines if line["event"] == "the worker gives up")
        assert (last["level"], last["exit_code"]) == ("error", 3), command
        assert last["reason"].startswith("no broker answers at 127.0.0.1:"), command
        assert parse_ms(last["time"]) > 0, command
