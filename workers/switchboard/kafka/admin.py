"""Topics made and checked. Making is idempotent; what exists is never altered."""

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
"""A topic is made by the controller and known to the brokers a little later."""


@dataclass(frozen=True, slots=True)
class Created:
    """What became of one topic that was asked for."""

    name: str
    made: bool
    """False: it was there already."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something about a topic that is not as planned."""

    topic: str
    what: str
    """`topic`, `partitions`, `replication` or the name of a topic setting."""
    found: str
    expected: str
    remedy: str
    fatal: bool
    """Nothing may be routed with this: state would be lost or read wrongly."""

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, expected {self.expected}; {self.remedy}"


async def create_topics(
    conn: Connection, plan: TopicPlan, *, bus_partitions: int | None = None, made: set[str] | None = None
) -> list[Created]:
    """Make the topics that are missing, and return once they can be written to.

    Args:
        conn: the cluster.
        plan: how they are to be.
        bus_partitions: also make the bus's topics, with so many partitions each, if given.
        made: gets the names of those that are to be made before they are. Given again after an error, it tells what was
            made all in all, since the answer may have been lost.

    Raises:
        TopicError: the broker refused one; nearly always it has made none then.
        TooFewBrokersError: the cluster has fewer brokers now than one is to have replicas; none was made.
        BrokerAwayError: no broker answers.
        KafkaError, TimeoutError: a broker went away meanwhile; done again, it makes what is still missing.
        NotAllowedError: some we may not see, or not make; none was made.
    """
    made = set() if made is None else made
    wanted = [topic for topic in Topic if bus_partitions is not None or TOPICS[topic].writer is not Writer.BUS]
    async with session(conn, timeout_ms=REQUEST_TIMEOUT_MS) as client:
        there = await describe(client, map(plan.names.of, wanted))
        missing = [topic for topic in wanted if plan.names.of(topic) not in there]
        if missing:
            new = [_new(topic, plan, partitions(topic, plan.shards, bus_partitions or 1)) for topic in missing]
            await _create(client, new, validate_only=True)  # all of them or none
            made.update(plan.names.of(topic) for topic in missing)
            await _create(client, new)
            await _until_visible(client, {plan.names.of(topic) for topic in missing})
    return [Created(plan.names.of(topic), plan.names.of(topic) in made) for topic in wanted]


async def check_topics(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """All that is not as planned, topic by topic; nothing if all is well.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: some we may not see.
    """
    async with session(conn) as client:
        there = await describe(client, map(plan.names.of, Topic))
        settings = await _settings(client, [t for t in Topic if plan.names.of(t) in there], plan)
    found = (_differences(topic, plan, there, settings, conn.bootstrap) for topic in Topic)
    return [difference for differences in found for difference in differences]


async def require_topics(conn: Connection, plan: TopicPlan) -> list[Difference]:
    """What is not as planned but can be worked with.

    Raises:
        WrongTopicsError: something can't be worked with, such as a partition count that is not `shards`.
        BrokerAwayError: no broker answers.
        NotAllowedError: some we may not see.
    """
    found = await check_topics(conn, plan)
    if any(difference.fatal for difference in found):
        # A topic that may come later is named too: whoever makes topics now makes all of them.
        told = [difference for difference in found if difference.fatal or difference.what == "topic"]
        raise WrongTopicsError("\n".join(str(difference) for difference in told))
    return found


def _new(topic: Topic, plan: TopicPlan, count: int) -> NewTopic:
    return NewTopic(plan.names.of(topic), count, plan.replication, topic_configs=plan.settings(topic))


async def _create(client: AIOKafkaAdminClient, new: list[NewTopic], *, validate_only: bool = False) -> None:
    answer = await client.create_topics(new, validate_only=validate_only)
    errors = answer.to_object()["topic_errors"]
    refused = [each["topic"] for each in errors if each["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if refused:
        raise NotAllowedError(Right(Operation.CREATE, Resource.TOPIC, name) for name in refused)
    for error in errors:
        # Another process may have made it since we looked.
        if error["error_code"] not in (0, TOPIC_ALREADY_EXISTS):
            raise _not_made(error["topic"], error["error_code"], error["error_message"])


def _not_made(topic: str, code: int, reason: str) -> Exception:
    told = f"topic {topic} could not be made: {reason}"
    if code == INVALID_REPLICATION_FACTOR:
        return TooFewBrokersError(
            f"{told.removesuffix('.')}; set replication (SWITCHBOARD_REPLICATION) to the number of brokers or less, or "
            f"start the brokers that are missing"
        )
    kind = for_code(code)
    return kind(told) if kind.retriable else TopicError(told)


async def describe(client: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The partitions of each of these topics that there is.

    Raises:
        NotAllowedError: some we may not see. (Asked for all topics a broker leaves those out, as if there were none.)
        KafkaError: the broker can't tell now.
    """
    told = await client.describe_topics(sorted(topics))
    hidden = [each["topic"] for each in told if each["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if hidden:
        raise NotAllowedError(Right(Operation.DESCRIBE, Resource.TOPIC, name) for name in hidden)
    there = [each for each in told if each["error_code"] != UNKNOWN_TOPIC]
    _raise_retriable((each["topic"], each["error_code"]) for each in there)
    return {each["topic"]: each["partitions"] for each in there}


def _raise_retriable(told: Iterable[tuple[str, int]]) -> None:
    """Raise the first error among the answers about topics that passes by itself: nothing is known of that topic."""
    for name, code in told:
        if (kind := for_code(code)).retriable:
            raise kind(f"topic {name}")


async def _until_visible(client: AIOKafkaAdminClient, names: set[str]) -> None:
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
    """The settings that matter to us, of our own topics."""
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
    """How one topic differs from the plan; `bootstrap` is for the commands that mend it."""
    name, writer = plan.names.of(topic), TOPICS[topic].writer
    if name not in there:
        command = "switchboard topics create" + (" --sources" if writer is Writer.BUS else "")
        needed = writer is not Writer.BUS or topic in ENOUGH_TO_START
        return [Difference(name, "topic", "missing", "there", f"make it with: {command}", needed)]
    if writer is Writer.BUS:
        return []
    found = []
    count, expected = len(there[name]), partitions(topic, plan.shards, 0)
    if count != expected and writer is Writer.ROUTER:
        remedy = f"set shards to {count} if that is what this installation has, else delete the topic and make it anew"
        found.append(Difference(name, "partitions", str(count), str(expected), remedy, fatal=True))
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
            # A state topic that is not compacted is deleted by age, and the agents' capacity with it.
            found.append(Difference(name, key, actual, value, remedy, fatal=key == "cleanup.policy"))
    return found
