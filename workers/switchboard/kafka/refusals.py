"""Why a broker that is there does not let us in.

aiokafka tells it to its log alone and says "unable to bootstrap", so we knock once more and look at what comes back.
"""

import ssl
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

KNOCK_MS: Final = 5_000
"""A broker that is there answers within milliseconds."""


class SecurityError(Exception):
    """The security settings can't be used, or a broker does not accept them; the message names the one to look at."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a broker said, and the setting it speaks of."""

    told: str
    sure: bool
    """False: a broker that is just starting or stopping looks the same, so waiting may help."""


async def refusal(told: dict[str, Any]) -> Refusal | None:
    """Why none of the brokers lets us in; None where none of them says anything.

    Args:
        told: the options of every client, as `clients.options` gives them.
    """
    how = {name: value for name, value in told.items() if name != "bootstrap_servers"}
    found = []
    for host, port, _ in collect_hosts(told["bootstrap_servers"]):
        said = await _knock(f"{host}:{port}", host, port, how)
        if said is not None:
            found.append(said)
    return next((each for each in found if each.sure), next(iter(found), None))


async def _knock(address: str, host: str, port: int, how: dict[str, Any]) -> Refusal | None:
    connection: AIOKafkaConnection | None = None
    try:
        connection = await create_conn(host, port, request_timeout_ms=KNOCK_MS, **how)
        # That it wants a certificate, or a log-in, a broker says only once it is asked something.
        await connection.send(MetadataRequest([]))
    except (OSError, KafkaError) as error:
        return _understood(address, how, error)
    finally:
        if connection is not None:
            connection.close()
    return None


def _understood(address: str, how: dict[str, Any], error: Exception) -> Refusal | None:
    said = f"{error} {error.__cause__ or ''}"
    sure = True
    match error:
        case ConnectionRefusedError() | TimeoutError():
            return None
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
