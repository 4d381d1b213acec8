"""OAUTHBEARER: the token, and hearing a broker's no to it."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import conn as connecting
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
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
from aiokafka.producer import sender
from aiokafka.protocol.metadata import MetadataRequest
from pydantic import SecretStr

from switchboard.errors import BrokerAwayError, SecurityError
from switchboard.kafka import record_batches
from switchboard.kafka.aiokafka_patches import HearingAuthenticator, TokenFile, close_fetcher
from switchboard.kafka.batch_records import BatchLimits, set_limits
from switchboard.kafka.bootstrap_servers import bootstrap, refusal
from switchboard.kafka.library_logs import thin_out

TOPIC_AUTHORIZATION_FAILED: Final = 29


LOOK_UP_MS: Final = 3_000
"""How long one broker is waited for. One that is there answers within milliseconds; 3 s leave room for TLS and a
log-in, and within `broker_wait_seconds` for asking the others where one is frozen."""


_WORDS: Final[dict[tuple[type[BaseException], ...], str]] = {
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
    """What an error says, never with its repr; of one that says nothing its name."""
    said = str(error.args[0]) if error.args else ""
    if isinstance(error, TimeoutError) and said and error.errno is None:  # one of ours, that names what it waited for
        return said
    for kinds, words in _WORDS.items():
        if isinstance(error, kinds):
            return words
    if isinstance(error, BrokerResponseError):
        return f"the broker answered {error.message}" + (f" ({said})" if said else "")
    if isinstance(error, KafkaError):
        return said or type(error).__name__
    return str(error) or type(error).__name__


Found = TypeVar("Found")
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

# aiokafka waits this long, in s, whenever the last transaction's markers are still being written: with its 0.02 the p99
# from publish to visible is 50.9 ms, with 0.002 it is 16.8. A test holds that it is still read.
sender.BACKOFF_OVERRIDE = 0.002

# aiokafka asks for each topic with "make it if it is missing", and Apache Kafka does so unless its own setting forbids:
# then a wrong prefix would make a topic and wait on it for ever. Nothing is auto-created. (None: any topic.)
MetadataRequest.__init__.__defaults__ = (None, False)

# With the back-off below, a broker that is away would fill the log with some 400 lines a second.
thin_out("aiokafka")

# A token that is not accepted would pass for one that is.
connecting.OAuthAuthenticator = HearingAuthenticator

# A batch that unpacks to gigabytes, or a header name that is no UTF-8, would end every reader of its partition.
record_batches.install()

# With its own, `stop()` now and then cancels its caller.
fetcher.Fetcher.close = close_fetcher

# With its own, each client that is started while a broker is frozen loses 10 s in one of three cases.
AIOKafkaClient.bootstrap = bootstrap

TRANSACTION_RETRY_BACKOFF_MS: Final = 5
"""Instead of 100: a drain went from 22,500 to 41,700 events/s."""

TRANSACTION_TIMEOUT_MS: Final = 10_000
"""A hung transaction blocks read_committed readers for this and up to 10 s more (the broker sweeps every 10 s)."""

BATCH_BYTES: Final = 1024 * 1024
"""Holds the largest frame (900 KB), and is below the topics' max.message.bytes."""

REQUEST_TIMEOUT_MS: Final = 10_000
"""Instead of 40,000: a broker that is there and says nothing is given up as soon as a commit is."""

FETCH_WAIT_MS: Final = 100
"""How long a broker holds an empty fetch. Records come at once all the same; newly assigned partitions wait for it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a cluster."""

    bootstrap: str
    """host:port, several with commas between."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    """Whom to trust; the system's if None."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr | None = None
    sasl_mechanism: SaslMechanism = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_token_file: Path | None = None
    """OAUTHBEARER: the file that holds the token, read anew for each connection, so that it may be renewed."""
    batch_limits: BatchLimits = BatchLimits()  # noqa: RUF009 - frozen
    """The largest batch of records that is unpacked."""


def options(conn: Connection) -> dict[str, Any]:
    """What every aiokafka client is told; call it within the running loop's thread.

    Raises:
        SecurityError: a TLS file can't be used.
    """
    set_limits(conn.batch_limits)
    told: dict[str, Any] = {"bootstrap_servers": conn.bootstrap, "security_protocol": conn.security_protocol}
    if conn.security_protocol in ("SSL", "SASL_SSL"):
        told["ssl_context"] = _tls(conn)
    if conn.security_protocol.startswith("SASL"):
        told["sasl_mechanism"] = conn.sasl_mechanism
        told["sasl_plain_username"] = conn.sasl_username
        told["sasl_plain_password"] = conn.sasl_password.get_secret_value() if conn.sasl_password else None
        if conn.sasl_mechanism == "OAUTHBEARER" and conn.sasl_token_file:
            told["sasl_oauth_token_provider"] = TokenFile(conn.sasl_token_file)
    return told


def _tls(conn: Connection) -> ssl.SSLContext:
    # An encrypted key with no password would have OpenSSL ask for one on the terminal.
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


def reader(conn: Connection, *, committed: bool = True) -> AIOKafkaConsumer:
    """A consumer in no group, to be given `assign()` and then an explicit `seek()`.

    It takes both: without "earliest" a restore can race with the first reset of positions and read nothing.

    Args:
        conn: the cluster.
        committed: False also reads what was never committed: only to see how far a log reaches.
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
    """A shard's consumer of the bus: read_committed, offsets committed to the group by hand, never a silent jump.

    Its `getmany` raises aiokafka's OffsetOutOfRangeError where the offset asked for is gone. Call `seek()` for each
    partition right after `assign()`, with no await between: it has nowhere else to begin.
    """
    return AIOKafkaConsumer(
        **options(conn),
        group_id=group_id,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        key_deserializer=record_batches.bounded_key,
        value_deserializer=record_batches.bounded_value,
    )


async def learn(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Have a started consumer know these topics, in one round trip; else it takes 100 ms for each when first asked."""
    await consumer._client.set_topics(topics)  # noqa: SLF001 - there is no public way


def producer(conn: Connection) -> AIOKafkaProducer:
    """A producer of single records: acks=all, and no duplicates on retry."""
    return AIOKafkaProducer(
        **options(conn),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def started_producer(conn: Connection, topics: Iterable[str]) -> AIOKafkaProducer:
    """A producer of single records that is started and knows the partitions of these topics.

    Starting may take for ever where a broker that is needed is away: cut it short.

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
    """The ledger's producer; starting it fences whoever had the id and aborts what they left open."""
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


def admin(conn: Connection, timeout_ms: int = REQUEST_TIMEOUT_MS) -> AIOKafkaAdminClient:
    """A client that makes and describes topics, with so long for each request."""
    return AIOKafkaAdminClient(**options(conn), request_timeout_ms=timeout_ms)


async def unless_stopped(look: Coroutine[Any, Any, Found], stop: asyncio.Event) -> Found | None:
    """What a first look at the bus finds; None if `stop` is set before.

    A broker may be waited for longer than whoever stops a worker waits.
    """
    looking, stopping = asyncio.create_task(look), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if looking.done():
            return looking.result()
        looking.cancel()
        await asyncio.wait({looking})
        return None
    finally:
        stopping.cancel()


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
    """Hand a record to the client; what this gives is done once the broker has acknowledged it.

    aiokafka's own `send` refuses a record with neither key nor value, which other clients write.

    Args:
        writer: started.
        topic: its name on the bus.
        partition: of the topic.
        key: as all of these, bytes that nobody looks into.
        value: None is a tombstone.
        headers: in order.
        timestamp_ms: now, unless given.
    """
    told = list(headers)
    answer: asyncio.Future[object]
    if key is not None or value is not None:
        answer = await writer.send(topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms, headers=told)
        return answer
    batch = writer.create_batch()
    at = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
    batch.append(timestamp=at, key=None, value=None, headers=told)
    batch.close()
    answer = await writer.send_batch(batch, topic, partition=partition)
    return answer


@asynccontextmanager
async def session(conn: Connection, *, timeout_ms: int = LOOK_UP_MS) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, started, that sends what any broker can answer to one that does; closed at the end.

    Args:
        conn: the cluster.
        timeout_ms: for each request.

    Raises:
        BrokerAwayError: no broker answers.
        SecurityError: one is there and does not let us in.
    """
    client = admin(conn, timeout_ms)
    try:
        try:
            await client.start()
        except KafkaConnectionError as away:
            refused = await refusal(options(conn))
            if refused is not None and refused.sure:
                raise SecurityError(refused.told) from away
            told = "" if refused is None else f": {refused.told}"
            raise BrokerAwayError(f"no broker answers at {conn.bootstrap}{told}") from away
        await _keep_to_one_that_answers(client, conn)
        yield client
    finally:
        await client.close()


async def _keep_to_one_that_answers(client: AIOKafkaAdminClient, conn: Connection) -> None:
    """Have the client ask one broker that answers.

    aiokafka sends each request to a random broker of those that the cluster tells it, and asks once. A broker that died
    is told for some seconds more, so that of the six requests of a router's start one nearly always failed.
    """
    inner = client._client  # noqa: SLF001 - there is no public way
    brokers = list(inner.cluster.brokers())
    random.shuffle(brokers)
    for broker in brokers:
        if await inner.ready(broker.nodeId):
            inner.get_random_node = partial(_same, broker.nodeId)
            return
    if brokers:
        addresses = ", ".join(sorted(f"{broker.host}:{broker.port}" for broker in brokers))
        raise BrokerAwayError(
            f"a broker answers at {conn.bootstrap}, and none can be reached at the addresses that it gives for the "
            f"cluster ({addresses}): are its advertised.listeners right?"
        )


def _same(node: int) -> int:
    return node
