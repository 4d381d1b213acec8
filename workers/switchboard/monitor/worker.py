"""The monitor as a process: its web server, its check of the bus at the start, and the Faust app that reads the bus."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
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
from switchboard.monitor.access import SESSION_SECONDS, AccessControl, Sessions
from switchboard.monitor.app import keep_tables, new_app
from switchboard.monitor.bus_watch import BusContact, RoutingStatus, check_contact, watch_routing
from switchboard.monitor.day_history import DayHistory
from switchboard.monitor.figures import OutcomeCounts, Windows, start_of_day
from switchboard.monitor.live_stream import Stream, StreamLimits
from switchboard.monitor.site import web_application
from switchboard.monitor.tables import MOST_POOLS, Partition, Tables
from switchboard.web.connections import Limits, Proxies
from switchboard.web.server import serve as serve_app

log = logging.getLogger(__name__)

TABLE_TOPICS: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.ROUTING_CONFIG, Topic.ASSIGNMENT)
"""The topics that fill the tables."""

STOP_SECONDS: Final = 3
"""Time for Faust to stop; nothing is lost if it is cut short. `run all` waits 5 s for the process, and the web server
takes up to another second."""

WEB_LIMITS: Final = Limits(connections=500, by_address=200)
"""One address may have all 100 streams of an address and as many other requests, and still only two fifths of the
connections."""

WatchRouting: TypeAlias = Callable[[Connection, str, RoutingStatus], Coroutine[Any, Any, None]]


@dataclass(slots=True, frozen=True)
class MonitorConfig:
    """A monitor: the cluster and topics to read, the address and access of the web server, and limits on figures."""

    conn: Connection
    names: TopicNames
    group_id: str
    """Of the installation."""
    replication: int
    """The replication factor that Faust would create topics with."""
    broker_wait_seconds: float
    """How long a broker may be away at the start."""
    host: str
    port: int
    """0: any free port."""
    token: SecretStr | None = None
    """What readers must show; needed if other machines reach `host`."""
    service_level_seconds: float = 20.0
    """The longest first wait that counts as in time."""
    zone: str = "UTC"
    """The time zone of the midnight at which a day begins."""
    max_pools: int = MOST_POOLS
    """Configured pools of a shard, as the routers limit them."""
    session_seconds: float = SESSION_SECONDS
    """Length of a browser's session."""
    proxies: Sequence[str] = ()
    """Addresses and networks of the proxies in front."""


async def serve_monitor(config: MonitorConfig, stop: asyncio.Event, *, watch: WatchRouting = watch_routing) -> None:
    """Serve the tables until `stop` is set.

    Args:
        config: what to read, and how to serve it.
        stop: ends the monitor.
        watch: keeps the routing status up to date, until cancelled.

    Raises:
        BrokerAwayError: a broker was away for too long at the start. Later the monitor waits without end.
        SecurityError: a broker refuses the connection.
        NotAllowedError: the cluster does not grant a right that the monitor needs.
        WrongTopicsError: a topic is missing.
        ExposedError: other machines could read, and there is no token.
        AddressTakenError: the web server can't listen at the address.
        MonitorError: Faust gave up, or a task of the monitor failed.
    """
    monitor = _Monitor(config)
    # The web server starts first: while the monitor waits for a broker, it answers that it is restoring.
    async with monitor.web_server():
        bus = await unless_stopped(monitor.look_at_bus(), stop)
        if bus is not None:
            monitor.begin(bus)
            await monitor.follow(bus, stop, watch)


class _Bus(NamedTuple):
    """The topics of the tables, as they are at the start."""

    partitions: list[TopicPartition]
    last_offsets: dict[Partition, int]
    """The last offset of each partition that has records. Once they are applied, the tables are restored."""
    first_offsets: dict[TopicPartition, int]
    """The offsets of decisions from which reading begins."""


class _Monitor:
    """The parts of a monitor.

    Raises:
        ExposedError: other machines could read, and there is no token.
    """

    def __init__(self, config: MonitorConfig) -> None:
        self._config = config
        self._topics = {config.names.of(topic): topic for topic in TABLE_TOPICS}
        windows = Windows(ZoneInfo(config.zone))
        self._tables = Tables(history=DayHistory(OutcomeCounts(windows, config.service_level_seconds)))
        self._restore = RestoreProgress(self._tables)
        self._contact = BusContact()
        # The number of shards is known once the bus was looked at.
        self._routing = RoutingStatus(0, config.names.of(Topic.CHAT_ARRIVAL))
        self._access = AccessControl(
            config.host, config.token, Sessions(config.session_seconds), Proxies(config.proxies)
        )
        self._web_limits = WEB_LIMITS.within_descriptors()
        self._stream = Stream(
            self._tables,
            self._contact,
            self._routing,
            _board(config),
            limits=StreamLimits(most_clients=min(StreamLimits().most_clients, self._web_limits.connections // 2)),
            client_of=self._access.proxies.client_of,
            may_read=self._access.still_admits,
        )

    @asynccontextmanager
    async def web_server(self) -> AsyncIterator[None]:
        """Run the web server.

        Raises:
            AddressTakenError: it can't listen at the address.
        """
        host, port, access = self._config.host, self._config.port, self._access
        app = web_application(access, self._tables, self._stream, self._contact, self._restore.is_done)
        with _address_errors(host, port):
            web = await serve_app(app, host, port, self._web_limits, access.proxies)
        try:
            host, port = web.addresses[0][:2]
            log.info("serving at http://%s:%d", f"[{host}]" if ":" in host else host, port)
            yield
        finally:
            self._stream.close()
            await web.cleanup()

    async def look_at_bus(self) -> _Bus:
        """Check rights and topics, and find the offsets to read from and up to; waits for brokers that are away."""
        config = self._config
        wait = BrokerWait(config.conn, config.broker_wait_seconds)
        needed = monitor_rights(config.names, config.group_id, TABLE_TOPICS)
        await wait.retry("looking at the rights", lambda: require_rights(config.conn, needed))
        today = start_of_day(time.time(), self._tables.history.outcomes.windows.zone)
        return await wait.retry("looking at the topics", lambda: self._look_at_topics(today), long=True)

    async def _look_at_topics(self, today: float) -> _Bus:
        """The partitions and offsets of the topics; `today` is the last midnight, in seconds since 1970."""
        conn = self._config.conn
        partitions = await self._partitions()
        last = {self._bare(tp): offset for tp, offset in (await last_offsets(conn, partitions)).items()}
        # Chats that wait at midnight count in the new day too: decisions are read from LEAD_SECONDS before.
        decisions = [tp for tp in partitions if self._topics[tp.topic] is Topic.ASSIGNMENT]
        return _Bus(partitions, last, await offsets_since(conn, decisions, today - LEAD_SECONDS))

    async def _partitions(self) -> list[TopicPartition]:
        """The partitions of all topics of the tables.

        Raises:
            WrongTopicsError: a topic is missing, `routing-config` aside.
        """
        found = await partitions_of(self._config.conn, self._topics)
        # The configuration only adds the names of empty queues, and a bus may have no such topic.
        needed = [name for name, topic in self._topics.items() if topic is not Topic.ROUTING_CONFIG]
        if missing := missing_from(needed, found):
            raise no_such_topic(missing)
        return found

    def _bare(self, tp: TopicPartition) -> Partition:
        return self._topics[tp.topic], tp.partition

    def begin(self, bus: _Bus) -> None:
        """Prepare the tables for reading the bus."""
        # Decisions before the first offsets count as applied.
        self._tables.applied = {self._bare(tp): offset - 1 for tp, offset in bus.first_offsets.items()}
        self._restore.begin(bus.last_offsets)
        self._contact.answered_at = time.time()
        shards = sum(self._topics[tp.topic] is Topic.ASSIGNMENT for tp in bus.partitions)
        self._routing.set_shards(shards)
        self._tables.configured = ConfiguredPools(self._config.max_pools, shards)

    async def follow(self, bus: _Bus, stop: asyncio.Event, watch: WatchRouting) -> None:
        """Keep the tables up to date until `stop` is set.

        Raises:
            MonitorError: Faust gave up, or a task failed.
            WrongTopicsError: Faust gave up because a topic was deleted.
        """
        config = self._config
        with tempfile.TemporaryDirectory(prefix="switchboard-monitor-") as folder:
            app = new_app(config.conn, group_id=config.group_id, replication=config.replication, folder=Path(folder))
            keep_tables(app, self._tables, self._topics)
            tasks = [
                self._stream.run(),
                check_contact(config.conn, bus.partitions, self._contact),
                watch(config.conn, config.group_id, self._routing),
            ]
            try:
                await _run(app, tasks, stop)
            except MonitorError:
                # Faust's error for a deleted topic does not name the topic; this check does.
                with contextlib.suppress(BrokerAwayError, SecurityError, KafkaError, TimeoutError):
                    await self._partitions()
                raise


def _board(config: MonitorConfig) -> dict[str, Any]:
    """The settings that the wallboard shows."""
    return {
        "service_level_seconds": config.service_level_seconds,
        "time_zone": config.zone,
        "asks_for_token": config.token is not None,
    }


class RestoreProgress:
    """Whether the tables hold all that was on the bus at the start.

    Args:
        tables: filled from the bus.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._awaited: dict[Partition, int] | None = None

    def begin(self, last_offsets: Mapping[Partition, int]) -> None:
        """Set the last offset of each partition that has records."""
        self._awaited = dict(last_offsets)

    def is_done(self) -> bool:
        """True once all these offsets are applied, and from then on. False until `begin` is called."""
        if self._awaited is None:
            return False
        applied = self._tables.applied
        for partition in [each for each, offset in self._awaited.items() if applied.get(each, -1) >= offset]:
            del self._awaited[partition]
        return not self._awaited


@contextlib.contextmanager
def _address_errors(host: str, port: int) -> Iterator[None]:
    """Report an address that can't be listened at as an AddressTakenError."""
    try:
        yield
    except OSError as refused:
        raise AddressTakenError(
            f"can't serve at {host}:{port}: {refused.strerror or refused} (is another monitor running?); set "
            f"SWITCHBOARD_WEB_HOST and SWITCHBOARD_WEB_PORT to an address that can be had"
        ) from refused


# The Faust app


async def _run(app: Any, coroutines: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """Run the Faust app and the tasks beside it until a stop.

    Raises:
        MonitorError: one of them failed.
    """
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await app.start()
        await _until_stopped(app, tasks, stop)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), STOP_SECONDS)


async def _until_stopped(app: Any, tasks: Collection[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Wait for a stop.

    Raises:
        MonitorError: Faust gave up, or a task failed: what the task keeps up to date would be served for ever.
    """
    waits: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(app.wait_until_stopped()),
    ]
    await asyncio.wait({*waits, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        return
    for task in tasks:
        if task.done() and (defect := task.exception()) is not None:
            raise MonitorError(f"it failed ({raised(defect)}): start the monitor again") from defect
    reason = app.crash_reason
    shown = repr(reason) if reason is None or isinstance(reason, KafkaError) else raised(reason)
    raise MonitorError(f"Faust gave up ({shown}): start the monitor again")
