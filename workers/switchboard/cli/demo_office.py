"""The floor of the demo: two teams of six, recorded mornings at sixty times their pace."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import aiohttp

from switchboard.dev.local_broker import LocalBroker, bootstrap_from_environment
from switchboard.errors import OfficeError
from switchboard.journal.routing_file import read_routing_file
from switchboard.kafka.admin import create_topics
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, session
from switchboard.kafka.configuration_topic import write_configuration
from switchboard.kafka.topics import TopicNames, TopicPlan
from switchboard.settings import load
from switchboard.simulation.cast import Cast, Line, Post, agent_name
from switchboard.simulation.people import Behaviour

SPEED: Final = 60.0
"""About 120 chats an hour at that time of day: two a second."""
FROM_MINUTE: Final = 10 * 60

ROUTING_FILE: Final = Path(str(resources.files("switchboard.simulation") / "demo.toml"))

CAST: Final = Cast(
    lines=(
        Line("accounts", "retail", 3.0),
        Line("cards", "retail", 2.0),
        Line("gold", "business", 1.0),
        Line("standard", "business", 2.0),
    ),
    posts=tuple(
        Post(agent_name(number), "push", "retail", "retail-team")
        if number < 6
        else Post(agent_name(number), "pull", "business", "business-team")
        for number in range(12)
    ),
)

BEHAVIOUR: Final = Behaviour(
    # Offers take real time while patience runs sixty times as fast: customers wait half a real minute on average.
    patience_mean=1800.0,
    decline_chance=0.04,
    lapse_chance=0.02,
    # Within the half minute that most look at it, some agents go away and come back.
    work_mean=2400.0,
    break_mean=400.0,
)

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


READY_SECONDS: Final = 60
"""A router is ready about 2 s after its start; on a machine that is busy with other things it takes longer."""
BUS_PARTITIONS: Final = 2


@dataclass(slots=True, frozen=True)
class Office:
    """All that runs."""

    conn: Connection
    names: TopicNames
    pools: list[dict[str, Any]]
    """The configuration, as in `pool-configured`."""
    router: Child
    monitor: Child
    monitor_address: str
    metrics_address: str
    """The router's, for Prometheus."""


@contextmanager
def broker(say: Callable[[str], None]) -> Iterator[tuple[Connection, dict[str, str]]]:
    """How to reach a broker, and the settings that tell our workers: KAFKA_BOOTSTRAP's if set, else one of our own."""
    named = bootstrap_from_environment()
    if named is not None:
        say(f"using the cluster at {named} (KAFKA_BOOTSTRAP)")
        yield load(bootstrap_servers=named).connection(), {"SWITCHBOARD_BOOTSTRAP_SERVERS": named}
        return
    say("starting Apache Kafka (its jars are fetched the first time) …")
    with LocalBroker() as local:
        say(f"Apache Kafka listens at {local.bootstrap}")
        told = {"SWITCHBOARD_BOOTSTRAP_SERVERS": local.bootstrap, "SWITCHBOARD_SECURITY_PROTOCOL": "PLAINTEXT"}
        yield Connection(local.bootstrap), told


@asynccontextmanager
async def office(
    conn: Connection, settings: dict[str, str], folder: Path, say: Callable[[str], None]
) -> AsyncIterator[Office]:
    """Topics of this demo's own, the configuration, a router that is ready, and a monitor; all gone at the end.

    Raises:
        OfficeError: the router did not come up.
        BrokerAwayError: a broker that is needed was away for too long.
    """
    run = f"demo-{uuid.uuid4().hex[:6]}"
    names = TopicNames(f"{run}.", f"{run}.")
    metrics_port, web_port = _free_ports()
    told = settings | {
        "SWITCHBOARD_TOPIC_PREFIX": names.prefix,
        "SWITCHBOARD_SOURCE_PREFIX": names.source_prefix,
        "SWITCHBOARD_GROUP_ID": run,
        "SWITCHBOARD_SHARDS": "1",
        "SWITCHBOARD_REPLICATION": "1",
        "SWITCHBOARD_MIN_INSYNC": "1",
        "SWITCHBOARD_METRICS_HOST": "127.0.0.1",
        "SWITCHBOARD_METRICS_PORT": str(metrics_port),
        "SWITCHBOARD_WEB_HOST": "127.0.0.1",
        "SWITCHBOARD_WEB_PORT": str(web_port),
    }
    wait = BrokerWait(conn, report=say)
    pools = read_routing_file(ROUTING_FILE)
    children: list[Child] = []
    try:
        plan = TopicPlan(names, shards=1, replication=1, min_insync=1)
        await wait.retry(
            "making the topics", lambda: create_topics(conn, plan, bus_partitions=BUS_PARTITIONS), long=True
        )
        await write_configuration(conn, names, run, pools, wait)
        say("starting the router and the monitor …")
        router = Child(["run", "router", "--from", "earliest"], told, folder / "router.log")
        children.append(router)
        await _until_ready(router, f"http://127.0.0.1:{metrics_port}/readyz")
        monitor = Child(["run", "monitor"], told, folder / "monitor.log")
        children.append(monitor)
        yield Office(
            conn,
            names,
            pools,
            router,
            monitor,
            f"http://127.0.0.1:{web_port}",
            f"http://127.0.0.1:{metrics_port}/metrics",
        )
    finally:
        await asyncio.gather(*(asyncio.to_thread(child.stop) for child in children))
        if bootstrap_from_environment() is not None:
            await _delete_topics(conn, run)


async def _until_ready(router: Child, address: str) -> None:
    until = time.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
        while True:
            try:
                async with http.get(address) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # it does not listen yet
            if router.exit_code is not None:
                raise OfficeError(f"the router ended with code {router.exit_code}; it said:\n{router.last_words()}")
            if time.monotonic() > until:
                said = router.last_words()
                raise OfficeError(f"the router was not ready within {READY_SECONDS} s; it said:\n{said}")
            await asyncio.sleep(0.1)


async def _delete_topics(conn: Connection, run: str) -> None:
    """Leave a cluster that is not ours as it was; the monitor's own topics have the run's name too."""
    async with session(conn) as client:
        ours = [name for name in await client.list_topics() if run in name]
        await client.delete_topics(ours)


def _free_ports() -> tuple[int, int]:
    """Two ports of loopback that nothing listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
