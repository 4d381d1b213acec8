"""The monitor as a process: look at the bus, start, serve until told to stop, stop."""

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka.errors import KafkaError

from switchboard.kafka.admin import WrongTopicsError
from switchboard.kafka.allowed import require_rights
from switchboard.kafka.clients import BrokerAwayError, Connection, wait_for_broker
from switchboard.kafka.partitions import partitions_of
from switchboard.kafka.rights import monitor_rights
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.monitor.app import keep_tables, new_app
from switchboard.monitor.ends import last_offsets
from switchboard.monitor.tables import Place, Tables
from switchboard.monitor.web import add_routes

log = logging.getLogger(__name__)

READ: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.ROUTING_CONFIG)

STOP_SECONDS: Final = 4
"""For a clean stop: nothing is lost by cutting it short, and whoever sent the signal waits 5 s."""


class MonitorError(Exception):
    """The monitor can't go on; the message says why and what to do."""


class AddressTakenError(Exception):
    """The web address can't be had."""


async def serve(
    conn: Connection,
    names: TopicNames,
    *,
    group_id: str,
    replication: int,
    host: str,
    port: int,
    broker_wait_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Serve the tables until `stop` is set.

    Args:
        conn: the cluster.
        names: the topics' names on it.
        group_id: of the installation.
        replication: likewise.
        host: the address to serve at.
        port: likewise; 0 for any that is free.
        broker_wait_seconds: how long a broker may be away at the start.
        stop: ends it.

    Raises:
        BrokerAwayError: no broker answered in time. One that goes away later is waited for.
        SecurityError: one is there and does not let us in.
        NotAllowedError: the cluster does not allow what the monitor needs.
        WrongTopicsError: a topic is missing.
        AddressTakenError: the address can't be had.
        MonitorError: Faust gave up.
    """
    await wait_for_broker(conn, broker_wait_seconds)
    await require_rights(conn, monitor_rights(names, group_id, READ))
    topics = {names.of(topic): topic for topic in READ}
    try:
        awaited = await _last_offsets(conn, topics)
    except (KafkaError, TimeoutError) as away:
        raise BrokerAwayError(f"the broker at {conn.bootstrap} went away: {away!r}") from away
    tables = Tables()
    with _address_told(host, port):
        port = port or _free_port(host)
    with tempfile.TemporaryDirectory(prefix="switchboard-monitor-") as folder:
        app = new_app(conn, group_id=group_id, replication=replication, host=host, port=port, folder=Path(folder))
        keep_tables(app, tables, topics)
        add_routes(app.web.web_app, tables, lambda: _reached(tables, awaited))
        try:
            with _address_told(host, port):
                await app.start()
            log.info("serving at http://%s:%d", f"[{host}]" if ":" in host else host, port)
            await _until(stop, app)
        finally:
            await _stop(app)


async def _last_offsets(conn: Connection, topics: Mapping[str, Topic]) -> dict[Place, int]:
    there = await partitions_of(conn, topics)
    missing = topics.keys() - {place.topic for place in there}
    for name in sorted(missing):
        # The configuration only adds the names of queues that nobody waits in: a bus may have none.
        if topics[name] is not Topic.ROUTING_CONFIG:
            raise WrongTopicsError(f"topic {name} does not exist: make it with `switchboard topics create`")
    last = await last_offsets(conn, there)
    return {(topics[place.topic], place.partition): offset for place, offset in last.items()}


def _reached(tables: Tables, awaited: dict[Place, int]) -> bool:
    """Whether the tables hold all that was on the bus at the start. Once they do they always will."""
    for place in [place for place, offset in awaited.items() if tables.applied.get(place, -1) >= offset]:
        del awaited[place]
    return not awaited


@contextlib.contextmanager
def _address_told(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise AddressTakenError(
            f"can't serve at {host}:{port}: {refused.strerror or refused} (is another monitor running?); set "
            f"SWITCHBOARD_WEB_HOST and SWITCHBOARD_WEB_PORT to an address that can be had"
        ) from refused


def _free_port(host: str) -> int:
    """Faust does not take 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as probe:
        free: int = probe.getsockname()[1]
        return free


async def _until(stop: asyncio.Event, app: Any) -> None:
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if not stop.is_set():
        raise MonitorError(f"Faust gave up ({app.crash_reason!r}): start the monitor again")


async def _stop(app: Any) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app.stop(), STOP_SECONDS)
