"""How a client learns of the cluster's brokers: from whichever bootstrap server answers first.

aiokafka asks one bootstrap server after another, in a random order, and waits for its request timeout (10 s here) for
one that accepts the connection and says nothing. A broker that is frozen does that for as long as it is frozen, so that
each client that was started meanwhile lost 10 s in one of three cases, and a shard, which needs five clients to be
opened, was rarely opened within its deadlines.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
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


KNOCK_SECONDS: Final = 5.0
"""A broker that is there answers within milliseconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a broker said, and the setting it speaks of."""

    told: str
    sure: bool
    """False: a broker that is just starting or stopping looks the same, so waiting may help."""


@dataclass(frozen=True, slots=True)
class Knock:
    """What came of asking one bootstrap server for the cluster's brokers."""

    address: str
    """host:port, as bootstrap_servers has it."""
    silence: str = ""
    """Why there was no answer; empty: there was one, or a refusal."""
    refusal: Refusal | None = None

    @property
    def answers(self) -> bool:
        """Whether it answered as a broker does that lets us in."""
        return not self.silence and self.refusal is None


async def knock(told: dict[str, Any], within: float = KNOCK_SECONDS) -> list[Knock]:
    """Ask all bootstrap servers at the same time, each on a connection of its own.

    Args:
        told: the options of every client, as `clients.options` gives them.
        within: seconds for each.
    """
    how = {name: value for name, value in told.items() if name != "bootstrap_servers"}
    hosts = collect_hosts(told["bootstrap_servers"], randomize=False)
    return await asyncio.gather(*(_knock(host, port, how, within) for host, port, _ in hosts))


def refusal_among(knocks: Iterable[Knock]) -> Refusal | None:
    """Why none of the bootstrap servers lets us in: a reason that is sure, else the first; None where none says why."""
    found = [each.refusal for each in knocks if each.refusal is not None]
    return next((each for each in found if each.sure), next(iter(found), None))


async def refusal(told: dict[str, Any]) -> Refusal | None:
    """Why none of the brokers lets us in; None where none of them says anything.

    Args:
        told: the options of every client, as `clients.options` gives them.
    """
    return refusal_among(await knock(told))


async def _knock(host: str, port: int, how: dict[str, Any], within: float) -> Knock:
    address = f"{host}:{port}"
    connection: AIOKafkaConnection | None = None
    try:
        async with asyncio.timeout(within):
            connection = await create_conn(host, port, request_timeout_ms=int(within * 1000), **how)
            # That it wants a certificate, or a log-in, a broker says only once it is asked something.
            await connection.send(MetadataRequest([]))
    except (OSError, KafkaError) as error:
        silence = silence_of(error, within)
        return Knock(address, silence, None if silence else _understood(address, how, error))
    finally:
        if connection is not None:
            connection.close()
    return Knock(address)


def silence_of(error: Exception, within: float) -> str:
    """Why a server was not there to answer within so many seconds; empty where it was, and refused."""
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():  # as that of a pod which is gone
            return f"its name can't be resolved: {error.strerror}"
        case TimeoutError():
            return f"no answer within {within:g} s"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN):
            return "no route to it"
    return ""


def _understood(address: str, how: dict[str, Any], error: Exception) -> Refusal:
    said = f"{error} {error.__cause__ or ''}"
    sure = True
    match error:
        case SaslAuthenticationFailed():
            told = f"{address} does not accept {_credentials(how)}: {error.args[0]}"
        case UnsupportedSaslMechanismError():
            told = f"{address} does not serve sasl_mechanism {how['sasl_mechanism']}"
        case IllegalSaslStateError():
            told = f"{address} takes no log-in: security_protocol is {how['security_protocol']}"
        case ssl.SSLCertVerificationError():
            told = _untrusted(address, error.verify_message)
        case FileNotFoundError() | PermissionError():
            told = f"sasl_token_file can't be read: {error}"
        case _ if "ALERT" in said.upper():
            told = f"{address} asks for a certificate and does not accept certificate_file ({error.__cause__})"
        case _:
            sure = False
            told = f"{address} breaks the connection off: does it speak {how['security_protocol']} (security_protocol)?"
    return Refusal(told, sure)


def _credentials(how: dict[str, Any]) -> str:
    if how["sasl_mechanism"] == "OAUTHBEARER":
        return "the token in sasl_token_file (has it expired?)"
    return f"sasl_username {how['sasl_plain_username']} with this sasl_password"


def _untrusted(address: str, said: str) -> str:
    if "mismatch" in said:
        return f"the certificate of {address} is for another name: bootstrap_servers must give the one in it ({said})"
    return f"the certificate of {address} is not trusted: ca_file must hold the authority that signed it ({said})"
