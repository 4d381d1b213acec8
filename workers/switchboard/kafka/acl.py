"""Rights on a cluster with access control: those that each worker and command needs, and which of them are missing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.transaction import InitProducerIdRequest

from switchboard.errors import NotAllowedError
from switchboard.kafka.aiokafka_patches import MetadataRequest, find_coordinator, send_request
from switchboard.kafka.clients import TOPIC_AUTHORIZATION_FAILED, Connection, session
from switchboard.kafka.topics import ROWS, SOURCES, TOPICS, Topic, TopicNames, Writer, routers_group, shard_id


class Operation(Enum):
    """An operation; the numbers are Kafka's own. READ and WRITE include DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    IDEMPOTENT_WRITE = 12

    def __str__(self) -> str:
        return self.name.title().replace("_", "")


class Resource(StrEnum):
    """The kind of a resource, as `kafka-acls.sh` names it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Right:
    """The right to do one operation on one resource."""

    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False
    """True: `name` is the prefix of the names of all resources meant."""

    def __str__(self) -> str:
        like = " (prefixed)" if self.prefixed else ""
        return f"{self.operation} on {self.resource} {self.name}{like}"


CLUSTER: Final = "kafka-cluster"
"""The name of the cluster as a resource."""
OWN: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is not Writer.BUS)
"""Topics of the installation."""
WRITTEN: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is Writer.ROUTER)
"""Topics that routers write."""
BUS: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is Writer.BUS)
"""Topics that other systems write."""
DECIDED: Final = (Topic.ASSIGNMENT, Topic.PUSH_REQUEST)
"""Topics with decisions."""
AUDITED: Final = (Topic.JOURNAL, *DECIDED)
"""Topics that an audit reads."""


def router_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Rights of `switchboard run router`."""
    shards = _all_shards(group_id)
    return [
        *on_topics(names, Operation.READ, (*SOURCES, *ROWS)),
        *on_topics(names, Operation.WRITE, WRITTEN),
        *on_topics(names, Operation.DESCRIBE_CONFIGS, OWN),
        Right(Operation.READ, Resource.GROUP, routers_group(group_id)),
        Right(Operation.READ, Resource.GROUP, shards, prefixed=True),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, shards, prefixed=True),
    ]


def monitor_rights(names: TopicNames, group_id: str, read: Collection[Topic]) -> list[Right]:
    """Rights of `switchboard run monitor`, which reads the topics `read`."""
    return [
        *on_topics(names, Operation.READ, read),
        Right(Operation.READ, Resource.GROUP, f"{group_id}-monitor-", prefixed=True),
        # For the views of shards: the router of each, and the lag of each source partition.
        *on_topics(names, Operation.DESCRIBE, [topic for topic in SOURCES if topic not in read]),
        Right(Operation.DESCRIBE, Resource.GROUP, routers_group(group_id)),
        Right(Operation.DESCRIBE, Resource.GROUP, _all_shards(group_id), prefixed=True),
        # Faust reads committed records only with producers started; it never writes with them.
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{group_id}-monitor-", prefixed=True),
        Right(Operation.IDEMPOTENT_WRITE, Resource.CLUSTER, CLUSTER),
    ]


def creating_rights(names: TopicNames, topics: Iterable[Topic]) -> list[Right]:
    """Rights of `switchboard topics create` for these topics."""
    wanted = list(topics)
    return [*on_topics(names, Operation.CREATE, wanted), *on_topics(names, Operation.DESCRIBE, wanted)]


def checking_rights(names: TopicNames) -> list[Right]:
    """Rights of `switchboard topics check`."""
    return [
        *on_topics(names, Operation.DESCRIBE, (topic for topic in Topic if topic is not Topic.SHARD_PROGRESS)),
        *on_topics(names, Operation.READ, (Topic.SHARD_PROGRESS,)),
        *on_topics(names, Operation.DESCRIBE_CONFIGS, OWN),
    ]


def resetting_rights(names: TopicNames, group_id: str, sources: Iterable[Topic]) -> list[Right]:
    """Rights of `switchboard topics reset` for these source topics."""
    return [
        *on_topics(names, Operation.DESCRIBE, sources),
        *on_topics(names, Operation.READ, ROWS),
        *on_topics(names, Operation.WRITE, (Topic.SHARD_PROGRESS,)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, _all_shards(group_id), prefixed=True),
        Right(Operation.DESCRIBE, Resource.GROUP, routers_group(group_id)),
    ]


def configuring_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Rights of `switchboard config apply`."""
    return [
        *on_topics(names, Operation.WRITE, (Topic.ROUTING_CONFIG,)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, configurer(group_id)),
    ]


def simulating_rights(names: TopicNames) -> list[Right]:
    """Rights of `switchboard simulate`, which writes the source topics."""
    return [*on_topics(names, Operation.WRITE, BUS), *on_topics(names, Operation.READ, DECIDED)]


def configurer(group_id: str) -> str:
    """The transactional id that configurations are published with."""
    return f"{group_id}-config"


def _all_shards(group_id: str) -> str:
    """The common prefix of the group ids and transactional ids of all shards."""
    return shard_id(group_id, 0).removesuffix("0")


def on_topics(names: TopicNames, operation: Operation, topics: Iterable[Topic]) -> list[Right]:
    """The same right on several topics."""
    return [Right(operation, Resource.TOPIC, names.of(topic)) for topic in topics]


NOT_REPORTED: Final = -(2**31)
"""Kafka's value for the operations if a cluster does not report them."""
COORDINATOR_OF_GROUP: Final = 0
COORDINATOR_OF_TRANSACTIONS: Final = 1


async def require_rights(conn: Connection, rights: Iterable[Right]) -> None:
    """Return if the cluster grants all these rights.

    Raises:
        NotAllowedError: rights are missing; the message lists all of them.
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: the broker went away meanwhile.
    """
    missing = await missing_rights(conn, rights)
    if missing:
        raise NotAllowedError(missing)


async def missing_rights(conn: Connection, rights: Iterable[Right]) -> list[Right]:
    """The rights that are missing, among those on existing topics, groups, transactional ids and the cluster.

    Raises:
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: the broker went away meanwhile.
    """
    wanted = list(rights)
    async with session(conn) as client:
        operations = await _operations(client, {each.name for each in wanted if each.resource is Resource.TOPIC})
        return [right for right in wanted if not await _has(client, right, operations)]


async def _has(client: AIOKafkaAdminClient, right: Right, by_topic: dict[str, int]) -> bool:
    """True if the cluster grants a right, or does not report rights.

    Args:
        client: started.
        right: the right to look for.
        by_topic: topic → its allowed operations, as `_operations` returns them.
    """
    match right.resource:
        case Resource.TOPIC:
            operations = by_topic.get(right.name, NOT_REPORTED)
            return operations == NOT_REPORTED or bool(operations >> right.operation.value & 1)
        case Resource.GROUP:
            return await _may_look_up(client, COORDINATOR_OF_GROUP, right.name)
        case Resource.TRANSACTIONAL_ID:
            return await _may_look_up(client, COORDINATOR_OF_TRANSACTIONS, right.name)
        case Resource.CLUSTER:
            return await _may_write_idempotently(client)


async def _operations(client: AIOKafkaAdminClient, topics: set[str]) -> dict[str, int]:
    """Allowed operations by existing topic, one bit for each operation."""
    answer = await send_request(client, MetadataRequest(sorted(topics)))
    found = {}
    for topic in answer.to_object()["topics"]:
        match topic["error_code"]:
            case 0:
                found[topic["topic"]] = topic["operations"]
            case code if code == TOPIC_AUTHORIZATION_FAILED:
                found[topic["topic"]] = 0
    return found


async def _may_look_up(client: AIOKafkaAdminClient, kind: int, name: str) -> bool:
    """True if the client may use a group or transactional id: a broker checks the right when asked for a coordinator.

    Args:
        client: started.
        kind: `COORDINATOR_OF_GROUP` or `COORDINATOR_OF_TRANSACTIONS`.
        name: the group or the transactional id.
    """
    try:
        await find_coordinator(client, kind, name)
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return False
    except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError):
        return True  # a coordinator is being elected, and the right was checked before
    return True


async def _may_write_idempotently(client: AIOKafkaAdminClient) -> bool:
    """True if the client may write idempotently. Asks for a producer id, which changes nothing.

    A cluster reports the operations allowed on the cluster only to clients with the right to describe the cluster.
    """
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    answer = await send_request(client, request)
    return bool(answer.error_code != ClusterAuthorizationFailedError.errno)


def denial(error: BaseException | None) -> str | None:
    """The missing right that caused an error, in words; None for another cause."""
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
    """The names of the resources that an authorization error of aiokafka holds."""
    for each in error.args:
        yield from map(str, each) if isinstance(each, set | frozenset | list | tuple) else (str(each),)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause or context, the cause of that, and so on; each error once."""
    seen = defaultdict[int, bool](bool)
    while error is not None and not seen[id(error)]:
        seen[id(error)] = True
        yield error
        error = error.__cause__ or error.__context__
