"""Ownership of shards: membership in the consumer group of the routers.

The group subscribes to `journal` and never fetches it: the assignment of partition i means ownership of shard i.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code

from switchboard.errors import FencedTooOftenError, NotAllowedError, OwnershipError
from switchboard.kafka.acl import Operation, Resource, Right
from switchboard.kafka.aiokafka_patches import close_connections, observe_heartbeats
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, in_words, options, session
from switchboard.kafka.topics import Topic, TopicNames, routers_group

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a consumer group."""

    id: str
    """Given by the broker; begins with the instance id of a static member."""
    host: str
    partitions: tuple[int, ...]
    """Assigned partitions, ascending."""


async def members_of(conn: Connection, group: str) -> list[Member]:
    """The members of a group; none if the group does not exist.

    A killed member, and a stopped static member, count until their session times out.

    Raises:
        BrokerAwayError: no broker answers.
        NotAllowedError: the right to describe the group is missing.
        KafkaError: the coordinator of the group does not answer.
    """
    async with session(conn) as client:
        return await describe_members(client, group)


async def describe_members(client: AIOKafkaAdminClient, group: str) -> list[Member]:
    """The members of a group, by a started client.

    Raises:
        NotAllowedError, KafkaError: as `members_of`.
    """
    try:
        (answer,) = await client.describe_consumer_groups([group])
    except GroupAuthorizationFailedError:
        raise _not_allowed(group) from None
    (described,) = answer.to_object()["groups"]
    if described["error_code"] == GroupAuthorizationFailedError.errno:
        raise _not_allowed(group)
    if described["error_code"]:
        raise for_code(described["error_code"])(f"group {group} can't be looked at")
    return [
        Member(each["member_id"], each["client_host"].removeprefix("/"), _partitions(each["member_assignment"]))
        for each in described["members"]
    ]


def _partitions(assignment: bytes) -> tuple[int, ...]:
    """The partitions in a member's assignment, ascending."""
    if not assignment:  # the member is still joining
        return ()
    topics = ConsumerProtocolMemberAssignment.decode(assignment).assignment
    return tuple(sorted(partition for _, partitions in topics for partition in partitions))


def _not_allowed(group: str) -> NotAllowedError:
    """The error of a client that may not describe the group."""
    return NotAllowedError([Right(Operation.DESCRIBE, Resource.GROUP, group)])


SESSION_TIMEOUT_MS: Final = 6_000
"""Time after which a killed router loses its shards. A longer pause of a process has the same effect."""

HEARTBEATS_A_SESSION: Final = 4
"""Heartbeats within the session timeout."""

GIVE_UP_SECONDS: Final = 6
"""Time to close all shards: a clean close takes up to 5 s (commit 3, stop 2) while brokers answer. Shards that are
still open afterwards are left to the next owner, which fences this router."""

REBALANCE_TIMEOUT_MS: Final = 10_000
"""How long the group waits for members that are still giving up shards."""

LEAVE_SECONDS: Final = 2
"""Time to leave the group."""

FENCED_TOO_OFTEN: Final = 3
"""Fencings of one shard within `FENCED_WINDOW_SECONDS` that end the router."""
FENCED_WINDOW_SECONDS: Final = 60


class Fencings:
    """The latest fencings of each shard."""

    def __init__(self) -> None:
        self._times: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=FENCED_TOO_OFTEN))

    def are_too_many(self, shard: int, now: float) -> bool:
        """Note that a shard was fenced now (monotonic, s); true if it was fenced too often of late."""
        times = self._times[shard]
        times.append(now)
        return len(times) == FENCED_TOO_OFTEN and now - times[0] < FENCED_WINDOW_SECONDS


class Shards(Protocol):
    """Opens and closes shards as they are assigned and revoked."""

    def take(self, shards: frozenset[int]) -> None:
        """Start to open these shards. Must not block: aiokafka sends no heartbeats until this returns."""

    async def give_up(self, shards: frozenset[int]) -> None:
        """Close these shards. Cancelled after `GIVE_UP_SECONDS`."""


class Ownership:
    """Membership in the consumer group of the routers.

    Args:
        conn: the cluster.
        group_id: of the installation; the consumer group is `GROUP-routers`.
        names: the topics' names on the bus.
        shards: opens and closes shards. At each change of membership all owned shards are given up first (the eager
            protocol), then all assigned shards are taken.
        session_timeout_ms: without a heartbeat for so long, the group assigns the shards to other members.
        wait: retries of the start; the default wait if None.
        instance_id: makes this a static member, which does not leave the group when it stops. A member that comes back
            with the same id within the session gets the same shards, with no rebalance for the others.
        give_up_seconds: time to close the shards that this member gives up.
    """

    def __init__(
        self,
        conn: Connection,
        group_id: str,
        names: TopicNames,
        shards: Shards,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        wait: BrokerWait | None = None,
        instance_id: str | None = None,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        self._conn = conn
        self._give_up_seconds = give_up_seconds
        self._wait = wait or BrokerWait(conn)
        self._group = routers_group(group_id)
        self._journal = names.of(Topic.JOURNAL)
        self._shards = shards
        self._session_timeout_ms = session_timeout_ms
        self._instance_id = instance_id
        self._consumer: AIOKafkaConsumer | None = None
        self._owned: frozenset[int] = frozenset()
        self._heartbeat_at = 0.0
        self._changed = asyncio.Event()
        self._fencings = Fencings()
        self._stopping = False

    @property
    def owned(self) -> frozenset[int]:
        """The shards that the group assigns to this router."""
        return self._owned

    @property
    def heartbeat_at(self) -> float:
        """When the last successful heartbeat was sent (`time.monotonic()`); 0 before the first."""
        return self._heartbeat_at

    async def run(self) -> None:
        """Be a member until cancelled; then give up all shards and leave.

        Raises:
            BrokerAwayError: brokers were away for too long before the group was joined. A broker that goes away later
                is waited for.
            OwnershipError: membership ended for good.
        """
        joining = f"joining group {self._group}"
        self._consumer = consumer = await self._wait.retry(joining, self._started)
        joined = False
        try:
            observe_heartbeats(consumer, self._note_heartbeat)
            consumer.subscribe([self._journal], listener=_Listener(self))
            while True:
                # All partitions are paused, so no record is returned. aiokafka raises here the errors of its
                # background tasks, and leaves the group if this is not called for long.
                try:
                    if not joined:
                        # The first call returns once the group has assigned partitions, possibly none. If two of three
                        # brokers are away, the coordinator answers and can't store the members: aiokafka then retries
                        # without end.
                        await self._wait.expect(joining, consumer.getmany())
                        joined = True
                    await consumer.getmany(timeout_ms=500)
                except KafkaError as error:
                    if not error.retriable:
                        raise OwnershipError(f"no longer a member of group {self._group}: {in_words(error)}") from error
                    log.warning("group %s: %s", self._group, in_words(error))
        finally:
            self._stopping = True
            await self._leave(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        """A started consumer that is not subscribed yet."""
        consumer = AIOKafkaConsumer(
            **options(self._conn),
            group_id=self._group,
            group_instance_id=self._instance_id,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // HEARTBEATS_A_SESSION,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            # The coordinator answers a JoinGroup only once all members have joined, so this is longer than that wait.
            request_timeout_ms=REBALANCE_TIMEOUT_MS + 5_000,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def may_retake(self, shard: int) -> bool:
        """True if a shard whose ledger was just fenced may be opened again.

        A heartbeat sent from now on has to succeed with the shard still assigned: then no other member owns the shard
        (a transaction that timed out looks the same as a fencing). Without this check, a router that slept past its
        session would fence the rightful owner.

        Raises:
            FencedTooOftenError: the third fencing within a minute.
        """
        now = time.monotonic()
        if self._fencings.are_too_many(shard, now):
            raise FencedTooOftenError(
                f"shard {shard} was fenced {FENCED_TOO_OFTEN} times within {FENCED_WINDOW_SECONDS} s though group "
                f"{self._group} assigns it to this router: does another installation use the same group id?",
            )
        # Wait for a heartbeat that was sent later, or for the loss of the shard.
        while shard in self._owned and self._heartbeat_at <= now:
            self._changed.clear()
            await self._changed.wait()
        return shard in self._owned

    def _note_heartbeat(self, sent_at: float) -> None:
        """Note a successful heartbeat."""
        self._heartbeat_at = sent_at
        self._changed.set()

    def take_all(self, assigned: Iterable[TopicPartition]) -> None:
        """Start to open the shards of all assigned journal partitions."""
        partitions = list(assigned)
        if self._stopping or self._consumer is None:
            return
        # aiokafka returns records while this callback runs (aiokafka #738), and fetches ahead. Pausing prevents both.
        self._consumer.pause(*partitions)
        self._owned = frozenset(tp.partition for tp in partitions)
        self._changed.set()
        log.info("group %s: assigned shards %s", self._group, sorted(self._owned))
        self._shards.take(self._owned)

    async def give_up_all(self) -> None:
        """Close all owned shards."""
        held, self._owned = self._owned, frozenset()
        self._changed.set()
        if not held:
            return
        log.info("group %s: giving up shards %s", self._group, sorted(held))
        try:
            async with asyncio.timeout(self._give_up_seconds):
                await self._shards.give_up(held)
        except Exception:
            # Nothing is lost: the next owner fences this router.
            log.exception("shards %s were not given up cleanly", sorted(held))

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        """Give up all shards, and leave the group."""
        # aiokafka's stop() does not call the listener.
        await self.give_up_all()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await consumer.stop()
        except (KafkaError, TimeoutError):
            log.warning("group %s: left without a word; the broker notices in a while", self._group)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await close_connections(consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """Passes aiokafka's callbacks on."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called when all partitions are revoked. Heartbeats go on meanwhile, and the group waits."""
        del revoked
        await self._ownership.give_up_all()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called with all partitions that are assigned now."""
        self._ownership.take_all(assigned)
