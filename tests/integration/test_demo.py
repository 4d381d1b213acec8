"""`switchboard demo`, as someone runs it who has never seen it."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from typing import Any

import aiohttp
import orjson

from switchboard.kafka.clients import Connection, session
from tests.waiting import eventually

BOUND_SECONDS = 150
"""For a start, a run and an end on a machine that is busy with other tests."""


async def start_demo(bootstrap: str, *options: str) -> Process:
    """The command in a process of its own, on the broker of this run."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switchboard", "demo", *options),
        stdout=PIPE,
        stderr=PIPE,
        env=mine | {"KAFKA_BOOTSTRAP": bootstrap},
        cwd=tempfile.gettempdir(),
    )


async def demo_topics(bootstrap: str) -> list[str]:
    """What demos have left on the broker."""
    async with session(Connection(bootstrap)) as client:
        return [name for name in await client.list_topics() if "demo-" in name]


async def test_a_bounded_demo_ends_with_a_summary_and_a_check_that_holds(broker_bootstrap: str) -> None:
    """Both teams were served, all was journaled once, decisions are as replayed, and no topic is left behind."""
    process = await start_demo(broker_bootstrap, "--for", "10s", "--json")
    out, err = await asyncio.wait_for(process.communicate(), BOUND_SECONDS)
    assert process.returncode == 0, err.decode()
    told = orjson.loads(out)
    check = told["final_check"]
    assert check["holds"]
    assert check["failures"] == []
    assert check["source_records"] == check["journaled"] > told["arrived"] > 5
    assert told["accepted"] > 2
    assert told["follow_ups"] == check["push_requests"] > 0
    assert told["clicks"] > 0
    assert told["publish_to_visible_ms"]["all"]["p99"] > 0
    assert await demo_topics(broker_bootstrap) == []


async def test_ctrl_c_ends_a_demo_clean(broker_bootstrap: str) -> None:
    """Without --for it goes on until it is told to end; the wallboard answers meanwhile; then comes the summary."""
    process = await start_demo(broker_bootstrap)
    said: list[str] = []
    reading = asyncio.create_task(_read(process, said))

    async def queues() -> list[dict[str, Any]]:
        found = re.search(r"wallboard (http://127\.0\.0\.1:\d+/)", "".join(said))
        if found is None:
            assert process.returncode is None, "".join(said)
            return []
        async with aiohttp.ClientSession() as http:
            try:
                async with http.get(found[1] + "api/queues") as answer:
                    return await answer.json() if answer.status == 200 else []
            except aiohttp.ClientError:
                return []

    shown = await eventually(queues, seconds=BOUND_SECONDS)
    assert {(each["pool"], each["queue"]) for each in shown} <= {
        ("retail", "accounts"),
        ("retail", "cards"),
        ("business", "gold"),
        ("business", "standard"),
    }
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(reading, BOUND_SECONDS)
    told = "".join(said)
    assert await process.wait() == 0, told
    assert "each source record was journaled once and in order" in told
    assert "decisions equal the offline replay of the journal, byte for byte and in order" in told
    for words in ("arrived", "accepted", "waiting", "publish to visible: median", "follow-ups issued"):
        assert words in told
    assert await demo_topics(broker_bootstrap) == []


async def _read(process: Process, said: list[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        said.append(line.decode())  # noqa: PERF401 - it is looked at while it grows
