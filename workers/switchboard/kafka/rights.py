"""What each worker and command must be allowed to do on a cluster that asks: the least that is enough."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from switchboard.kafka.ownership import routers_group, shard_id
from switchboard.kafka.topics import ROWS, SOURCES, TOPICS, Topic, TopicNames, Writer


class NotAllowedError(Exception):
    """The cluster does not allow what we need; the message names each right that is missing."""

    def __init__(self, missing: Iterable[object]) -> None:
        rights = "; ".join(map(str, missing))
        super().__init__(f"not allowed: {rights} (`switchboard rights` prints the commands that allow what is needed)")


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


def router_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Of `switchboard run router`, and of `topics reset`."""
    shards = shard_id(group_id, 0).removesuffix("0")
    return [
        *on_topics(names, Operation.READ, (*SOURCES, *ROWS)),
        *on_topics(names, Operation.WRITE, WRITTEN),
        *on_topics(names, Operation.DESCRIBE_CONFIGS, OWN),
        Right(Operation.READ, Resource.GROUP, routers_group(group_id)),
        Right(Operation.READ, Resource.GROUP, shards, prefixed=True),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, shards, prefixed=True),
    ]


def monitor_rights(names: TopicNames, group_id: str, read: Iterable[Topic]) -> list[Right]:
    """Of `switchboard run monitor`, which reads these topics."""
    return [
        *on_topics(names, Operation.READ, read),
        Right(Operation.READ, Resource.GROUP, f"{group_id}-monitor-", prefixed=True),
        # Faust reads committed records only if it may write: it starts producers, and never writes with them.
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{group_id}-monitor-", prefixed=True),
        Right(Operation.IDEMPOTENT_WRITE, Resource.CLUSTER, CLUSTER),
    ]


def topics_rights(names: TopicNames) -> list[Right]:
    """Of `switchboard topics create` and `check`, for our own topics; `--sources` needs Create on the bus's too."""
    return [
        *on_topics(names, Operation.CREATE, OWN),
        *on_topics(names, Operation.DESCRIBE, tuple(Topic)),
        *on_topics(names, Operation.DESCRIBE_CONFIGS, OWN),
    ]


def config_rights(names: TopicNames, group_id: str) -> list[Right]:
    """Of `switchboard config apply` and `show`."""
    return [
        *on_topics(names, Operation.READ, (Topic.ROUTING_CONFIG,)),
        *on_topics(names, Operation.WRITE, (Topic.ROUTING_CONFIG,)),
        Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{group_id}-config"),
    ]


def simulate_rights(names: TopicNames) -> list[Right]:
    """Of `switchboard simulate`, whose customers and agents stand in for the bus's own."""
    return [*on_topics(names, Operation.WRITE, BUS), *on_topics(names, Operation.READ, DECIDED)]


def reading_rights(names: TopicNames) -> list[Right]:
    """Of what only reads: `record`, `audit`, `verify --live`, `dead-letter list` and `show`."""
    return on_topics(names, Operation.READ, tuple(Topic))


def publishing_rights(names: TopicNames) -> list[Right]:
    """Of what publishes events anew: `replay --to-bus`, and `dead-letter replay`, which also reads."""
    return [*on_topics(names, Operation.WRITE, BUS), *on_topics(names, Operation.READ, (Topic.DEAD_LETTER,))]


def on_topics(names: TopicNames, operation: Operation, topics: Iterable[Topic]) -> list[Right]:
    """The same right on several topics."""
    return [Right(operation, Resource.TOPIC, names.of(topic)) for topic in topics]
