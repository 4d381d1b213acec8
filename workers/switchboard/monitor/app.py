"""The Faust app that fills the monitor's tables, and the monitor's metrics.

The metrics have a registry of their own: a router serves none of them, and a monitor serves no others.
"""

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
from switchboard.monitor.bus_watch import BusContact
from switchboard.monitor.public_rows import MalformedRowError
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.web.answers import metrics_handler

log = logging.getLogger(__name__)

SESSION_SECONDS: Final = 8
"""Session timeout in the consumer group. A monitor that hangs loses its place after it, not after Faust's 60 s."""

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


def add_metrics(web_app: web.Application, contact: BusContact, is_restored: Callable[[], bool]) -> None:
    """Serve `/metrics`, from before the tables are filled."""

    def prepare() -> None:
        RESTORED.set(is_restored())
        BUS_ANSWERED.set(contact.answered_at or 0)

    web_app.router.add_get("/metrics", metrics_handler(REGISTRY, prepare))


class FollowingConsumer(driver.Consumer):  # type: ignore[misc] # Faust is untyped
    """Faust's consumer, whose "committed" offsets are those that the tables have applied.

    During a rebalance Faust discards the records it receives, and sets the consumer back to the offsets that the group
    committed. The monitor commits none, and for a partition without one aiokafka's `seek_to_committed` does nothing:
    the discarded records would be missing for good.
    """

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Set every partition to the record after the last applied one, and return these offsets."""
        offsets: dict[Any, int] = {tp: self.transport.next_offset(tp) for tp in self.assignment()}
        await self.seek_wait(offsets)
        return offsets


# Faust names the logger of a class by the module of the class: without this, Faust's messages would appear as ours.
FollowingConsumer.logger = driver.Consumer.logger


class FollowingTransport(driver.Transport):  # type: ignore[misc] # Faust is untyped
    """Faust's connection to the cluster, with a `FollowingConsumer`."""

    Consumer: ClassVar[type[FollowingConsumer]] = FollowingConsumer

    def __init__(self, app: Any, tables: Tables, topics: Mapping[str, Topic]) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self._tables = tables
        self._topics = topics

    def next_offset(self, tp: Any) -> int:
        """The offset to read next in a partition (a Faust TP); 0 if no record of it was applied.

        If retention has deleted that offset, `consumer_auto_offset_reset` applies.
        """
        return self._tables.applied.get((self._topics[tp.topic], tp.partition), -1) + 1


def new_app(
    conn: Connection,
    *,
    group_id: str,
    replication: int,
    folder: Path,
) -> Any:
    """A Faust app that reads committed records, writes none and creates no topic.

    Args:
        conn: the cluster.
        group_id: of the installation; the id of the app's own group begins with it.
        replication: the replication factor that Faust would create topics with.
        folder: for Faust's working files; the monitor has none.
    """
    app = faust.App(
        # Each run has a consumer group of its own. So every monitor reads all partitions, and a monitor that was killed
        # leaves no member whose session its successor would wait for. No offsets are committed, so no group remains.
        id=f"{group_id}-monitor-{uuid4().hex[:12]}",
        # Faust prefers the environment to these arguments: a BROKER_URL or WEB_PORT set for another program would win.
        env_prefix="SWITCHBOARD_FAUST_",
        broker=[f"kafka://{server.strip()}" for server in conn.bootstrap.split(",")],
        broker_credentials=_credentials(conn),
        # The only way to read committed records in Faust. The app writes nothing, so it begins no transaction.
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
        # Faust's web server has no limits. `switchboard.web.server` serves instead, and starts before Faust.
        web_enabled=False,
    )
    # The guarantee holds only in what Faust takes for a worker process; otherwise aborted records are read too.
    app.in_worker = True
    return app


def keep_tables(app: Any, tables: Tables, topics: Mapping[str, Topic]) -> None:
    """Have the app apply each record of the topics to the tables, from the last applied record on.

    Args:
        app: made by `new_app`.
        tables: changed in place.
        topics: the topics to read, by name on the bus.
    """
    app.transport = FollowingTransport(app, tables, topics)
    counters = {name: RECORDS.labels(str(topic)) for name, topic in topics.items()}
    # acks=False: no offset is committed, since `FollowingConsumer` reads on from the applied ones.
    rows = app.topic(
        *topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw",
        acks=False, allow_empty=True,
    )  # fmt: skip

    @app.agent(rows)  # type: ignore[untyped-decorator] # Faust is untyped
    async def keep(stream: Any) -> None:
        async for event in stream.events():
            if defect := _apply(tables, topics, event.message):
                # An exception raised here would lose one record: Faust acknowledges it and restarts the agent, and the
                # tables would be wrong for good. After a crash the monitor is restarted and reads all of it again.
                await app.crash(defect)
                return
            counters[event.message.topic].inc()


def _apply(tables: Tables, topics: Mapping[str, Topic], message: Any) -> Exception | None:
    """Apply a message of Faust to the tables; an error that is not the record's fault is logged and returned."""
    source = (message.topic, message.partition, message.offset)
    topic = topics[message.topic]
    record = Record(topic, message.partition, message.offset, message.key, message.value, message.headers or ())
    try:
        apply(tables, record)
    except MalformedRowError as fault:
        # Ids and values of records are logged at debug only.
        log.warning("%s, partition %d, offset %d: %s", *source, fault.summary)
        log.debug("%s, partition %d, offset %d: %s", *source, fault)
    except Exception as defect:
        log.critical("%s, partition %d, offset %d: %s", *source, raised(defect))
        log.debug("%s, partition %d, offset %d", *source, exc_info=defect)
        return defect
    return None


def _credentials(conn: Connection) -> Any:
    security = options(conn)
    tls = security.get("ssl_context")
    match conn.security_protocol:
        case "PLAINTEXT":
            return None
        case "SSL":
            return faust.SSLCredentials(tls)
        case "SASL_PLAINTEXT" | "SASL_SSL" if conn.sasl_mechanism == "OAUTHBEARER":
            return faust.OAuthCredentials(oauth_cb=security["sasl_oauth_token_provider"], ssl_context=tls)
        case "SASL_PLAINTEXT" | "SASL_SSL":
            return faust.SASLCredentials(
                mechanism=conn.sasl_mechanism,
                username=security["sasl_plain_username"],
                password=security["sasl_plain_password"],
                ssl_context=tls,
            )
