"""A broker that asks who is there and what they may do: TLS, every way to log in, client certificates, ACLs.

It is reached in set-up at a plain listener, whose anonymous user is the only super user; all else comes with a name.
"""

import base64
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import trustme
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from cryptography.hazmat.primitives import serialization

from switchboard.dev.local_broker import LocalBroker, free_port
from switchboard.kafka.acl import Resource, Right
from switchboard.kafka.clients import Connection, session
from tests.waiting import eventually

PASSWORD = "a pass-word: with $igns"  # noqa: S105 - of a broker that ends with the test
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")

RESOURCES = {Resource.TOPIC: 2, Resource.GROUP: 3, Resource.CLUSTER: 4, Resource.TRANSACTIONAL_ID: 5}
LITERAL, PREFIXED = 3, 4
ALLOW = 3
ANY = 1

Acl = tuple[int | str, ...]
"""Kind, name and pattern of the resource, principal, host, operation, permission: in the order of Kafka's protocol."""

PROPERTIES = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},\
LOGIN://127.0.0.1:{login},CLEAR://127.0.0.1:{clear},CERTIFICATE://127.0.0.1:{certificate}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},\
LOGIN://127.0.0.1:{login},CLEAR://127.0.0.1:{clear},CERTIFICATE://127.0.0.1:{certificate}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
LOGIN:SASL_SSL,CLEAR:SASL_PLAINTEXT,CERTIFICATE:SSL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.certificate.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.clear.sasl.enabled.mechanisms=PLAIN
"""
"""Filled in twice: here, and for the ports of its own by the local broker."""
LOGINS = {
    "plain": 'plain.PlainLoginModule required user_worker="{password}"',
    "scram-sha-256": "scram.ScramLoginModule required",
    "scram-sha-512": "scram.ScramLoginModule required",
    "oauthbearer": "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=broker",
}


@dataclass(frozen=True, slots=True)
class Secured:
    """The broker, running, and what is needed to reach it."""

    broker: LocalBroker
    folder: Path
    login: str
    """host:port where one logs in, over TLS."""
    clear: str
    """host:port where one logs in by PLAIN, without TLS."""
    certificate: str
    """host:port where one shows a certificate."""

    @property
    def for_setting_up(self) -> Connection:
        """As the super user."""
        return Connection(self.broker.bootstrap)

    def by(self, mechanism: str, user: str = "worker") -> dict[str, Any]:
        """The settings of a user who comes in this way; for OAUTHBEARER there is a user of any name."""
        match mechanism:
            case "mTLS":
                return self._tls("SSL", self.certificate) | self.certificate_of(user)
            case "OAUTHBEARER":
                return self._tls("SASL_SSL", self.login) | {
                    "sasl_mechanism": mechanism,
                    "sasl_token_file": self.token(user, seconds=3600),
                }
            case "PLAIN without TLS":
                return {"bootstrap_servers": self.clear, "security_protocol": "SASL_PLAINTEXT"} | self._password(user)
            case _:
                return self._tls("SASL_SSL", self.login) | {"sasl_mechanism": mechanism} | self._password(user)

    def token(self, user: str, *, seconds: float) -> Path:
        """A file with an (unsigned) token that is good for so long; less than 0: it has expired."""
        now = time.time()
        claims = {"sub": user, "iat": min(now, now + seconds) - 1, "exp": now + seconds}
        parts = [_base64(orjson.dumps(each)) for each in ({"alg": "none"}, claims)]
        file = self.folder / f"{user}{'' if seconds > 0 else '-expired'}.token"
        file.write_text(".".join([*parts, ""]))
        return file

    def certificate_of(self, user: str) -> dict[str, Any]:
        """The settings of a client's certificate, whose key has a password."""
        return {
            "certificate_file": self.folder / f"{user}.pem",
            "key_file": self.folder / f"{user}.key",
            "key_password": PASSWORD,
        }

    def _tls(self, protocol: str, bootstrap: str) -> dict[str, Any]:
        return {"bootstrap_servers": bootstrap, "security_protocol": protocol, "ca_file": self.folder / "ca.pem"}

    @staticmethod
    def _password(user: str) -> dict[str, Any]:
        return {"sasl_username": user, "sasl_password": PASSWORD}

    async def allow(self, rights: Mapping[str, Iterable[Right]]) -> None:
        """Allow users what they are to be allowed, by name; one request for all. It holds when this returns."""
        acls = {user: {_acl(user, right) for right in some} for user, some in rights.items()}
        await self._ask(_Allow([acl for some in acls.values() for acl in some]))
        for user, some in acls.items():
            # A broker learns what the controller has noted a little later.
            await eventually(partial(self._acls, user), some.issubset)

    async def disallow(self, user: str, right: Right) -> None:
        """Take a right back."""
        acl = _acl(user, right)
        await self._ask(_Disallow([acl]))
        await eventually(partial(self._acls, user), lambda there: acl not in there)

    async def _acls(self, user: str) -> set[Acl]:
        """What a user is allowed."""
        every = DescribeAclsRequest(ANY, None, ANY, f"User:{user}", None, ANY, ANY)
        async with session(self.for_setting_up) as client:
            answer = await client._send_request(every)
        return {
            (on["resource_type"], on["resource_name"], on["resource_pattern_type"], *acl.values())
            for on in answer.to_object()["resources"]
            for acl in on["acls"]
        }

    async def _ask(self, request: Any) -> None:
        async with session(self.for_setting_up) as client:
            answer = await client._send_to_controller(request)
        for each in next(iter(value for value in answer.to_object().values() if isinstance(value, list))):
            assert not each["error_code"], each


class _Allow(CreateAclsRequest):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka's, for many at a time."""

    def __init__(self, acls: list[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._acls)


class _Disallow(DeleteAclsRequest):  # type: ignore[misc]
    def __init__(self, acls: list[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._acls)


def _acl(user: str, right: Right) -> Acl:
    pattern = PREFIXED if right.prefixed else LITERAL
    return (RESOURCES[right.resource], right.name, pattern, f"User:{user}", "*", right.operation.value, ALLOW)


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@contextmanager
def a_secured_broker(folder: Path) -> Iterator[Secured]:
    """Start one; its certificates and keys are made here and now."""
    _make_certificates(folder)
    login, clear, certificate = free_port(), free_port(), free_port()
    filled = PROPERTIES.format(folder=folder, login=login, clear=clear, certificate=certificate)
    properties = dict(line.split("=", 1) for line in filled.replace("\\\n", "").splitlines())
    for mechanism, module in LOGINS.items():
        told = module.format(password=PASSWORD)
        for listener in ("login", "clear"):
            name = f"listener.name.{listener}.{mechanism}.sasl.jaas.config"
            properties[name] = f"org.apache.kafka.common.security.{told};"
    users = [f"{mechanism}=[name=worker,password={PASSWORD!r}]".replace("'", '"') for mechanism in SCRAM]
    with LocalBroker(properties=properties, users=users) as broker:
        addresses = (f"127.0.0.1:{port}" for port in (login, clear, certificate))
        yield Secured(broker, folder, *addresses)


def _make_certificates(folder: Path) -> None:
    ours, strangers = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ca.pem")
    strangers.cert_pem.write_to_path(folder / "another-ca.pem")
    for name, issuer in {"broker": ours, "worker": ours, "stranger": strangers}.items():
        made = issuer.issue_cert("127.0.0.1", common_name=name)
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
        if name == "broker":
            plain = _pem(key, serialization.NoEncryption())
            (folder / "broker.pem").write_bytes(plain + chain)
            continue
        (folder / f"{name}.pem").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(_pem(key, serialization.BestAvailableEncryption(PASSWORD.encode())))


def _pem(key: Any, encryption: Any) -> bytes:
    made: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return made
