"""Every topic: its key, value, writer, partitions and settings; the names of topics and groups on the bus."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final


def routers_group(group_id: str) -> str:
    """The consumer group of the routers."""
    return f"{group_id}-routers"


def shard_id(group_id: str, shard: int) -> str:
    """The transactional id of a shard, and the group that holds its source offsets for lag tools and the monitor."""
    return f"{group_id}-shard-{shard}"


class Topic(StrEnum):
    """A topic by its plain name; `TopicNames.of` returns the name on the bus."""

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
    """The writer of a topic, which determines its name, partitions and settings."""

    BUS = "the bus"
    """Other systems, which choose names, partitions and settings. The router reads these topics."""
    OPERATOR = "switchboard config apply"
    """Ours, with one partition. Two installations on one bus have different prefixes, and a configuration each."""
    ROUTER = "the router"
    """Ours, with one partition for each shard."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The properties of one topic."""

    writer: Writer
    key: str
    """The records' key, in words."""
    value: str
    """The records' value, in words."""
    settings: Mapping[str, str]
    """Topic settings, beside replication; empty for topics of the bus."""


MIB: Final = 1024 * 1024
MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS

MAX_MESSAGE_BYTES: Final = MIB + 12
"""Kafka's own default, set explicitly: batches hold up to 1 MiB, and a cluster with a lower default rejects them."""

_SIZE: Final = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}


def _compacted(segment_bytes: int) -> dict[str, str]:
    """Settings of a compacted topic with which a restore reads little more than the latest rows.

    Kafka never compacts the active segment: with its defaults (1 GiB, 7 days, half dirty) a restore can read 1 GB.
    """
    return _SIZE | {
        "cleanup.policy": "compact",
        "segment.bytes": str(segment_bytes),
        "segment.ms": str(10 * MINUTE_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(5 * MINUTE_MS),
        # `record --from-rows` reads the rows of one commit within seconds. Compaction must not remove a row of that
        # commit meanwhile in favour of a later row.
        "min.compaction.lag.ms": str(MINUTE_MS),
        "max.compaction.lag.ms": str(10 * MINUTE_MS),
    }


_STREAM: Final = _SIZE | {"cleanup.policy": "delete"}
"""Settings of decisions. Retention is the default of the cluster, because it depends on the consumers of decisions."""

_FOR_EVER: Final = _STREAM | {"retention.ms": "-1", "retention.bytes": "-1"}
"""Settings of the journal. Replay, verify, explain and audit start at the first frame, so nothing is deleted unless the
operator decides so."""

_DEAD_LETTERS: Final = _STREAM | {"retention.ms": str(30 * DAY_MS), "retention.bytes": str(1024 * MIB)}
"""Settings of dead letters, which wait for a human: for a month, and within 1 GiB a shard. Without a bound a producer
of a source topic could fill the disk."""

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
        # A few keys, written at each commit: segments of 1 MiB, the least that Kafka allows, keep the restore short.
        Topic.SHARD_PROGRESS: TopicSpec(Writer.ROUTER, "clock, source/…, pool/…", "progress", _compacted(MIB)),
        Topic.JOURNAL: TopicSpec(Writer.ROUTER, "none", "frames", _FOR_EVER),
        Topic.DEAD_LETTER: TopicSpec(Writer.ROUTER, "as it came", "what could not be taken", _DEAD_LETTERS),
    },
)

SOURCES: Final = tuple(topic for topic, spec in TOPICS.items() if spec.writer is not Writer.ROUTER)
"""Topics that the router reads."""

ENOUGH_TO_START: Final = frozenset({Topic.CHAT_ARRIVAL, Topic.CHAT_ACCEPTED, Topic.REQUEST_CHAT})
"""Source topics that a router needs at its start; the others may be created later."""

ROWS: Final = (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS, Topic.SHARD_PROGRESS)
"""Topics that a shard is restored from."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The names of the topics on the bus. A prefix includes its separator."""

    prefix: str = ""
    """Prefix of our own topics."""
    source_prefix: str = ""
    """Prefix of the bus's topics, for several buses on one cluster."""

    def of(self, topic: Topic) -> str:
        """The topic's name on the bus."""
        return f"{self.source_prefix if TOPICS[topic].writer is Writer.BUS else self.prefix}{topic}"

    def topic(self, name: str) -> Topic | None:
        """The topic with this name on the bus; None if there is none."""
        return next((topic for topic in Topic if self.of(topic) == name), None)

    @property
    def sources(self) -> dict[str, Topic]:
        """Source topics by name on the bus."""
        return {self.of(topic): topic for topic in SOURCES}


def partitions(topic: Topic, shards: int, bus_partitions: int) -> int:
    """Number of partitions that a topic is created with."""
    match TOPICS[topic].writer:
        case Writer.BUS:
            return bus_partitions
        case Writer.OPERATOR:
            return 1
        case Writer.ROUTER:
            return shards


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The planned topics of one installation."""

    names: TopicNames
    shards: int = 1
    """Partitions of each topic that the router writes. Fixed once created: pools are hashed onto shards."""
    replication: int = 3
    min_insync: int = 2

    def settings(self, topic: Topic) -> dict[str, str]:
        """Settings of a topic, for creation and check."""
        return {"min.insync.replicas": str(self.min_insync), **TOPICS[topic].settings}
