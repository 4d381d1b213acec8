"""Who is in a consumer group now."""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError, for_code

from switchboard.errors import NotAllowedError
from switchboard.kafka.admin import session
from switchboard.kafka.clients import Connection
from switchboard.kafka.rights import Operation, Resource, Right


@dataclass(frozen=True, slots=True)
class Member:
    """One member."""

    id: str
    """Given by the broker; it begins with the member's instance id, where it has one."""
    host: str
    partitions: tuple[int, ...]
    """Of the topic that the group shares out."""


async def members_of(conn: Connection, group: str) -> list[Member]:
    """The members of a group; of one that there is not, none.

    One that was killed is a member until its session has run out; so is one with an instance id that was stopped.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: we may not see the group.
        KafkaError: the group's coordinator is not to be had.
    """
    async with session(conn) as client:
        return await members_told(client, group)


async def members_told(client: AIOKafkaAdminClient, group: str) -> list[Member]:
    """The same, by a client that is there already.

    Raises:
        NotAllowedError, KafkaError: as `members_of`.
    """
    try:
        (answer,) = await client.describe_consumer_groups([group])
    except GroupAuthorizationFailedError:
        raise _not_allowed(group) from None
    (told,) = answer.to_object()["groups"]
    if told["error_code"] == GroupAuthorizationFailedError.errno:
        raise _not_allowed(group)
    if told["error_code"]:
        raise for_code(told["error_code"])(f"group {group} can't be looked at")
    return [
        Member(each["member_id"], each["client_host"].removeprefix("/"), _partitions(each["member_assignment"]))
        for each in told["members"]
    ]


def _partitions(assignment: bytes) -> tuple[int, ...]:
    if not assignment:  # it is joining
        return ()
    topics = ConsumerProtocolMemberAssignment.decode(assignment).assignment
    return tuple(sorted(partition for _, partitions in topics for partition in partitions))


def _not_allowed(group: str) -> NotAllowedError:
    return NotAllowedError([Right(Operation.DESCRIBE, Resource.GROUP, group)])
