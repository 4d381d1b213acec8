"""Probes of the bootstrap servers: which of them answer, and why one refuses the connection."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

PROBE_SECONDS: Final = 5.0
"""Time for a server to answer a probe. A broker answers within milliseconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a broker refused a connection."""

    message: str
    """Names the address and the setting to look at."""
    sure: bool
    """False: a broker that is starting or stopping looks the same, so waiting may help."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of asking one bootstrap server for the cluster's brokers."""

    address: str
    """host:port, as in bootstrap_servers."""
    silence: str = ""
    """Why there was no answer; empty if there was an answer or a refusal."""
    refusal: Refusal | None = None

    @property
    def answers(self) -> bool:
        """True if the broker accepted the connection and answered."""
        return not self.silence and self.refusal is None


async def probe(options: dict[str, Any], within: float = PROBE_SECONDS) -> list[Probe]:
    """Ask all bootstrap servers at the same time, each over a connection of its own.

    Args:
        options: of every client, as `clients.options` returns them.
        within: seconds for each server.
    """
    rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    hosts = collect_hosts(options["bootstrap_servers"], randomize=False)
    return await asyncio.gather(*(_probe(host, port, rest, within) for host, port, _ in hosts))


def refusal_among(probes: Iterable[Probe]) -> Refusal | None:
    """The first refusal that is sure, else the first refusal; None if no server refused."""
    found = [each.refusal for each in probes if each.refusal is not None]
    return next((each for each in found if each.sure), next(iter(found), None))


async def refusal(options: dict[str, Any]) -> Refusal | None:
    """Why the bootstrap servers refuse the connection; None if no server refuses.

    Args:
        options: of every client, as `clients.options` returns them.
    """
    return refusal_among(await probe(options))


async def _probe(host: str, port: int, options: dict[str, Any], within: float) -> Probe:
    """Ask one server for the cluster's brokers."""
    address = f"{host}:{port}"
    connection: AIOKafkaConnection | None = None
    try:
        async with asyncio.timeout(within):
            connection = await create_conn(host, port, request_timeout_ms=int(within * 1000), **options)
            # A broker asks for a certificate or a log-in only at the first request.
            await connection.send(MetadataRequest([]))
    except (OSError, KafkaError) as error:
        silence = silence_of(error, within)
        return Probe(address, silence, None if silence else _refusal_of(address, options, error))
    finally:
        if connection is not None:
            connection.close()
    return Probe(address)


def silence_of(error: Exception, within: float) -> str:
    """Why a server did not answer within so many seconds; empty if the error is an answer, such as a refused log-in."""
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():  # for example the name of a pod that is gone
            return f"its name can't be resolved: {error.strerror}"
        case TimeoutError():
            return f"no answer within {within:g} s"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN):
            return "no route to it"
    return ""


def _refusal_of(address: str, options: dict[str, Any], error: Exception) -> Refusal:
    """The refusal behind a connection's error, with the setting to look at."""
    text = f"{error} {error.__cause__ or ''}"
    sure = True
    match error:
        case SaslAuthenticationFailed():
            message = f"{address} does not accept {_credentials(options)}: {error.args[0]}"
        case UnsupportedSaslMechanismError():
            message = f"{address} does not serve sasl_mechanism {options['sasl_mechanism']}"
        case IllegalSaslStateError():
            message = f"{address} takes no log-in: security_protocol is {options['security_protocol']}"
        case ssl.SSLCertVerificationError():
            message = _untrusted(address, error.verify_message)
        case FileNotFoundError() | PermissionError():
            message = f"sasl_token_file can't be read: {error}"
        case _ if "ALERT" in text.upper():
            message = f"{address} asks for a certificate and does not accept certificate_file ({error.__cause__})"
        case _:
            sure = False
            protocol = options["security_protocol"]
            message = f"{address} breaks the connection off: does it speak {protocol} (security_protocol)?"
    return Refusal(message, sure)


def _credentials(options: dict[str, Any]) -> str:
    """What the client logs in with, as the object of a sentence."""
    if options["sasl_mechanism"] == "OAUTHBEARER":
        return "the token in sasl_token_file (has it expired?)"
    return f"sasl_username {options['sasl_plain_username']} with this sasl_password"


def _untrusted(address: str, reason: str) -> str:
    """The sentence for a certificate that OpenSSL does not accept."""
    if "mismatch" in reason:
        return f"the certificate of {address} is for another name: bootstrap_servers must give the one in it ({reason})"
    return f"the certificate of {address} is not trusted: ca_file must hold the authority that signed it ({reason})"
