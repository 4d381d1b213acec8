"""Every topic there is: its key, its value, who writes it, its partitions and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final


def routers_group(group_id: str) -> str:
    """The consumer group whose members the routers are."""
    return f"{group_id}-routers"


def shard_id(group_id: str, shard: int) -> str:
    """A shard's transactional id, and the group in which lag tools and the monitor see how far its sources are read."""
    return f"{group_id}-shard-{shard}"


class Topic(StrEnum):
    """A topic by its plain name; `TopicNames.of` gives the name on the bus."""

    CHAT_ARRIVAL = "chat-arrival"
    CHAT_ACCEPTED = "chat-accepted"
    REQUEST_CHAT = "request-chat"
    CHAT_LIFECYCLE = "chat-lifecycle"
    AGENT_PRESENCE = "agent-presence"
    ROUTING_CONFIG = "routing-config"
    ASSIGNMENT = "assignment"
    PUSH_REQUEST = "push-request"
    AGENT_CAPACITY = "agent-capacity"
    OPEN_CHATS = "open-chats"
    SHARD_PROGRESS = "shard-progress"
    JOURNAL = "journal"
    DEAD_LETTER = "dead-letter"


class Writer(Enum):
    """Who writes a topic, and with that, who owns it."""

    BUS = "the bus"
    """Read by us, named by others: no prefix, their partitions, their settings."""
    OPERATOR = "switchboard config apply"
    """Ours, one partition: two routers side by side on a bus, told apart by prefix, have a configuration each."""
    ROUTER = "the router"
    """Ours, one partition a shard."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What one topic is."""

    writer: Writer
    key: str
    value: str
    settings: Mapping[str, str]
    """Topic settings that we ask for beside replication; empty for the bus's."""


MIB: Final = 1024 * 1024
MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS

MAX_MESSAGE_BYTES: Final = MIB + 12
"""Kafka's own default, asked for by name: our batches hold up to 1 MiB, which a cluster with less would reject."""

_SIZE: Final = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}


def _compacted(segment_bytes: int) -> dict[str, str]:
    """Settings under which a restore reads little more than the rows.

    The active segment is never compacted: with the defaults (1 GiB, 7 days, half dirty) a restore can read a gigabyte.
    """
    return _SIZE | {
        "cleanup.policy": "compact",
        "segment.bytes": str(segment_bytes),
        "segment.ms": str(10 * MINUTE_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(5 * MINUTE_MS),
        # Rows as they stood at one commit are read within seconds (`record --from-rows`): none of them may be compacted
        # away meanwhile, because of a later one that is not wanted.
        "min.compaction.lag.ms": str(MINUTE_MS),
        "max.compaction.lag.ms": str(10 * MINUTE_MS),
    }


_STREAM: Final = _SIZE | {"cleanup.policy": "delete"}
"""Retention is the cluster's: who consumes decisions knows how long they are wanted."""

_FOR_EVER: Final = _STREAM | {"retention.ms": "-1", "retention.bytes": "-1"}
"""Replay, verify, explain and the audit begin at the journal's first frame: the operator decides what is to go."""

_DEAD_LETTERS: Final = _STREAM | {"retention.ms": str(30 * DAY_MS), "retention.bytes": str(1024 * MIB)}
"""A dead letter waits for a human, but for a month at most, and those of a shard take up 1 GiB at most: anyone who may
write a source topic can have as many written as the disk holds."""

_BUS: Final[Mapping[str, str]] = MappingProxyType({})

TOPICS: Final[Mapping[Topic, TopicSpec]] = MappingProxyType(
    {
        Topic.CHAT_ARRIVAL: TopicSpec(Writer.BUS, "any", "chats entering a queue", _BUS),
        Topic.CHAT_ACCEPTED: TopicSpec(Writer.BUS, "any", "an agent accepted a chat", _BUS),
        Topic.REQUEST_CHAT: TopicSpec(Writer.BUS, "any", "an agent clicked Request Chat", _BUS),
        Topic.CHAT_LIFECYCLE: TopicSpec(Writer.BUS, "any", "what else happens to a chat", _BUS),
        Topic.AGENT_PRESENCE: TopicSpec(Writer.BUS, "any", "what else happens to an agent", _BUS),
        Topic.ROUTING_CONFIG: TopicSpec(Writer.OPERATOR, "pool", "pool-configured", _compacted(16 * MIB)),
        Topic.ASSIGNMENT: TopicSpec(Writer.ROUTER, "chat_id, else agent_id", "decisions", _STREAM),
        Topic.PUSH_REQUEST: TopicSpec(Writer.ROUTER, "agent_id", "chat-requested", _STREAM),
        Topic.AGENT_CAPACITY: TopicSpec(Writer.ROUTER, "pool/agent_id", "one row an agent", _compacted(16 * MIB)),
        Topic.OPEN_CHATS: TopicSpec(Writer.ROUTER, "pool/chat_id", "one row a chat", _compacted(16 * MIB)),
        # A few keys, but at each commit: 1 MiB, the least Kafka allows, or it would be the longest part of a restore.
        Topic.SHARD_PROGRESS: TopicSpec(Writer.ROUTER, "clock, source/…, pool/…", "progress", _compacted(MIB)),
        Topic.JOURNAL: TopicSpec(Writer.ROUTER, "none", "frames", _FOR_EVER),
        Topic.DEAD_LETTER: TopicSpec(Writer.ROUTER, "as it came", "what could not be taken", _DEAD_LETTERS),
    },
)

SOURCES: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is not Writer.ROUTER)
"""What the router reads."""

ENOUGH_TO_START: Final = frozenset({Topic.CHAT_ARRIVAL, Topic.CHAT_ACCEPTED, Topic.REQUEST_CHAT})
"""The bus's topics without which a router has nothing to do; the others may come later."""

ROWS: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.SHARD_PROGRESS)
"""What a shard is restored from."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The topics' names on a bus. Both prefixes include their separator, and are empty unless set."""

    prefix: str = ""
    """Of our own topics."""
    source_prefix: str = ""
    """Of the bus's topics: for several buses on one broker, as in the demo and the tests."""

    def of(self, topic: Topic) -> str:
        """The topic's name on the bus."""
        return f"{self.source_prefix if TOPICS[topic].writer is Writer.BUS else self.prefix}{topic}"

    def topic(self, name: str) -> Topic | None:
        """The topic that has this name on the bus, if one has."""
        return next((topic for topic in Topic if self.of(topic) == name), None)

    @property
    def sources(self) -> dict[str, Topic]:
        """What the router reads, by name on the bus."""
        return {self.of(topic): topic for topic in SOURCES}


def partitions(topic: Topic, shards: int, bus_partitions: int) -> int:
    """How many partitions the topic is made with."""
    match TOPICS[topic].writer:
        case Writer.BUS:
            return bus_partitions
        case Writer.OPERATOR:
            return 1
        case Writer.ROUTER:
            return shards


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How the topics of one installation are to be."""

    names: TopicNames
    shards: int = 1
    """Partitions of all that the router writes; fixed once the topics are made, since pools are hashed onto them."""
    replication: int = 3
    min_insync: int = 2

    def settings(self, topic: Topic) -> dict[str, str]:
        """The settings the topic is made with, and checked for."""
        return {"min.insync.replicas": str(self.min_insync), **TOPICS[topic].settings}
