"""What each worker and command must be allowed to do on a cluster that asks: the least that is enough."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from switchboard.kafka.ownership import routers_group, shard_id
from switchboard.kafka.topics import ROWS, SOURCES, TOPICS, Topic, TopicNames, Writer


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
