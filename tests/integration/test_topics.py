"""Topics are made once, checked against what is planned, and never made by accident."""

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from switchboard.errors import BrokerAwayError, TopicError, WrongTopicsError
from switchboard.kafka.admin import check_topics, create_topics, require_topics
from switchboard.kafka.clients import Connection, session
from switchboard.kafka.topics import TOPICS, Topic, TopicNames, TopicPlan, Writer
from tests.waiting import eventually


async def test_topics_made_are_as_checked(conn: Connection, plan: TopicPlan) -> None:
    """What `create` makes, `check` finds nothing wrong with, and a second `create` makes nothing."""
    made = await create_topics(conn, plan, bus_partitions=3)
    assert {each.name for each in made} == {plan.names.of(topic) for topic in Topic}
    assert all(each.made for each in made)
    assert await check_topics(conn, plan) == []
    assert not any(each.made for each in await create_topics(conn, plan, bus_partitions=3))
    async with session(conn) as client:
        counts = {told["topic"]: len(told["partitions"]) for told in await client.describe_topics(None)}
    assert counts[plan.names.of(Topic.JOURNAL)] == 2
    assert counts[plan.names.of(Topic.ROUTING_CONFIG)] == 1
    assert counts[plan.names.of(Topic.CHAT_ARRIVAL)] == 3


async def test_the_bus_is_left_alone_unless_asked(conn: Connection, plan: TopicPlan) -> None:
    """Without --sources only our own topics are made, and the ones that a router can't do without are named."""
    await create_topics(conn, plan)
    missing = await check_topics(conn, plan)
    bus = {plan.names.of(topic) for topic, spec in TOPICS.items() if spec.writer is Writer.BUS}
    assert {each.topic for each in missing} == bus
    assert {each.topic.removeprefix(plan.names.prefix) for each in missing if each.fatal} == {
        "chat-arrival",
        "chat-accepted",
        "request-chat",
    }
    assert "switchboard topics create --sources" in str(missing[0])


async def test_another_number_of_shards_is_refused(conn: Connection, plan: TopicPlan) -> None:
    """A router set to a number of shards that the topics don't have does not start."""
    await create_topics(conn, plan, bus_partitions=1)
    other = TopicPlan(plan.names, shards=4, replication=1, min_insync=1)
    with pytest.raises(WrongTopicsError, match=r"journal: partitions is 2, expected 4; set shards to 2"):
        await require_topics(conn, other)


async def test_a_wrong_setting_is_named_with_its_cure(conn: Connection, plan: TopicPlan) -> None:
    """A topic setting that was altered, and too few copies, are told with what is, what is expected and what to do."""
    await create_topics(conn, plan, bus_partitions=1)
    chats = plan.names.of(Topic.OPEN_CHATS)
    async with session(conn) as client:
        altered = plan.settings(Topic.OPEN_CHATS) | {"segment.ms": "604800000", "cleanup.policy": "delete"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, chats, altered)])
    # The controller takes the change, the broker learns of it a little later.
    differences = await eventually(lambda: check_topics(conn, plan))
    found = {each.what: each for each in differences}
    assert set(found) == {"segment.ms", "cleanup.policy"}
    assert str(found["segment.ms"]) == (
        f"{chats}: segment.ms is 604800000, expected 600000; kafka-configs.sh "
        f"--bootstrap-server {conn.bootstrap} --alter --entity-type topics --entity-name {chats} "
        "--add-config segment.ms=600000"
    )
    assert not found["segment.ms"].fatal
    with pytest.raises(WrongTopicsError, match=r"cleanup\.policy is delete, expected compact"):
        await require_topics(conn, plan)
    thrice = TopicPlan(plan.names, shards=2, replication=3, min_insync=1)
    assert "replication" in {each.what for each in await check_topics(conn, thrice)}


async def test_a_topic_the_broker_refuses_is_named(conn: Connection, plan: TopicPlan) -> None:
    """More copies than there are brokers: the error names the topic and holds the broker's reason."""
    with pytest.raises(TopicError, match=r"could not be made: .*replication factor.*; set replication "):
        await create_topics(conn, TopicPlan(plan.names, replication=99))


async def test_no_broker_is_told_at_once() -> None:
    """Where nothing listens, making topics ends with an error that names the address."""
    with pytest.raises(BrokerAwayError, match=r"no broker answers at 127\.0\.0\.1:1"):
        await create_topics(Connection("127.0.0.1:1"), TopicPlan(TopicNames()))


async def test_a_topic_made_by_another_meanwhile_is_no_error(conn: Connection, plan: TopicPlan) -> None:
    """Two processes may make the topics at the same time."""
    async with session(conn) as client:
        await client.create_topics([NewTopic(plan.names.of(Topic.JOURNAL), 2, 1)])
    made = {each.name: each.made for each in await create_topics(conn, plan)}
    assert not made[plan.names.of(Topic.JOURNAL)]
    assert made[plan.names.of(Topic.ASSIGNMENT)]
