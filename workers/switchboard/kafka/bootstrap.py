"""How a client learns of the cluster's brokers: from whichever bootstrap server answers first.

aiokafka asks one bootstrap server after another, in a random order, and waits for its request timeout (10 s here) for
one that accepts the connection and says nothing. A broker that is frozen does that for as long as it is frozen, so that
each client that was started meanwhile lost 10 s in one of three cases, and a shard, which needs five clients to be
opened, was rarely opened within its deadlines.
"""

import asyncio
import logging
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.util import create_task

log = logging.getLogger("aiokafka.bootstrap")  # the library's own log, which is shown with debug only

HEAD_START_SECONDS: Final = 0.5
"""How long one server is asked alone before the next one is asked too. A server that refuses is passed over at once."""


async def bootstrap(client: AIOKafkaClient) -> None:
    """Get the first metadata, and begin to renew it: takes the place of aiokafka's `AIOKafkaClient.bootstrap`.

    Raises:
        KafkaConnectionError: no bootstrap server answers.
    """
    connection, metadata = await _first_answer(client)
    client.cluster.update_metadata(metadata)
    if client.cluster.brokers():
        connection.close()
    else:  # as aiokafka does: this connection is what later metadata is asked with
        client._conns["bootstrap", ConnectionGroup.DEFAULT] = connection  # noqa: SLF001 - there is no public way
    if client._sync_task is None:  # noqa: SLF001
        client._sync_task = create_task(client._md_synchronizer())  # noqa: SLF001


async def _first_answer(client: AIOKafkaClient) -> tuple[AIOKafkaConnection, Any]:
    waiting = list(client.hosts)
    asked: set[asyncio.Task[tuple[AIOKafkaConnection, Any]]] = set()
    answer: tuple[AIOKafkaConnection, Any] | None = None
    try:
        while answer is None and (waiting or asked):
            if waiting:
                host, port, _ = waiting.pop(0)
                asked.add(asyncio.create_task(_ask(client, host, port)))
            done, asked = await asyncio.wait(
                asked, timeout=HEAD_START_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done:
                answer = _answer_of(each, answer)
    finally:
        await _call_off(asked)
    if answer is None:
        raise KafkaConnectionError(f"Unable to bootstrap from {client.hosts}")
    return answer


def _answer_of(
    asked: asyncio.Task[tuple[AIOKafkaConnection, Any]], before: tuple[AIOKafkaConnection, Any] | None
) -> tuple[AIOKafkaConnection, Any] | None:
    """The answer to take: of two that came at the same moment the one before; the other's connection is closed."""
    try:
        connection, metadata = asked.result()
    except (OSError, KafkaError, TimeoutError):
        return before
    if before is not None:
        connection.close()
        return before
    return connection, metadata


async def _call_off(asked: set[asyncio.Task[tuple[AIOKafkaConnection, Any]]]) -> None:
    for each in asked:
        each.cancel()
    if asked:
        await asyncio.wait(asked)
    for each in asked:
        if not each.cancelled() and each.exception() is None:  # it had answered when it was called off
            each.result()[0].close()


async def _ask(client: AIOKafkaClient, host: str, port: int) -> tuple[AIOKafkaConnection, Any]:
    """A connection to one server, and the metadata that it gave."""
    connection: AIOKafkaConnection | None = None
    try:
        connection = await create_conn(
            host,
            port,
            client_id=client._client_id,  # noqa: SLF001
            request_timeout_ms=client._request_timeout_ms,  # noqa: SLF001
            ssl_context=client._ssl_context,  # noqa: SLF001
            security_protocol=client._security_protocol,  # noqa: SLF001
            max_idle_ms=client._connections_max_idle_ms,  # noqa: SLF001
            sasl_mechanism=client._sasl_mechanism,  # noqa: SLF001
            sasl_plain_username=client._sasl_plain_username,  # noqa: SLF001
            sasl_plain_password=client._sasl_plain_password,  # noqa: SLF001
            sasl_kerberos_service_name=client._sasl_kerberos_service_name,  # noqa: SLF001
            sasl_kerberos_domain_name=client._sasl_kerberos_domain_name,  # noqa: SLF001
            sasl_oauth_token_provider=client._sasl_oauth_token_provider,  # noqa: SLF001
        )
        return connection, await connection.send(MetadataRequest([]))
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, Exception):
            log.warning('Unable to connect to "%s:%s": %s', host, port, error)
        raise
