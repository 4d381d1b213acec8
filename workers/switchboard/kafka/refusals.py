"""Which bootstrap servers answer, and why one that is there does not let us in.

aiokafka writes the reason to its log only and raises "unable to bootstrap", so each server is asked once more here.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

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
