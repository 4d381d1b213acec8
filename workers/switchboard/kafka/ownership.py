"""Who is in a consumer group now."""

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
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, in_words, options, session
from switchboard.kafka.topics import Topic, TopicNames, routers_group


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


log = logging.getLogger(__name__)

SESSION_TIMEOUT_MS: Final = 6_000
"""A router that is killed is noticed after this; a pause of the process that is longer costs it its shards."""

HEARTBEATS_A_SESSION: Final = 4

GIVE_UP_SECONDS: Final = 6
"""A clean close takes 5 s at most (commit 3, stop 2). Whoever gets the shard next waits no longer: it fences us."""

REBALANCE_TIMEOUT_MS: Final = 10_000
"""How long the group waits for members that are still giving up shards."""

LEAVE_SECONDS: Final = 2

FENCED_TOO_OFTEN: Final = 3
FENCED_WINDOW_SECONDS: Final = 60


class Shards(Protocol):
    """What is done with shards as they come and go."""

    def take(self, shards: frozenset[int]) -> None:
        """Begin to open these. It may not block: aiokafka sends no heartbeats until it returns."""

    async def give_up(self, shards: frozenset[int]) -> None:
        """Finish with these; after `GIVE_UP_SECONDS` it is cancelled."""


class Ownership:
    """Membership in the routers' group.

    Args:
        conn: the cluster.
        group_id: the installation's; the group is `GROUP-routers`.
        names: the topics' names on the bus.
        shards: is told what to open and what to close. At each change of membership all that is held is given up
            first (the protocol is the eager one), then all that is assigned is taken.
        session_timeout_ms: after so long without a heartbeat the shards are another's.
        wait: how long a start waits for brokers, its default unless given.
        instance_id: makes this a static member of the group: it does not leave at its end, and who comes back with the
            same id within the session has the same shards, with no change of membership for the others.
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
    ) -> None:
        self._conn = conn
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
        self._fenced: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=FENCED_TOO_OFTEN))
        self._stopping = False

    @property
    def owned(self) -> frozenset[int]:
        """The shards that the group says are ours."""
        return self._owned

    @property
    def heartbeat_at(self) -> float:
        """When the last heartbeat that succeeded was sent (`time.monotonic()`), which is: when the broker was there."""
        return self._heartbeat_at

    async def run(self) -> None:
        """Be a member until cancelled; then give up all shards and leave.

        Raises:
            BrokerAwayError: no broker answered at the start. One that goes away later is waited for.
            OwnershipError: membership ended for good.
        """
        self._consumer = consumer = await self._wait.retry(f"joining group {self._group}", self._started)
        try:
            self._watch_heartbeats(consumer)
            consumer.subscribe([self._journal], listener=_Listener(self))
            while True:
                # All is paused, so that nothing comes. It is called because aiokafka raises here what went wrong
                # elsewhere, and because it leaves the group when it was not called for long.
                try:
                    await consumer.getmany(timeout_ms=500)
                except KafkaError as error:
                    if not error.retriable:
                        raise OwnershipError(f"no longer a member of group {self._group}: {in_words(error)}") from error
                    log.warning("group %s: %s", self._group, in_words(error))
        finally:
            self._stopping = True
            await self._leave(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        """A consumer that knows the brokers and is to join the group."""
        consumer = AIOKafkaConsumer(
            **options(self._conn),
            group_id=self._group,
            group_instance_id=self._instance_id,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // HEARTBEATS_A_SESSION,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            # A JoinGroup is answered when all have joined.
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
        """Whether a shard whose ledger was just fenced is to be opened again.

        It is if a heartbeat that was sent from now on succeeds and the shard is still assigned: then we were fenced by
        none that the group knows of (a transaction that ran out of time looks the same). Without this a router that
        slept past its session would fence the rightful owner.

        Raises:
            FencedTooOftenError: for the third time within a minute.
        """
        now = time.monotonic()
        times = self._fenced[shard]
        times.append(now)
        if len(times) == FENCED_TOO_OFTEN and now - times[0] < FENCED_WINDOW_SECONDS:
            raise FencedTooOftenError(
                f"shard {shard} was fenced {FENCED_TOO_OFTEN} times within {FENCED_WINDOW_SECONDS} s though group "
                f"{self._group} assigns it to this router: does another installation use the same group id?",
            )
        while shard in self._owned and self._heartbeat_at <= now:
            self._changed.clear()
            await self._changed.wait()
        return shard in self._owned

    def _watch_heartbeats(self, consumer: AIOKafkaConsumer) -> None:
        """Note when a heartbeat that succeeded was sent."""
        coordinator = consumer._coordinator  # noqa: SLF001 - there is no public way
        heartbeat = coordinator._do_heartbeat  # noqa: SLF001

        async def noted() -> bool:
            sent_at = time.monotonic()
            known = bool(await heartbeat())
            # It also says True while a rebalance is under way, when what we hold is about to be taken back.
            if known and not coordinator._rejoin_needed_fut.done():  # noqa: SLF001
                self._heartbeat_at = sent_at
                self._changed.set()
            return known

        coordinator._do_heartbeat = noted  # noqa: SLF001

    def _take(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        if self._stopping or self._consumer is None:
            return
        # aiokafka hands out records while this callback runs (aiokafka #738), and fetches ahead: of the journal we
        # want none.
        self._consumer.pause(*partitions)
        self._owned = frozenset(tp.partition for tp in partitions)
        self._changed.set()
        log.info("group %s: assigned shards %s", self._group, sorted(self._owned))
        self._shards.take(self._owned)

    async def _give_up(self) -> None:
        held, self._owned = self._owned, frozenset()
        self._changed.set()
        if not held:
            return
        log.info("group %s: giving up shards %s", self._group, sorted(held))
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await self._shards.give_up(held)
        except Exception:
            # Nothing is lost by it: whoever opens the shard next fences us.
            log.exception("shards %s were not given up cleanly", sorted(held))

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        # stop() does not call the listener.
        await self._give_up()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await consumer.stop()
        except (KafkaError, TimeoutError):
            log.warning("group %s: left without a word; the broker notices in a while", self._group)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await consumer._client.close()  # noqa: SLF001


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka's callbacks, passed on."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """All that was assigned is taken back: heartbeats go on meanwhile, and the group waits for us."""
        del revoked
        await self._ownership._give_up()  # noqa: SLF001

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """All that is assigned now."""
        self._ownership._take(assigned)  # noqa: SLF001
