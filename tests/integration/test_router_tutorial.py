"""The README's tutorial, word for word, on a broker of its own."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from datetime import datetime
from pathlib import Path

import orjson

from switchboard.dev.local_broker import LocalBroker
from tests.routers import REPOSITORY, environment

BLOCK = re.compile(r"^<!-- tutorial -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> str:
    """What the README tells its reader to type."""
    blocks: list[str] = BLOCK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert blocks, "README.md has no shell block after <!-- tutorial -->"
    return "\n".join(blocks)


async def test_the_readmes_tutorial_gives_an_assignment_a_confirmation_and_a_follow_up(
    private_broker: LocalBroker, tmp_path: Path
) -> None:
    """Topics, a configuration, three events by kcat: the decisions are printed, offers stand 285 s, and it replays."""
    assert shutil.which("kcat"), "kcat is needed: apt-get install kcat"
    (tmp_path / ".venv").symlink_to(sys.prefix)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-e", "-c", commands()),
        cwd=tmp_path,
        env=environment(metrics_port=0) | {"BROKER": private_broker.bootstrap},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 120)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the router, where a command before its end failed
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err.decode()
    decisions = [orjson.loads(line) for line in out.splitlines() if line.startswith(b'{"id"')]
    types = ["chat-queued", "chat-assigned", "assignment-confirmed", "chat-requested"]
    assert [each["type"] for each in decisions] == types, out.decode() + err.decode()
    queued, offer, confirmed, follow_up = decisions
    assert (queued["chat_id"], queued["queue"]) == ("chat-1", "support")
    assert (offer["agent_id"], offer["mode"], offer["origin"]) == ("ana", "push", "manual")
    stands = datetime.fromisoformat(offer["expires_at"]) - datetime.fromisoformat(offer["at"])
    assert stands.total_seconds() == 285
    assert confirmed["offer_id"] == offer["offer_id"]
    assert (follow_up["agent_id"], follow_up["origin"]) == ("ana", "push")
    replayed = [orjson.loads(line) for line in (tmp_path / ".run/decisions.jsonl").read_bytes().splitlines()]
    assert [each["type"] for each in replayed] == types
    assert replayed[-1]["id"] == follow_up["id"]
    assert "Traceback" not in (tmp_path / ".run/router.log").read_text()
