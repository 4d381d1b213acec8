"""The connection to a cluster, and all clients of it, with the options that they share."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    LeaderNotAvailableError,
    NoBrokersAvailable,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    ProducerFenced,
    RequestTimedOutError,
    StaleMetadata,
)
from aiokafka.helpers import create_ssl_context
from pydantic import SecretStr

from switchboard.errors import BrokerAwayError, SecurityError
from switchboard.journal.files import MAX_SECRET_BYTES, read_text
from switchboard.kafka import aiokafka_patches
from switchboard.kafka.aiokafka_patches import pin_to_answering_broker
from switchboard.kafka.batch_codecs import BatchLimits, set_limits
from switchboard.kafka.bootstrap_servers import refusal
from switchboard.kafka.record_batches import bounded_key, bounded_value

aiokafka_patches.apply()

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
Result = TypeVar("Result")

TRANSACTION_RETRY_BACKOFF_MS: Final = 5
"""Pause before a request of a transaction is tried again. aiokafka's default is 100 ms; with 5 ms a drain went from
22,500 to 41,700 events/s."""

TRANSACTION_TIMEOUT_MS: Final = 10_000
"""After this time a broker aborts a transaction that hangs. The broker looks every 10 s, so that readers of committed
records may be blocked for 20 s."""

BATCH_BYTES: Final = 1024 * 1024
"""Largest record batch. It holds the largest frame (900 KB), and is below the topics' max.message.bytes."""

REQUEST_TIMEOUT_MS: Final = 10_000
"""Timeout of a request. aiokafka's default is 40,000; with 10,000 a broker that accepts requests and does not answer is
given up at the same time as the commit (`ledger.COMMIT_SECONDS`)."""

LOOK_UP_MS: Final = 3_000
"""Timeout of an admin request. A broker answers within milliseconds. 3 s leave room for TLS and a log-in, and time
within `broker_wait_seconds` to ask the other brokers if one is frozen."""

FETCH_WAIT_MS: Final = 100
"""How long a broker delays the answer to a fetch without records. Records that arrive end the delay; a newly assigned
partition is not fetched before the delayed answer."""

TOPIC_AUTHORIZATION_FAILED: Final = 29
"""Kafka's error code."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a cluster."""

    bootstrap: str
    """host:port; several are separated by commas."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    """Trusted authorities; None: those of the system."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None
    sasl_mechanism: SaslMechanism = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_token_file: Path | None = None
    """OAUTHBEARER: the file that holds the token. Read again for each connection, so the token can be renewed."""
    batch_limits: BatchLimits = BatchLimits()  # noqa: RUF009 - frozen
    """The largest batch of records that is unpacked."""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # aiokafka is untyped
    """An OAUTHBEARER token of at most 64 KiB in a file that another process renews."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The present content of the file."""
        return await asyncio.to_thread(lambda: read_text(self._path, MAX_SECRET_BYTES).strip())


def options(conn: Connection) -> dict[str, Any]:
    """The options of every aiokafka client. Call this in the thread of the running loop.

    Also sets the batch limits of the process.

    Raises:
        SecurityError: a TLS file can't be used.
    """
    set_limits(conn.batch_limits)
    found: dict[str, Any] = {"bootstrap_servers": conn.bootstrap, "security_protocol": conn.security_protocol}
    if conn.security_protocol in ("SSL", "SASL_SSL"):
        found["ssl_context"] = _tls(conn)
    if conn.security_protocol.startswith("SASL"):
        found["sasl_mechanism"] = conn.sasl_mechanism
        found["sasl_plain_username"] = conn.sasl_username
        found["sasl_plain_password"] = conn.sasl_password.get_secret_value() if conn.sasl_password else None
        if conn.sasl_mechanism == "OAUTHBEARER" and conn.sasl_token_file:
            found["sasl_oauth_token_provider"] = TokenFile(conn.sasl_token_file)
    return found


def _tls(conn: Connection) -> ssl.SSLContext:
    """The TLS settings of every client.

    Raises:
        SecurityError: a file can't be used.
    """
    # If no password were passed, OpenSSL would ask on the terminal for that of an encrypted key.
    password = conn.key_password.get_secret_value() if conn.key_password else ""
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=conn.ca_file)
    except OSError as error:
        raise SecurityError(f"ca_file {conn.ca_file} can't be used: {error}") from error
    if conn.certificate_file is not None:
        try:
            context.load_cert_chain(conn.certificate_file, conn.key_file, password)
        except OSError as error:
            raise SecurityError(
                f"certificate_file {conn.certificate_file} can't be used with key_file {conn.key_file}: {error} (do "
                f"they belong together, and is key_password the key's?)",
            ) from error
    return context


# Consumers


def reader(conn: Connection, *, committed: bool = True) -> AIOKafkaConsumer:
    """A consumer without a group. Call `assign()` and then `seek()` for each partition.

    Both are needed: with "earliest" alone, a restore can race with the first reset of positions and read nothing.

    Args:
        conn: the cluster.
        committed: False also returns records of open and aborted transactions, to find the end of a partition.
    """
    return AIOKafkaConsumer(
        **options(conn),
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def source_reader(conn: Connection, group_id: str) -> AIOKafkaConsumer:
    """A shard's consumer of the source topics: read_committed, no automatic commit, no automatic reset.

    `getmany` raises aiokafka's OffsetOutOfRangeError if the requested offset is gone. Call `seek()` for each partition
    right after `assign()`, with no await between: there is no default position.
    """
    return AIOKafkaConsumer(
        **options(conn),
        group_id=group_id,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        key_deserializer=bounded_key,
        value_deserializer=bounded_value,
    )


# Producers


def producer(conn: Connection) -> AIOKafkaProducer:
    """A producer of single records: acks=all, idempotent."""
    return AIOKafkaProducer(
        **options(conn),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def started_producer(conn: Connection, topics: Iterable[str]) -> AIOKafkaProducer:
    """A started producer of single records, with the metadata of these topics.

    The caller must set a deadline: the start waits for ever while a broker that is needed is away.

    Raises:
        KafkaError: no broker answers, or a topic is missing.
    """
    writer = producer(conn)
    try:
        await writer.start()
        for topic in topics:
            await writer.partitions_for(topic)
    except BaseException:
        await writer.stop()
        raise
    return writer


def transactional_producer(
    conn: Connection,
    transactional_id: str,
    *,
    timeout_ms: int = TRANSACTION_TIMEOUT_MS,
) -> AIOKafkaProducer:
    """The producer of a ledger. Its start fences the last producer of the id and aborts the open transaction."""
    return AIOKafkaProducer(
        **options(conn),
        acks="all",
        transactional_id=transactional_id,
        transaction_timeout_ms=timeout_ms,
        retry_backoff_ms=TRANSACTION_RETRY_BACKOFF_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def send_as_is(
    writer: AIOKafkaProducer,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    *,
    timestamp_ms: int | None = None,
) -> "asyncio.Future[object]":
    """Hand a record to the producer, bytes unchanged.

    aiokafka's `send` refuses a record with neither key nor value, which other clients write.

    Args:
        writer: started.
        topic: the name on the bus.
        partition: of the topic.
        key: bytes, or None.
        value: bytes; None is a tombstone.
        headers: in order.
        timestamp_ms: of the record; the present time if None.

    Returns:
        A future that is done once the broker has acknowledged the record.
    """
    pairs = list(headers)
    acknowledged: asyncio.Future[object]
    if key is not None or value is not None:
        # The usual case: the producer gathers records into batches.
        acknowledged = await writer.send(
            topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms, headers=pairs
        )
        return acknowledged
    # Neither key nor value: aiokafka accepts such a record only in a batch of its own.
    batch = writer.create_batch()
    at = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
    batch.append(timestamp=at, key=None, value=None, headers=pairs)
    batch.close()
    acknowledged = await writer.send_batch(batch, topic, partition=partition)
    return acknowledged


# Admin clients


def admin(conn: Connection, timeout_ms: int = REQUEST_TIMEOUT_MS) -> AIOKafkaAdminClient:
    """An admin client, with this timeout for each request."""
    return AIOKafkaAdminClient(**options(conn), request_timeout_ms=timeout_ms)


@asynccontextmanager
async def session(conn: Connection, *, timeout_ms: int = LOOK_UP_MS) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client that sends all requests to one broker that answers. Closed at the end.

    Args:
        conn: the cluster.
        timeout_ms: for each request.

    Raises:
        BrokerAwayError: no broker answers.
        SecurityError: a broker answers and refuses the connection.
    """
    client = admin(conn, timeout_ms)
    try:
        try:
            await client.start()
        except KafkaConnectionError as away:
            reason = await refusal(options(conn))
            if reason is not None and reason.sure:
                raise SecurityError(reason.message) from away
            because = "" if reason is None else f": {reason.message}"
            raise BrokerAwayError(f"no broker answers at {conn.bootstrap}{because}") from away
        if unreachable := await pin_to_answering_broker(client):
            raise BrokerAwayError(
                f"a broker answers at {conn.bootstrap}, and none can be reached at the addresses that it gives for the "
                f"cluster ({', '.join(unreachable)}): are its advertised.listeners right?"
            )
        yield client
    finally:
        await client.close()


async def unless_stopped(step: Coroutine[Any, Any, Result], stop: asyncio.Event) -> Result | None:
    """The result of a step of the start; None if `stop` is set first.

    A step may wait for a broker for longer than a supervisor waits for the worker to stop.
    """
    running, stopping = asyncio.create_task(step), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        running.cancel()
        await asyncio.wait({running})
        return None
    finally:
        stopping.cancel()


# What the library's errors mean

_MEANINGS: Final[dict[tuple[type[BaseException], ...], str]] = {
    (TimeoutError, KafkaTimeoutError, RequestTimedOutError): "no answer in time",
    (
        BrokerNotAvailableError,
        KafkaConnectionError,
        KafkaUnavailableError,
        NoBrokersAvailable,
        NodeNotReadyError,
    ): "a broker can't be reached",
    (
        CoordinatorLoadInProgressError,
        CoordinatorNotAvailableError,
        LeaderNotAvailableError,
        NotCoordinatorForGroupError,
        NotLeaderForPartitionError,
        StaleMetadata,
    ): "the brokers are just settling which of them leads",
    (NotEnoughReplicasAfterAppendError, NotEnoughReplicasError): "too few replicas are in sync (min.insync.replicas)",
    (InvalidProducerEpoch, ProducerFenced): "its producer was fenced",
}


def in_words(error: BaseException) -> str:
    """The message of an error for people: never a repr; the name of the class if the error has no message."""
    text = str(error.args[0]) if error.args else ""
    if (
        isinstance(error, TimeoutError) and text and error.errno is None
    ):  # raised by Switchboard: the text names the step
        return text
    for kinds, meaning in _MEANINGS.items():
        if isinstance(error, kinds):
            return meaning
    if isinstance(error, BrokerResponseError):
        return f"the broker answered {error.message}" + (f" ({text})" if text else "")
    if isinstance(error, KafkaError):
        return text or type(error).__name__
    return str(error) or type(error).__name__
