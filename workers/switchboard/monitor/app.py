"""The metrics of the monitor: a registry of its own, since a router serves none of these and a monitor nothing else."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import uuid4

import faust
from aiohttp import web
from faust.transport.drivers import aiokafka as driver
from prometheus_client import CollectorRegistry, Counter, Gauge

from switchboard.kafka.clients import Connection, options
from switchboard.kafka.library_logs import raised
from switchboard.kafka.topics import Topic
from switchboard.monitor.bus_watch import Pulse
from switchboard.monitor.public_rows import MalformedRowError
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.web.answers import metrics_handler

REGISTRY: Final = CollectorRegistry()

RESTORED: Final = Gauge(
    "switchboard_monitor_restored",
    "1 once the tables hold all that was on the bus at the monitor's start.",
    registry=REGISTRY,
)
BUS_ANSWERED: Final = Gauge(
    "switchboard_monitor_bus_answered_timestamp_seconds",
    "When the bus last answered; it is asked every 2 s.",
    registry=REGISTRY,
)
RECORDS: Final = Counter(
    "switchboard_monitor_records", "Records of rows, decisions and configuration read.", ["topic"], registry=REGISTRY
)


def add_metrics(web_app: web.Application, pulse: Pulse, is_restored: Callable[[], bool]) -> None:
    """Serve `/metrics`, also while the tables are being filled."""

    def prepare() -> None:
        RESTORED.set(is_restored())
        BUS_ANSWERED.set(pulse.answered_at or 0)

    web_app.router.add_get("/metrics", metrics_handler(REGISTRY, prepare))


class FollowingConsumer(driver.Consumer):  # type: ignore[misc] # Faust is untyped
    """Faust's consumer, whose "committed" offsets are those that the tables have applied.

    While a rebalance is under way Faust throws away the records that it is handed, and sets the consumer back to the
    offsets that the group committed. Nothing is ever committed here, and for such a partition aiokafka's
    `seek_to_committed` does nothing at all: what was thrown away would be missing for good.
    """

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Set every partition to the record after the last one applied; these offsets, by partition."""
        places: dict[Any, int] = {place: self.transport.next_offset(place) for place in self.assignment()}
        await self.seek_wait(places)
        return places


# Faust has each class log under its module's name, so that what this one says would pass for ours.
FollowingConsumer.logger = driver.Consumer.logger


class FollowingTransport(driver.Transport):  # type: ignore[misc] # Faust is untyped
    """Faust's way to the cluster, with that consumer."""

    Consumer: ClassVar[type[FollowingConsumer]] = FollowingConsumer

    def __init__(self, app: Any, tables: Tables, topics: Mapping[str, Topic]) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self._tables = tables
        self._topics = topics

    def next_offset(self, place: Any) -> int:
        """Where to read on in a partition (a Faust TP); 0, the beginning, while nothing of it was applied.

        An offset that is gone, because it was deleted, is for `consumer_auto_offset_reset`.
        """
        return self._tables.applied.get((self._topics[place.topic], place.partition), -1) + 1


log = logging.getLogger(__name__)

SESSION_SECONDS: Final = 8
"""A monitor that hangs is dropped from its group after this, and not after Faust's own 60 s."""


def new_app(
    conn: Connection,
    *,
    group_id: str,
    replication: int,
    folder: Path,
) -> Any:
    """A Faust app that reads committed records only, writes nothing and makes no topic.

    Args:
        conn: the cluster.
        group_id: of the installation; the app's own group begins with it.
        replication: of whatever Faust may make.
        folder: where Faust keeps its working files; the monitor has none.
    """
    app = faust.App(
        # A group of its own for each run: every monitor is given every partition, and one that was killed leaves no
        # member behind for whose session its successor would have to wait. Nothing is committed, so nothing is left.
        id=f"{group_id}-monitor-{uuid4().hex[:12]}",
        # Faust puts the environment above what it is told: a BROKER_URL or WEB_PORT meant for something else would win.
        env_prefix="SWITCHBOARD_FAUST_",
        broker=[f"kafka://{server.strip()}" for server in conn.bootstrap.split(",")],
        broker_credentials=_credentials(conn),
        # Faust's only way to `read_committed`. Nothing is written, so no transaction is ever begun.
        processing_guarantee="exactly_once",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 4,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_replication_factor=replication,
        store="memory://",
        datadir=folder,
        # Faust's own web server has no limits: `switchboard.web.server` serves, and from before Faust is started.
        web_enabled=False,
    )
    # The guarantee holds only in what Faust takes for a worker process: without this, aborted records are read too.
    app.in_worker = True
    return app


def keep_tables(app: Any, tables: Tables, topics: Mapping[str, Topic]) -> None:
    """Have the app keep the tables as the topics are: it reads them from where the tables stand, at first all of them.

    Args:
        app: as `new_app` made it.
        tables: changed in place.
        topics: what is read, by name on the bus.
    """
    app.transport = FollowingTransport(app, tables, topics)
    read = {name: RECORDS.labels(str(topic)) for name, topic in topics.items()}
    # acks=False: no offset is ever committed. The tables tell where to read on.
    rows = app.topic(
        *topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw",
        acks=False, allow_empty=True,
    )  # fmt: skip

    @app.agent(rows)  # type: ignore[untyped-decorator] # Faust is untyped
    async def keep(stream: Any) -> None:
        async for event in stream.events():
            told = event.message
            place = (told.topic, told.partition, told.offset)
            try:
                apply(tables, Record(topics[told.topic], *place[1:], told.key, told.value, told.headers or ()))
            except MalformedRowError as fault:
                log.warning("%s, partition %d, offset %d: %s", *place, fault.what)
                log.debug("%s, partition %d, offset %d: %s", *place, fault)
            except Exception as defect:
                # Raised, it would cost this one record: Faust acknowledges it and starts the agent anew, so the tables
                # would be wrong for good. Gone down, the monitor is right again once it is restarted.
                log.critical("%s, partition %d, offset %d: %s", *place, raised(defect))
                log.debug("%s, partition %d, offset %d", *place, exc_info=defect)
                await app.crash(defect)
                return
            read[told.topic].inc()


def _credentials(conn: Connection) -> Any:
    told = options(conn)
    tls = told.get("ssl_context")
    match conn.security_protocol:
        case "PLAINTEXT":
            return None
        case "SSL":
            return faust.SSLCredentials(tls)
        case "SASL_PLAINTEXT" | "SASL_SSL" if conn.sasl_mechanism == "OAUTHBEARER":
            return faust.OAuthCredentials(oauth_cb=told["sasl_oauth_token_provider"], ssl_context=tls)
        case "SASL_PLAINTEXT" | "SASL_SSL":
            return faust.SASLCredentials(
                mechanism=conn.sasl_mechanism,
                username=told["sasl_plain_username"],
                password=told["sasl_plain_password"],
                ssl_context=tls,
            )
