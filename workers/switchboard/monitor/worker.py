"""The monitor as a process: look at the bus, start, serve until told to stop, stop."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from switchboard.errors import AddressTakenError, BrokerAwayError, MonitorError, SecurityError
from switchboard.journal.limits import ConfiguredPools
from switchboard.kafka.acl import monitor_rights, require_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, unless_stopped
from switchboard.kafka.library_logs import raised
from switchboard.kafka.positions import LEAD_SECONDS, last_offsets, offsets_since
from switchboard.kafka.reading import missing_from, no_such_topic, partitions_of
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.monitor.access import SESSION_SECONDS, Door, Sessions
from switchboard.monitor.app import keep_tables, new_app
from switchboard.monitor.bus_watch import Pulse, Routing, feel, watch
from switchboard.monitor.figures import start_of_day
from switchboard.monitor.live_stream import MOST_CLIENTS, Stream
from switchboard.monitor.site import site
from switchboard.monitor.tables import MOST_POOLS, Place, Tables
from switchboard.web.connections import Limits, Proxies
from switchboard.web.server import serve as serve_app

log = logging.getLogger(__name__)

READ: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.ROUTING_CONFIG, Topic.ASSIGNMENT)

STOP_SECONDS: Final = 3
"""For a clean stop of Faust: nothing is lost by cutting it short. Whoever sent the signal waits 5 s, and the web server
takes up to another second."""

LIMITS: Final = Limits(connections=500, by_address=200)
"""Twice as many as streams, and some. One address may have all the streams of an address, as many pages that ask for
something else beside, and no more than two fifths."""


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
    max_pools: int = MOST_POOLS
    """As the routers have it: of a shard, the most pools that are configured."""
    session_seconds: float = SESSION_SECONDS
    """How long a sign-in lasts."""
    proxies: Sequence[str] = ()
    """Addresses and networks of the proxies in front."""


class Bus(NamedTuple):
    """What the monitor finds at its start."""

    there: list[TopicPartition]
    awaited: dict[Place, int]
    """The last offset of each partition that has records: once these are applied, the tables are filled."""
    firsts: dict[TopicPartition, int]
    """Where reading of the decisions begins."""


async def serve_monitor(
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
    door = Door(serving.host, serving.token, Sessions(serving.session_seconds), Proxies(serving.proxies))
    topics = {names.of(topic): topic for topic in READ}
    tables = Tables()
    tables.history.outcomes.in_time_seconds = serving.service_level_seconds
    tables.history.outcomes.windows.zone = ZoneInfo(serving.zone)
    pulse, routing = Pulse(), Routing(0, names.of(Topic.CHAT_ARRIVAL))
    limits = LIMITS.within_descriptors()
    stream = Stream(
        tables, pulse, routing, _board(serving),
        most=min(MOST_CLIENTS, limits.connections // 2),
        client_of=door.proxies.client_of, may_read=door.still_admits,
    )  # fmt: skip
    restore = Restore(tables)
    # From before the bus is looked at: who waits for the broker is alive, and says that it is restoring.
    with _address_told(serving.host, serving.port):
        app = site(door, tables, stream, pulse, restore.is_done)
        web = await serve_app(app, serving.host, serving.port, limits, door.proxies)
    try:
        host, port = web.addresses[0][:2]
        log.info("serving at http://%s:%d", f"[{host}]" if ":" in host else host, port)

        async def look_at_bus() -> Bus:
            wait = BrokerWait(conn, broker_wait_seconds)
            needed = monitor_rights(names, group_id, READ)
            await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
            today = start_of_day(time.time(), tables.history.outcomes.windows.zone)
            return await wait.retry("looking at the topics", lambda: _look_at_bus(conn, topics, today), long=True)

        if (found := await unless_stopped(look_at_bus(), stop)) is None:
            return
        there, awaited, firsts = found
        tables.applied = {_place(topics, at): offset - 1 for at, offset in firsts.items()}
        restore.begin(awaited)
        pulse.answered_at = time.time()
        shards = sum(topics[at.topic] is Topic.ASSIGNMENT for at in there)
        routing.expect(shards)
        tables.configured = ConfiguredPools(serving.max_pools, shards)
        beside = [stream.run(), feel(conn, there, pulse), watch(conn, group_id, routing, shards)]
        with tempfile.TemporaryDirectory(prefix="switchboard-monitor-") as folder:
            faust_app = new_app(conn, group_id=group_id, replication=replication, folder=Path(folder))
            keep_tables(faust_app, tables, topics)
            try:
                await _run(faust_app, beside, stop)
            except MonitorError:
                # Faust's own words for topics that are gone are a riddle.
                with contextlib.suppress(BrokerAwayError, SecurityError, KafkaError, TimeoutError):
                    await _partitions(conn, topics)
                raise
    finally:
        stream.close()
        await web.cleanup()


def _board(serving: Serving) -> dict[str, Any]:
    """What the wallboard shows of the settings."""
    return {
        "service_level_seconds": serving.service_level_seconds,
        "time_zone": serving.zone,
        "asks_for_token": serving.token is not None,
    }


async def _run(app: Any, beside: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """Run the Faust app, and what runs beside it, until a stop.

    Raises:
        MonitorError: one of them failed.
    """
    tasks = [asyncio.create_task(each) for each in beside]
    try:
        await app.start()
        await _until(stop, app, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await _stop(app)


async def _look_at_bus(conn: Connection, topics: Mapping[str, Topic], today: float) -> Bus:
    """What there is to read, given the last midnight in seconds since 1970."""
    there = await _partitions(conn, topics)
    awaited = {_place(topics, at): offset for at, offset in (await last_offsets(conn, there)).items()}
    # What was decided before today, but for what may reach into it, counts as taken already.
    decisions = [at for at in there if topics[at.topic] is Topic.ASSIGNMENT]
    return Bus(there, awaited, await offsets_since(conn, decisions, today - LEAD_SECONDS))


async def _partitions(conn: Connection, topics: Mapping[str, Topic]) -> list[TopicPartition]:
    there = await partitions_of(conn, topics)
    # The configuration only adds the names of queues that nobody waits in: a bus may have none.
    needed = [name for name, topic in topics.items() if topic is not Topic.ROUTING_CONFIG]
    if missing := missing_from(needed, there):
        raise no_such_topic(missing)
    return there


def _place(topics: Mapping[str, Topic], at: TopicPartition) -> Place:
    return topics[at.topic], at.partition


class Restore:
    """Whether the tables hold all that was on the bus at the start.

    Args:
        tables: filled from the bus.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._awaited: dict[Place, int] | None = None

    def begin(self, awaited: Mapping[Place, int]) -> None:
        """Note the last offset of each partition that has records."""
        self._awaited = dict(awaited)

    def is_done(self) -> bool:
        """False until the bus was looked at and all of it is applied. Once it is done it always is."""
        if self._awaited is None:
            return False
        applied = self._tables.applied
        for place in [place for place, offset in self._awaited.items() if applied.get(place, -1) >= offset]:
            del self._awaited[place]
        return not self._awaited


@contextlib.contextmanager
def _address_told(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise AddressTakenError(
            f"can't serve at {host}:{port}: {refused.strerror or refused} (is another monitor running?); set "
            f"SWITCHBOARD_WEB_HOST and SWITCHBOARD_WEB_PORT to an address that can be had"
        ) from refused


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
