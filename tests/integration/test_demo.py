"""`switchboard demo`, as someone runs it who has never seen it."""

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process

import orjson

from switchboard.kafka.admin import session
from switchboard.kafka.clients import Connection

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
    """Without --for it goes on until it is told to end; then comes the same summary, in words."""
    process = await start_demo(broker_bootstrap)
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(BOUND_SECONDS):
        async for line in process.stdout:
            lines.append(line.decode())
            if "waiting: accounts" in lines[-1]:
                process.send_signal(signal.SIGINT)
        await process.wait()
    said = "".join(lines)
    assert process.returncode == 0, said
    assert "each source record was journaled once and in order" in said
    assert "decisions equal the offline replay of the journal, byte for byte and in order" in said
    for words in ("arrived", "accepted", "waiting", "publish to visible: median", "follow-ups issued"):
        assert words in said
    assert await demo_topics(broker_bootstrap) == []
