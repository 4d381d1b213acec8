"""Whether the cluster allows us what we need: asked at the start, or a lack would show only when it does harm.

A topic that we may not see is left out of what a broker tells, so that it looks as if it were missing; and that
`dead-letter` can't be written would be found out by the first event that belongs there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from switchboard.errors import NotAllowedError
from switchboard.kafka.admin import TOPIC_AUTHORIZATION_FAILED, session
from switchboard.kafka.clients import Connection
from switchboard.kafka.rights import Operation, Resource, Right

NOT_TOLD: Final = -(2**31)
"""What stands where the operations would, if a cluster does not tell them."""
COORDINATOR_OF_GROUP: Final = 0
COORDINATOR_OF_TRANSACTIONS: Final = 1


async def require_rights(conn: Connection, rights: Iterable[Right]) -> None:
    """Return if all these are allowed.

    Raises:
        NotAllowedError: some are not; all of them are told.
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: the broker that is asked went away meanwhile.
    """
    missing = await missing_rights(conn, rights)
    if missing:
        raise NotAllowedError(missing)


async def missing_rights(conn: Connection, rights: Iterable[Right]) -> list[Right]:
    """Those of the rights that we have not; of topics that there are, and of all groups and transactional ids.

    Raises:
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: the broker that is asked went away meanwhile.
    """
    wanted = list(rights)
    async with session(conn) as client:
        told = await _on_topics(client, {each.name for each in wanted if each.resource is Resource.TOPIC})
        return [right for right in wanted if not await _has(client, right, told)]


async def _has(client: AIOKafkaAdminClient, right: Right, told: dict[str, int]) -> bool:
    match right.resource:
        case Resource.TOPIC:
            operations = told.get(right.name, NOT_TOLD)
            return operations == NOT_TOLD or bool(operations >> right.operation.value & 1)
        case Resource.GROUP:
            return await _may_look_up(client, COORDINATOR_OF_GROUP, right.name)
        case Resource.TRANSACTIONAL_ID:
            return await _may_look_up(client, COORDINATOR_OF_TRANSACTIONS, right.name)
        case Resource.CLUSTER:
            return await _may_write_idempotently(client)


async def _on_topics(client: AIOKafkaAdminClient, topics: set[str]) -> dict[str, int]:
    """What may be done with each topic that there is, as a bit for each operation."""
    answer = await client._send_request(_MetadataRequest(sorted(topics)))  # noqa: SLF001 - there is no public way
    found = {}
    for topic in answer.to_object()["topics"]:
        match topic["error_code"]:
            case 0:
                found[topic["topic"]] = topic["operations"]
            case code if code == TOPIC_AUTHORIZATION_FAILED:
                found[topic["topic"]] = 0
    return found


async def _may_look_up(client: AIOKafkaAdminClient, kind: int, name: str) -> bool:
    try:
        await client._client.coordinator_lookup(kind, name)  # noqa: SLF001 - there is no public way
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return False
    except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError):
        return True  # one is being elected; the broker looked at whether we may before it looked for that one
    return True


async def _may_write_idempotently(client: AIOKafkaAdminClient) -> bool:
    """What a cluster allows on itself is told only to who may describe it, so a producer id is asked for."""
    asked = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    answer = await client._send_request(asked)  # noqa: SLF001 - there is no public way
    return bool(answer.error_code != ClusterAuthorizationFailedError.errno)


def denial(error: BaseException | None) -> str | None:
    """The right that is missing, if that is what is behind an error."""
    for each in _causes(error):
        what = ", ".join(sorted(_named(each)))
        match each:
            case TopicAuthorizationFailedError():
                return f"{Operation.READ} or {Operation.WRITE} on topic {what}"
            case GroupAuthorizationFailedError():
                return f"{Operation.READ} on group {what}"
            case TransactionalIdAuthorizationFailed():
                return f"{Operation.WRITE} on transactional-id {what}"
            case ClusterAuthorizationFailedError():
                return f"{Operation.IDEMPOTENT_WRITE} on cluster"
    return None


def _named(error: BaseException) -> Iterator[str]:
    for each in error.args:
        yield from map(str, each) if isinstance(each, set | frozenset | list | tuple) else (str(each),)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = defaultdict[int, bool](bool)
    while error is not None and not seen[id(error)]:
        seen[id(error)] = True
        yield error
        error = error.__cause__ or error.__context__


class _MetadataResponse(Response):  # type: ignore[misc] # aiokafka is untyped
    """Version 8, the first that tells what is allowed; aiokafka knows up to 5."""

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


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        *zip(MetadataRequest_v5.SCHEMA.names, MetadataRequest_v5.SCHEMA.fields, strict=True),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> Any:
        make_missing, cluster_operations, topic_operations = False, False, True
        return request_struct_class(self._topics, make_missing, cluster_operations, topic_operations)
