"""Every place where Switchboard reaches into aiokafka 0.14: what, why, and since which version aiokafka needs it.

`apply()` replaces parts of the library for the whole process; `kafka/clients.py` calls it when it is imported. The
functions below it read or set attributes without public access. `tests/unit/kafka/test_aiokafka_patches.py` has a test
for each place, which fails when the library changes there; `pyproject.toml` bounds the version.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import conn as connection_module
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator, create_conn
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer import sender
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest as MetadataRequestUpTo5
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String
from aiokafka.util import create_task

from switchboard.kafka.library_logs import thin_out
from switchboard.kafka.record_batches import FETCH_BYTES, BoundedRecords, work_of

log = logging.getLogger("aiokafka.bootstrap")
"""A logger of the library, so that its messages are shown with `log_level=debug` only."""

TRANSACTION_WAIT_SECONDS: Final = 0.002
"""Pause before a producer asks again whether the markers of its last transaction are written. With aiokafka's 0.02 s
the p99 from publish to visible is 50.9 ms, with 0.002 s it is 16.8 ms."""

HEAD_START_SECONDS: Final = 0.5
"""Time after which the next bootstrap server is asked, too. A refusal ends this wait at once."""

CHALLENGE_ACKNOWLEDGED: Final = b"\x01"
"""RFC 7628, 3.2.3: the client's answer to the broker's error challenge. The broker then fails the log-in."""


def apply() -> None:
    """Replace parts of aiokafka for the whole process. Calling it again changes nothing."""
    # 1. Transactions: see TRANSACTION_WAIT_SECONDS (since 0.6).
    sender.BACKOFF_OVERRIDE = TRANSACTION_WAIT_SECONDS
    # 2. Metadata: aiokafka asks for each topic with "create it if it is missing", and Apache Kafka does so unless a
    #    setting of its own forbids it: a wrong prefix would create a topic and wait for events for ever. The defaults
    #    are (topics=None, allow_auto_topic_creation=False); None means all topics (since 0.13).
    MetadataRequestUpTo5.__init__.__defaults__ = (None, False)
    # 3. Logs: with the retry back-off of clients.py, a broker that is away would cause some 400 log lines a second.
    thin_out("aiokafka")
    # 4. OAUTHBEARER: see ChallengeAuthenticator.
    connection_module.OAuthAuthenticator = ChallengeAuthenticator
    # 5. Record batches: one that unpacks to gigabytes, or a header name that is not UTF-8, would end every reader of
    #    its partition.
    fetcher.MemoryRecords = BoundedRecords
    # 6. to 8. See take_records, close_fetcher and bootstrap.
    fetcher.FetchResult.getall = take_records
    fetcher.Fetcher.close = close_fetcher
    AIOKafkaClient.bootstrap = bootstrap


# Authentication


class ChallengeAuthenticator(OAuthAuthenticator):  # type: ignore[misc] # aiokafka is untyped
    """OAUTHBEARER that answers the broker's error challenge.

    aiokafka ignores the challenge and treats the log-in as accepted (since 0.7): a client with a bad token starts
    without an error, and finds no cluster.
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """The next message to the broker: the token, then nothing; after an error challenge, the acknowledgement."""
        if payload:
            return CHALLENGE_ACKNOWLEDGED, True
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step


# Bootstrap


async def bootstrap(client: AIOKafkaClient) -> None:
    """Get the first metadata and start to renew it. Replaces `AIOKafkaClient.bootstrap`.

    aiokafka asks one bootstrap server after another, in random order, and waits for its request timeout (10 s here) for
    a server that accepts the connection and sends nothing (since 0.1). A frozen broker does that: each client started
    meanwhile lost 10 s in one of three cases, and a shard, which needs five clients to open, rarely opened within its
    deadlines. Here the first server that answers is taken.

    Raises:
        KafkaConnectionError: no bootstrap server answers.
    """
    connection, metadata = await _first_answer(client)
    client.cluster.update_metadata(metadata)
    if client.cluster.brokers():
        connection.close()
    else:  # as aiokafka does: later metadata is requested over this connection
        client._conns["bootstrap", ConnectionGroup.DEFAULT] = connection
    if client._sync_task is None:
        client._sync_task = create_task(client._md_synchronizer())


_Answer = tuple[AIOKafkaConnection, Any]
"""An open connection, and the metadata that came over it."""


async def _first_answer(client: AIOKafkaClient) -> _Answer:
    waiting = list(client.hosts)
    asked: set[asyncio.Task[_Answer]] = set()
    answer: _Answer | None = None
    try:
        while answer is None and (waiting or asked):
            if waiting:
                host, port, _ = waiting.pop(0)
                asked.add(asyncio.create_task(_request_metadata(client, host, port)))
            done, asked = await asyncio.wait(
                asked, timeout=HEAD_START_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                answer = _better_answer(answer, task)
    finally:
        await _cancel_requests(asked)
    if answer is None:
        raise KafkaConnectionError(f"Unable to bootstrap from {client.hosts}")
    return answer


def _better_answer(answer: _Answer | None, task: asyncio.Task[_Answer]) -> _Answer | None:
    """The answer to use. Of two at the same moment, the first is used, and the connection of the other is closed."""
    try:
        connection, metadata = task.result()
    except (OSError, KafkaError, TimeoutError):
        return answer
    if answer is not None:
        connection.close()
        return answer
    return connection, metadata


async def _cancel_requests(tasks: set[asyncio.Task[_Answer]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:  # the answer came before the cancellation
            task.result()[0].close()


async def _request_metadata(client: AIOKafkaClient, host: str, port: int) -> _Answer:
    connection: AIOKafkaConnection | None = None
    try:
        connection = await create_conn(
            host,
            port,
            client_id=client._client_id,
            request_timeout_ms=client._request_timeout_ms,
            ssl_context=client._ssl_context,
            security_protocol=client._security_protocol,
            max_idle_ms=client._connections_max_idle_ms,
            sasl_mechanism=client._sasl_mechanism,
            sasl_plain_username=client._sasl_plain_username,
            sasl_plain_password=client._sasl_plain_password,
            sasl_kerberos_service_name=client._sasl_kerberos_service_name,
            sasl_kerberos_domain_name=client._sasl_kerberos_domain_name,
            sasl_oauth_token_provider=client._sasl_oauth_token_provider,
        )
        return connection, await connection.send(MetadataRequestUpTo5([]))
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, Exception):
            log.warning('Unable to connect to "%s:%s": %s', host, port, error)
        raise


# Consumers


def take_records(result: Any, max_records: int | None = None) -> list[Any]:
    """The next records of a partition's fetch, until they have FETCH_BYTES. Replaces `FetchResult.getall`.

    aiokafka bounds their number only (since 0.2): a fetch of 1 MB can hold 1,000 batches that unpack to the limit each,
    32 GB in one step of the event loop.

    Args:
        result: the fetch of one partition.
        max_records: records at most; None: any number.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return []
    found: list[Any] = []
    size = 0
    for record in result._partition_records:
        found.append(record)
        size += work_of(record)
        if size >= FETCH_BYTES or len(found) == max_records:
            result._update_position()
            return found
    result._update_position()
    result._partition_records = None
    return found


async def close_fetcher(fetcher: Any) -> None:
    """End a fetcher's tasks and wake all callers that wait for records. Replaces `Fetcher.close`.

    aiokafka awaits each fetch that it cancels (since 0.5). A fetch that failed less than 100 ms ago waits to retry and
    lets the cancellation out: `stop()` then raised a CancelledError that nobody had requested, and ended the task of
    its caller. With a frozen broker, whose commit and fetches time out together, that ended a shard in 17 of 40 tries.
    """
    fetcher._closed = True
    under_way = {fetcher._fetch_task, *fetcher._pending_tasks}
    for task in under_way:
        task.cancel()
    await asyncio.wait(under_way)
    for waiter in list(fetcher._fetch_waiters):
        fetcher._notify(waiter)


async def learn(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Fetch the metadata of these topics in one round trip.

    Otherwise a started consumer takes 100 ms for each topic whose partitions are first requested.
    """
    await consumer._client.set_topics(topics)


def observe_heartbeats(consumer: AIOKafkaConsumer, succeeded: Callable[[float], object]) -> None:
    """Call `succeeded(sent_at)` for each group heartbeat that succeeds; `sent_at` is monotonic, in s.

    `_do_heartbeat` returns True also while a rebalance is under way, when the partitions are about to be revoked. Such
    heartbeats are left out.
    """
    coordinator = consumer._coordinator
    heartbeat = coordinator._do_heartbeat

    async def observed() -> bool:
        sent_at = time.monotonic()
        known = bool(await heartbeat())
        if known and not coordinator._rejoin_needed_fut.done():
            succeeded(sent_at)
        return known

    coordinator._do_heartbeat = observed


async def close_connections(consumer: AIOKafkaConsumer) -> None:
    """Cut the connections of a consumer whose `stop()` hangs."""
    await consumer._client.close()


# Producers


def sender_error(producer: AIOKafkaProducer) -> BaseException | None:
    """The error that ended the producer's background task; None while the task runs, and after a cancellation.

    A fencing between two batches of a commit ends that task; `send_batch` raises an IllegalOperation then, not the
    fencing.
    """
    task = producer._sender.sender_task
    if task is None or not task.done() or task.cancelled():
        return None
    error: BaseException | None = task.exception()
    return error


async def abandon_producer(producer: AIOKafkaProducer, within: float) -> None:
    """End a producer that may hang, without flushing; its tasks would otherwise retry for ever.

    `stop()` flushes first, and the sender, when cancelled, waits for the requests under way: while no broker answers,
    both hang (since 0.5). Only a local variable of the sender's coroutine, `tasks`, holds the requests under way.

    Args:
        producer: started.
        within: seconds for each of the two steps.
    """
    # 1. Cancel the sender together with the requests that it waits for.
    task = producer._sender.sender_task
    if task is not None and not task.done():
        under_way = task.get_coro().cr_frame.f_locals.get("tasks", set())
        for each in (task, *under_way):
            each.cancel()
        await asyncio.wait([task, *under_way], timeout=within)
    # 2. Cut the connections.
    producer._closed = True
    try:
        async with asyncio.timeout(within):
            await producer.client.close()
    except Exception:
        log.debug("a producer's connections were not closed", exc_info=True)


# Admin clients


async def pin_to_answering_broker(client: AIOKafkaAdminClient) -> list[str]:
    """Have an admin client send all its requests to one broker that answers.

    aiokafka sends each request to a random broker of the cluster's metadata, once (since 0.7). A broker that died stays
    in the metadata for some seconds: of the six requests of a router's start one nearly always failed.

    Returns:
        Nothing if a broker answers; else the addresses (host:port, ascending) of all brokers, none of which can be
        reached.
    """
    inner = client._client
    brokers = list(inner.cluster.brokers())
    random.shuffle(brokers)
    for broker in brokers:
        if await inner.ready(broker.nodeId):
            inner.get_random_node = partial(_constant, broker.nodeId)
            return []
    return sorted(f"{broker.host}:{broker.port}" for broker in brokers)


def _constant(node: int) -> int:
    return node


async def send_request(client: AIOKafkaAdminClient, request: Any) -> Any:
    """Send a request that the admin client has no method for, and return the response."""
    return await client._send_request(request)


async def find_coordinator(client: AIOKafkaAdminClient, coordinator_type: int, name: str) -> None:
    """Look up the coordinator of a group or of a transactional id.

    Args:
        client: started.
        coordinator_type: one of `aiokafka.client.CoordinationType`.
        name: the group, or the transactional id.

    Raises:
        KafkaError: there is none now, or the right to ask is missing.
    """
    await client._client.coordinator_lookup(coordinator_type, name)


# Version 8 of Kafka's Metadata request: the first that returns the allowed operations. aiokafka has versions up to 5.


class MetadataResponse(Response):  # type: ignore[misc] # aiokafka is untyped
    """Metadata with the allowed operations of each topic, as a bit field."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        *zip(MetadataResponse_v5.SCHEMA.names[:4], MetadataResponse_v5.SCHEMA.fields[:4], strict=True),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc] # aiokafka is untyped
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse
    SCHEMA = Schema(
        *zip(MetadataRequest_v5.SCHEMA.names, MetadataRequest_v5.SCHEMA.fields, strict=True),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc] # aiokafka is untyped
    """Metadata of the named topics with their allowed operations. Creates no topic."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> Any:
        """The request in the version that was negotiated, which is 8."""
        auto_create, cluster_operations, topic_operations = False, False, True
        return request_struct_class(self._topics, auto_create, cluster_operations, topic_operations)
