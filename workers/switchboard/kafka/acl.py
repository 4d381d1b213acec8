"""What each worker and command must be allowed to do on a cluster that asks: the least that is enough."""

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
from switchboard.kafka.aiokafka_patches import MetadataRequest
from switchboard.kafka.clients import TOPIC_AUTHORIZATION_FAILED, Connection, session
from switchboard.kafka.topics import ROWS, SOURCES, TOPICS, Topic, TopicNames, Writer, routers_group, shard_id


class Operation(Enum):
    """What may be done; the numbers are Kafka's own. To read or to write includes to describe."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    IDEMPOTENT_WRITE = 12

    def __str__(self) -> str:
        return self.name.title().replace("_", "")


class Resource(StrEnum):
    """What it may be done to, as `kafka-acls.sh` names it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that is to be allowed."""

    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False
    """Whether it is for all whose names begin so."""

    def __str__(self) -> str:
        like = " (prefixed)" if self.prefixed else ""
        return f"{self.operation} on {self.resource} {self.name}{like}"


CLUSTER: Final = "kafka-cluster"
"""The cluster's name, as a thing to have rights on."""
OWN: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is not Writer.BUS)
WRITTEN: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is Writer.ROUTER)
BUS: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is Writer.BUS)
DECIDED: Final = (Topic.ASSIGNMENT, Topic.PUSH_REQUEST)
AUDITED: Final = (Topic.JOURNAL, *DECIDED)


def router_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Of `switchboard run router`."""
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
    """Of `switchboard run monitor`, which reads these topics."""
    return [
        *on_topics(names, Operation.READ, read),
        Right(Operation.READ, Resource.GROUP, f"{group_id}-monitor-", prefixed=True),
        # Whether each shard has a router, and whether it gets on with what is on the bus.
        *on_topics(names, Operation.DESCRIBE, [topic for topic in SOURCES if topic not in read]),
        Right(Operation.DESCRIBE, Resource.GROUP, routers_group(group_id)),
        Right(Operation.DESCRIBE, Resource.GROUP, _all_shards(group_id), prefixed=True),
        # Faust reads committed records only if it may write: it starts producers, and never writes with them.
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{group_id}-monitor-", prefixed=True),
        Right(Operation.IDEMPOTENT_WRITE, Resource.CLUSTER, CLUSTER),
    ]


def creating_rights(names: TopicNames, topics: Iterable[Topic]) -> list[Right]:
    """Of `switchboard topics create`, for those of these topics that are missing."""
    wanted = list(topics)
    return [*on_topics(names, Operation.CREATE, wanted), *on_topics(names, Operation.DESCRIBE, wanted)]


def checking_rights(names: TopicNames) -> list[Right]:
    """Of `switchboard topics check`."""
    return [
        *on_topics(names, Operation.DESCRIBE, (topic for topic in Topic if topic is not Topic.SHARD_PROGRESS)),
        *on_topics(names, Operation.READ, (Topic.SHARD_PROGRESS,)),
        *on_topics(names, Operation.DESCRIBE_CONFIGS, OWN),
    ]


def resetting_rights(names: TopicNames, group_id: str, sources: Iterable[Topic]) -> list[Right]:
    """Of `switchboard topics reset`, for these topics of the bus."""
    return [
        *on_topics(names, Operation.DESCRIBE, sources),
        *on_topics(names, Operation.READ, ROWS),
        *on_topics(names, Operation.WRITE, (Topic.SHARD_PROGRESS,)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, _all_shards(group_id), prefixed=True),
        Right(Operation.DESCRIBE, Resource.GROUP, routers_group(group_id)),
    ]


def configuring_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Of `switchboard config apply`."""
    return [
        *on_topics(names, Operation.WRITE, (Topic.ROUTING_CONFIG,)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, configurer(group_id)),
    ]


def simulating_rights(names: TopicNames) -> list[Right]:
    """Of `switchboard simulate`, whose customers and agents stand in for the bus's own."""
    return [*on_topics(names, Operation.WRITE, BUS), *on_topics(names, Operation.READ, DECIDED)]


def configurer(group_id: str) -> str:
    """The transactional id under which configurations are published."""
    return f"{group_id}-config"


def _all_shards(group_id: str) -> str:
    """What the groups and transactional ids of all shards begin with."""
    return shard_id(group_id, 0).removesuffix("0")


def on_topics(names: TopicNames, operation: Operation, topics: Iterable[Topic]) -> list[Right]:
    """The same right on several topics."""
    return [Right(operation, Resource.TOPIC, names.of(topic)) for topic in topics]


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
    answer = await client._send_request(MetadataRequest(sorted(topics)))  # noqa: SLF001 - there is no public way
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
