"""Creates and checks topics. Creation is idempotent; an existing topic is never altered."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from switchboard.errors import NotAllowedError, TooFewBrokersError, TopicError, WrongTopicsError
from switchboard.kafka.acl import Operation, Resource, Right
from switchboard.kafka.clients import REQUEST_TIMEOUT_MS, TOPIC_AUTHORIZATION_FAILED, Connection, session
from switchboard.kafka.topics import ENOUGH_TO_START, TOPICS, Topic, TopicPlan, Writer, partitions

UNKNOWN_TOPIC: Final = 3
TOPIC_ALREADY_EXISTS: Final = 36
INVALID_REPLICATION_FACTOR: Final = 38
VISIBLE_SECONDS: Final = 30
"""Time for the brokers to learn of a topic that the controller has created."""


@dataclass(frozen=True, slots=True)
class Created:
    """One requested topic."""

    name: str
    made: bool
    """True: created now; False: existed before."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a topic and the plan."""

    topic: str
    what: str
    """`topic`, `partitions`, `replication` or the name of a topic setting."""
    found: str
    expected: str
    remedy: str
    fatal: bool
    """True: routing must not start, since state would be lost or misread."""

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, expected {self.expected}; {self.remedy}"


async def create_topics(
    conn: Connection, plan: TopicPlan, *, bus_partitions: int | None = None, made: set[str] | None = None
) -> list[Created]:
    """Create the missing topics, and return once they accept records.

    Args:
        conn: the cluster.
        plan: names, shards, replication and settings.
        bus_partitions: also create the bus's topics, with so many partitions each; None: leave them out.
        made: the names of missing topics are added to this set before they are created. Pass the same set to a retry:
            the answer to the first attempt may have been lost, and the set then names what both attempts created.

    Raises:
        TopicError: the broker refused a topic; nearly always no topic was created.
        TooFewBrokersError: the cluster has fewer brokers than `replication`; no topic was created.
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: a broker went away meanwhile; a retry creates what is still missing.
        NotAllowedError: the right to describe or create a topic is missing; no topic was created.
    """
    made = set() if made is None else made
    wanted = [topic for topic in Topic if bus_partitions is not None or TOPICS[topic].writer is not Writer.BUS]
    async with session(conn, timeout_ms=REQUEST_TIMEOUT_MS) as client:
        there = await describe(client, map(plan.names.of, wanted))
        missing = [topic for topic in wanted if plan.names.of(topic) not in there]
        if missing:
            new = [_new(topic, plan, partitions(topic, plan.shards, bus_partitions or 1)) for topic in missing]
            # A dry run first, so that nearly always all topics are created or none.
            await _create(client, new, validate_only=True)
            made.update(plan.names.of(topic) for topic in missing)
            await _create(client, new)
            await _until_visible(client, {plan.names.of(topic) for topic in missing})
    return [Created(plan.names.of(topic), plan.names.of(topic) in made) for topic in wanted]


async def check_topics(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """All differences from the plan, topic by topic.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: the right to describe a topic is missing.
        KafkaError: a broker has no answer now.
    """
    async with session(conn) as client:
        there = await describe(client, map(plan.names.of, Topic))
        settings = await _settings(client, [t for t in Topic if plan.names.of(t) in there], plan)
    found = (_differences(topic, plan, there, settings, conn.bootstrap) for topic in Topic)
    return [difference for differences in found for difference in differences]


async def require_topics(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """Differences from the plan that routing can work with.

    Raises:
        WrongTopicsError: a difference prevents routing, for example a partition count other than `shards`.
        BrokerAwayError, NotAllowedError, KafkaError: as `check_topics`.
    """
    found = await check_topics(conn, plan)
    if any(difference.fatal for difference in found):
        # Every missing topic is listed, also one that may come later: `topics create` creates all of them.
        listed = [difference for difference in found if difference.fatal or difference.what == "topic"]
        raise WrongTopicsError("\n".join(str(difference) for difference in listed))
    return found


def _new(topic: Topic, plan: TopicPlan, count: int) -> NewTopic:
    return NewTopic(plan.names.of(topic), count, plan.replication, topic_configs=plan.settings(topic))


async def _create(client: AIOKafkaAdminClient, new: list[NewTopic], *, validate_only: bool = False) -> None:
    """Create topics; with `validate_only` only check that the cluster would create them."""
    answer = await client.create_topics(new, validate_only=validate_only)
    errors = answer.to_object()["topic_errors"]
    refused = [each["topic"] for each in errors if each["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if refused:
        raise NotAllowedError(Right(Operation.CREATE, Resource.TOPIC, name) for name in refused)
    for error in errors:
        # Another process may have created the topic meanwhile.
        if error["error_code"] not in (0, TOPIC_ALREADY_EXISTS):
            raise _not_made(error["topic"], error["error_code"], error["error_message"])


def _not_made(topic: str, code: int, reason: str) -> Exception:
    """The error for a topic that a broker did not create."""
    message = f"topic {topic} could not be made: {reason}"
    if code == INVALID_REPLICATION_FACTOR:
        return TooFewBrokersError(
            f"{message.removesuffix('.')}; set replication (SWITCHBOARD_REPLICATION) to the number of brokers or less, "
            f"or start the brokers that are missing"
        )
    kind = for_code(code)
    return kind(message) if kind.retriable else TopicError(message)


async def describe(client: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The partitions of the existing topics among these, by name, as Kafka's metadata response has them.

    Raises:
        NotAllowedError: the right to describe a topic is missing. (A request for all topics leaves such topics out.)
        KafkaError: the broker has no answer now.
    """
    answers = await client.describe_topics(sorted(topics))
    hidden = [each["topic"] for each in answers if each["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if hidden:
        raise NotAllowedError(Right(Operation.DESCRIBE, Resource.TOPIC, name) for name in hidden)
    there = [each for each in answers if each["error_code"] != UNKNOWN_TOPIC]
    _raise_retriable((each["topic"], each["error_code"]) for each in there)
    return {each["topic"]: each["partitions"] for each in there}


def _raise_retriable(codes: Iterable[tuple[str, int]]) -> None:
    """Raise the first retriable error among (topic, error code): the answer has no data on that topic."""
    for name, code in codes:
        if (kind := for_code(code)).retriable:
            raise kind(f"topic {name}")


async def _until_visible(client: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until each partition of these topics has a leader.

    Raises:
        TopicError: a partition has none after `VISIBLE_SECONDS`.
    """
    until = time.monotonic() + VISIBLE_SECONDS
    while True:
        try:
            there = await describe(client, names)
        except KafkaError as error:
            if not error.retriable:
                raise
            there = {}
        led = {name for name, parts in there.items() if parts and all(part["leader"] >= 0 for part in parts)}
        if names <= led:
            return
        if time.monotonic() > until:
            late = ", ".join(sorted(names - led))
            raise TopicError(f"made, but still without a leader after {VISIBLE_SECONDS} s: {late}")
        await asyncio.sleep(0.05)


async def _settings(client: AIOKafkaAdminClient, topics: list[Topic], plan: TopicPlan) -> dict[str, dict[str, str]]:
    """The cluster's values of the settings in the plan: topic → setting → value, without topics of the bus."""
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, plan.names.of(topic), dict.fromkeys(plan.settings(topic)))
        for topic in topics
        if TOPICS[topic].writer is not Writer.BUS
    ]
    answers = await client.describe_configs(asked) if asked else []
    resources = [resource for answer in answers for resource in answer.to_object()["resources"]]
    hidden = [each["resource_name"] for each in resources if each["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if hidden:
        raise NotAllowedError(Right(Operation.DESCRIBE_CONFIGS, Resource.TOPIC, name) for name in hidden)
    _raise_retriable((each["resource_name"], each["error_code"]) for each in resources)
    return {
        resource["resource_name"]: {
            entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
        }
        for resource in resources
    }


def _differences(
    topic: Topic,
    plan: TopicPlan,
    there: dict[str, list[dict[str, Any]]],
    settings: dict[str, dict[str, str]],
    bootstrap: str,
) -> list[Difference]:
    """The differences of one topic; `bootstrap` is for the commands in the remedies."""
    name, writer = plan.names.of(topic), TOPICS[topic].writer
    # 1. A missing topic. Other systems may create some of the source topics later.
    if name not in there:
        command = "switchboard topics create" + (" --sources" if writer is Writer.BUS else "")
        needed = writer is not Writer.BUS or topic in ENOUGH_TO_START
        return [Difference(name, "topic", "missing", "there", f"make it with: {command}", needed)]
    if writer is Writer.BUS:
        return []  # other systems choose the properties of their topics
    found = []
    # 2. Partitions: with another number than `shards`, pools would be routed by the wrong shard.
    count, expected = len(there[name]), partitions(topic, plan.shards, 0)
    if count != expected and writer is Writer.ROUTER:
        remedy = f"set shards to {count} if that is what this installation has, else delete the topic and make it anew"
        found.append(Difference(name, "partitions", str(count), str(expected), remedy, fatal=True))
    # 3. Replication and settings.
    copies = min(len(part["replicas"]) for part in there[name])
    if copies < plan.replication:
        remedy = "reassign its partitions, or set replication to what is meant"
        found.append(Difference(name, "replication", str(copies), str(plan.replication), remedy, fatal=False))
    for key, value in plan.settings(topic).items():
        actual = settings[name].get(key, "unknown")
        if actual != value:
            remedy = (
                f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {name} "
                f"--add-config {key}={value}"
            )
            # Without compaction Kafka deletes rows by age, and a restore would lack them.
            found.append(Difference(name, key, actual, value, remedy, fatal=key == "cleanup.policy"))
    return found
