"""The monitor as a process: look at the bus, start, serve until told to stop, stop."""

import asyncio
import contextlib
import logging
import socket
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from switchboard.kafka.allowed import require_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import BrokerAwayError, Connection, unless_stopped
from switchboard.kafka.partitions import missing_from, no_such_topic, partitions_of
from switchboard.kafka.quiet import raised
from switchboard.kafka.refusals import SecurityError
from switchboard.kafka.rights import monitor_rights
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.monitor.app import keep_tables, new_app
from switchboard.monitor.ends import last_offsets
from switchboard.monitor.entry import Door, add_sign_in, guard
from switchboard.monitor.page import add_page
from switchboard.monitor.pulse import Pulse, feel
from switchboard.monitor.routing import Routing, watch
from switchboard.monitor.starts import LEAD_SECONDS, first_offsets
from switchboard.monitor.stream import Stream
from switchboard.monitor.tables import Place, Tables
from switchboard.monitor.telling import add_metrics
from switchboard.monitor.web import add_routes, strict_json
from switchboard.monitor.windows import start_of_day

log = logging.getLogger(__name__)

READ: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.ROUTING_CONFIG, Topic.ASSIGNMENT)

STOP_SECONDS: Final = 4
"""For a clean stop: nothing is lost by cutting it short, and whoever sent the signal waits 5 s."""


class MonitorError(Exception):
    """The monitor can't go on; the message says why and what to do."""


class AddressTakenError(Exception):
    """The web address can't be had."""


@dataclass(slots=True, frozen=True)
class Serving:
    """How the monitor shows what it knows."""

    host: str
    port: int
    """0 for any that is free."""
    token: SecretStr | None = None
    """What readers must show; needed where others than this machine reach the host."""
    service_level_seconds: float = 20.0
    """Chats answered within so long are answered in time."""
    zone: str = "UTC"
    """The time zone whose midnight a day begins at."""


class Bus(NamedTuple):
    """What the monitor finds at its start."""

    there: list[TopicPartition]
    awaited: dict[Place, int]
    """The last offset of each partition that has records: once these are applied, the tables are filled."""
    firsts: dict[TopicPartition, int]
    """Where reading of the decisions begins."""


async def serve(
    conn: Connection,
    names: TopicNames,
    serving: Serving,
    *,
    group_id: str,
    replication: int,
    broker_wait_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Serve the tables until `stop` is set.

    Args:
        conn: the cluster.
        names: the topics' names on it.
        serving: where, to whom, and by which measures.
        group_id: of the installation.
        replication: likewise.
        broker_wait_seconds: how long a broker may be away at the start.
        stop: ends it.

    Raises:
        BrokerAwayError: a broker that is needed was away at the start for too long. One that goes away later is
            waited for.
        SecurityError: one is there and does not let us in.
        NotAllowedError: the cluster does not allow what the monitor needs.
        WrongTopicsError: a topic is missing.
        ExposedError: others could read, and there is no token.
        AddressTakenError: the address can't be had.
        MonitorError: Faust gave up, or something failed.
    """
    door = Door(serving.host, serving.token)
    topics = {names.of(topic): topic for topic in READ}
    tables = Tables()
    tables.past.counting.in_time = serving.service_level_seconds
    tables.past.counting.windows.zone = ZoneInfo(serving.zone)

    async def look_at_bus() -> Bus:
        wait = BrokerWait(conn, broker_wait_seconds)
        needed = monitor_rights(names, group_id, READ)
        await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
        today = start_of_day(time.time(), tables.past.counting.windows.zone)
        return await wait.retry("looking at the topics", lambda: _look_at_bus(conn, topics, today), long=True)

    if (found := await unless_stopped(look_at_bus(), stop)) is None:
        return
    there, awaited, firsts = found
    tables.applied = {_place(topics, at): offset - 1 for at, offset in firsts.items()}
    with _address_told(serving.host, serving.port):
        port = serving.port or _free_port(serving.host)
    pulse = Pulse(time.time())  # it has just answered
    shards = sum(topics[at.topic] is Topic.ASSIGNMENT for at in there)
    routing = Routing(shards, names.of(Topic.CHAT_ARRIVAL))
    board = {"service_level_seconds": serving.service_level_seconds, "time_zone": serving.zone}
    stream = Stream(tables, pulse, routing, board)
    with tempfile.TemporaryDirectory(prefix="switchboard-monitor-") as folder:
        app = new_app(
            conn,
            group_id=group_id,
            replication=replication,
            host=serving.host,
            port=port,
            folder=Path(folder),
            middlewares=(strict_json, guard(door)),
        )
        keep_tables(app, tables, topics)
        add_routes(app.web.web_app, tables, stream, lambda: _reached(tables, awaited))
        add_metrics(app.web.web_app, pulse, lambda: _reached(tables, awaited))
        add_sign_in(app.web.web_app, door)
        add_page(app.web.web_app)
        beside = [
            asyncio.create_task(stream.run()),
            asyncio.create_task(feel(conn, there, pulse)),
            asyncio.create_task(watch(conn, group_id, routing, shards)),
        ]
        try:
            with _address_told(serving.host, port):
                await app.start()
            host = serving.host
            log.info("serving at http://%s:%d", f"[{host}]" if ":" in host else host, port)
            try:
                await _until(stop, app, beside)
            except MonitorError:
                # Faust's own words for topics that are gone are a riddle.
                with contextlib.suppress(BrokerAwayError, SecurityError, KafkaError, TimeoutError):
                    await _partitions(conn, topics)
                raise
        finally:
            stream.close()
            for task in beside:
                task.cancel()
            await _stop(app)


async def _look_at_bus(conn: Connection, topics: Mapping[str, Topic], today: float) -> Bus:
    """What there is to read, given the last midnight in seconds since 1970."""
    there = await _partitions(conn, topics)
    awaited = {_place(topics, at): offset for at, offset in (await last_offsets(conn, there)).items()}
    # What was decided before today, but for what may reach into it, counts as taken already.
    decisions = [at for at in there if topics[at.topic] is Topic.ASSIGNMENT]
    return Bus(there, awaited, await first_offsets(conn, decisions, today - LEAD_SECONDS))


async def _partitions(conn: Connection, topics: Mapping[str, Topic]) -> list[TopicPartition]:
    there = await partitions_of(conn, topics)
    # The configuration only adds the names of queues that nobody waits in: a bus may have none.
    needed = [name for name, topic in topics.items() if topic is not Topic.ROUTING_CONFIG]
    if missing := missing_from(needed, there):
        raise no_such_topic(missing)
    return there


def _place(topics: Mapping[str, Topic], at: TopicPartition) -> Place:
    return topics[at.topic], at.partition


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


async def _until(stop: asyncio.Event, app: Any, beside: Collection[asyncio.Task[None]]) -> None:
    """Wait for a stop.

    Raises:
        MonitorError: Faust gave up; or something beside it failed, and what it tells would stand still unnoticed.
    """
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait({*waits, *beside}, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        return
    for task in beside:
        if task.done() and (defect := task.exception()) is not None:
            raise MonitorError(f"it failed ({raised(defect)}): start the monitor again") from defect
    reason = app.crash_reason
    told = repr(reason) if reason is None or isinstance(reason, KafkaError) else raised(reason)
    raise MonitorError(f"Faust gave up ({told}): start the monitor again")


async def _stop(app: Any) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app.stop(), STOP_SECONDS)
