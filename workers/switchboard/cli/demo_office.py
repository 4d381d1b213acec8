"""What the demo needs around its people: a broker, topics, a configuration, a router and a monitor."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from switchboard.cli.children import Child
from switchboard.dev.local_broker import LocalBroker, bootstrap_from_environment
from switchboard.errors import OfficeError
from switchboard.journal.routing_file import read_routing_file
from switchboard.kafka.admin import create_topics
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, session
from switchboard.kafka.configuration_topic import write_configuration
from switchboard.kafka.topics import TopicNames, TopicPlan
from switchboard.settings import load
from switchboard.simulation.demo_floor import ROUTING_FILE

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
    wait = BrokerWait(conn, say=say)
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
