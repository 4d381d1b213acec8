"""The office of the demo: two teams of six agents, the broker, the router and the monitor."""

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
"""Times the recorded pace: the 120 chats an hour of the late morning become two a second."""
FROM_MINUTE: Final = 10 * 60
"""Minute of the recorded day at which the demo begins."""

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
    # Offers take real time, and patience runs sixty times as fast: customers wait half a real minute on average.
    patience_mean=1800.0,
    decline_chance=0.04,
    lapse_chance=0.02,
    # Most people watch the demo for half a minute: in that time some agents take a break and come back.
    work_mean=2400.0,
    break_mean=400.0,
)

READY_SECONDS: Final = 60
"""Time limit of the router's start, which takes about 2 s, on a busy machine more."""
BUS_PARTITIONS: Final = 2
STOP_SECONDS: Final = 10
"""Time limit of a worker's stop, which takes 5 s at most; then the worker is killed."""

# A shell that waits for the end of its input, a pipe from this process, then kills the worker. The pipe closes however
# this process ends, also by SIGKILL.
_WATCH: Final = 'cat >/dev/null; kill -9 "$1" 2>/dev/null'


@dataclass(slots=True, frozen=True)
class Office:
    """The running workers, and how to reach them."""

    conn: Connection
    names: TopicNames
    pools: list[dict[str, Any]]
    """The configuration, as bodies of `pool-configured`."""
    router: "Child"
    monitor: "Child"
    monitor_address: str
    metrics_address: str
    """Address of the router's metrics for Prometheus."""


@contextmanager
def broker(say: Callable[[str], None]) -> Iterator[tuple[Connection, dict[str, str]]]:
    """A broker: the cluster of KAFKA_BOOTSTRAP if that is set, else a local broker for the demo alone.

    Yields the connection, and the settings of the workers for the same broker.
    """
    named = bootstrap_from_environment()
    if named is not None:
        say(f"using the cluster at {named} (KAFKA_BOOTSTRAP)")
        yield load(bootstrap_servers=named).connection(), {"SWITCHBOARD_BOOTSTRAP_SERVERS": named}
        return
    say("starting Apache Kafka (its jars are fetched the first time) …")
    with LocalBroker() as local:
        say(f"Apache Kafka listens at {local.bootstrap}")
        settings = {"SWITCHBOARD_BOOTSTRAP_SERVERS": local.bootstrap, "SWITCHBOARD_SECURITY_PROTOCOL": "PLAINTEXT"}
        yield Connection(local.bootstrap), settings


@asynccontextmanager
async def office(
    conn: Connection, settings: dict[str, str], folder: Path, say: Callable[[str], None]
) -> AsyncIterator[Office]:
    """Create topics and configuration, and start a router and a monitor; remove everything at the end.

    Raises:
        OfficeError: the router did not become ready.
        BrokerAwayError: a broker that is needed was away for too long.
    """
    run = f"demo-{uuid.uuid4().hex[:6]}"
    names = TopicNames(f"{run}.", f"{run}.")
    metrics_port, web_port = _free_ports()
    worker_settings = settings | {
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
        router = Child(["run", "router", "--from", "earliest"], worker_settings, folder / "router.log")
        children.append(router)
        await _until_ready(router, f"http://127.0.0.1:{metrics_port}/readyz")
        monitor = Child(["run", "monitor"], worker_settings, folder / "monitor.log")
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
        # A local broker is removed with all its topics.
        if bootstrap_from_environment() is not None:
            await _delete_topics(conn, run)


class Child:
    """`switchboard ARGUMENTS` in a process of its own, which Ctrl-C does not reach.

    Args:
        arguments: the command.
        settings: added to the environment.
        log: the file for standard output and standard error.
    """

    def __init__(self, arguments: list[str], settings: Mapping[str, str], log: Path) -> None:
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
        """The exit code; None while the process runs."""
        return self._process.poll()

    async def ended(self) -> int:
        """Wait for the end of the process; returns the exit code."""
        return await asyncio.to_thread(self._process.wait)

    def last_words(self, lines: int = 10) -> str:
        """The last lines of the output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Send SIGTERM, wait, and kill the process after `STOP_SECONDS`; returns the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        # The watch ends last: in this order no reused process id is killed.
        self._watch.kill()
        self._watch.communicate()
        return code


async def _until_ready(router: Child, address: str) -> None:
    """Wait until the router's /readyz answers 200."""
    until = time.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
        while True:
            try:
                async with http.get(address) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # the web server does not listen yet
            if router.exit_code is not None:
                raise OfficeError(f"the router ended with code {router.exit_code}; it said:\n{router.last_words()}")
            if time.monotonic() > until:
                words = router.last_words()
                raise OfficeError(f"the router was not ready within {READY_SECONDS} s; it said:\n{words}")
            await asyncio.sleep(0.1)


async def _delete_topics(conn: Connection, run: str) -> None:
    """Delete the demo's topics from a cluster of the user. The monitor's own topics have the run's name as well."""
    async with session(conn) as client:
        ours = [name for name in await client.list_topics() if run in name]
        await client.delete_topics(ours)


def _free_ports() -> tuple[int, int]:
    """Two free TCP ports of loopback."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
