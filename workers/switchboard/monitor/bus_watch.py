"""What the monitor asks the bus: whether a broker answers, whether chats are routed, and which transactions are open.

Each request has a deadline, since a broker may accept a connection and then not answer.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, NotAllowedError, SecurityError
from switchboard.kafka.aiokafka_patches import learn
from switchboard.kafka.clients import Connection, in_words, reader, session
from switchboard.kafka.open_transactions import HELD_UP_SECONDS, Ends, HeldUp, OpenTransactions
from switchboard.kafka.ownership import describe_members
from switchboard.kafka.topics import routers_group, shard_id
from switchboard.monitor.views import rfc3339

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 2.0
"""Interval between two checks, of the contact and of the routing."""
CONTACT_SECONDS: Final = 4.0
"""Deadline of a request that checks the contact."""
ANSWER_SECONDS: Final = 8.0
"""Deadline of a request that checks the routing."""
REPORT_AFTER_SECONDS: Final = 15.0
"""Shorter faults are not reported: a rebalance, in which no member has a shard, takes up to 10 s."""
GOOD_CHECKS: Final = 3
"""Checks in a row without a fault after which a shard counts as routed. A router that dies after each start has its
shard for one or two."""

Offsets: TypeAlias = Mapping[TopicPartition, int]
Fault: TypeAlias = Literal["no-router", "stands-still"]
"""Why a shard is not routed: no router owns it, or its owner does not read on though there are records."""

_NO_ANSWER: Final = (BrokerAwayError, NotAllowedError, SecurityError, KafkaError, OSError, TimeoutError)


@asynccontextmanager
async def offsets_consumer(
    conn: Connection, seconds: float, *, committed: bool = True
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer for requests about offsets; stopped at the end.

    Args:
        conn: the cluster.
        seconds: deadline of the start, and of the stop.
        committed: True: `end_offsets` returns last stable offsets; False: high watermarks.

    Raises:
        KafkaError, OSError, TimeoutError: the consumer could not be started.
    """
    consumer = reader(conn, committed=committed)
    try:
        async with asyncio.timeout(seconds):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                await consumer.stop()


# Contact


@dataclass(slots=True)
class BusContact:
    """When the bus last answered."""

    answered_at: float | None = None
    """In seconds since 1970; None before the first answer."""


async def check_contact(conn: Connection, partitions: Sequence[TopicPartition], contact: BusContact) -> None:
    """Ask for the end offsets of partitions every EVERY_SECONDS, until cancelled."""
    while True:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with offsets_consumer(conn, CONTACT_SECONDS) as consumer:
                await _note_answers(consumer, partitions, contact)
        await asyncio.sleep(EVERY_SECONDS)


async def _note_answers(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], contact: BusContact) -> None:
    while True:
        async with asyncio.timeout(CONTACT_SECONDS):
            await consumer.end_offsets(partitions)
        contact.answered_at = time.time()
        await asyncio.sleep(EVERY_SECONDS)


# Routing


@dataclass(slots=True)
class ShardStatus:
    """Whether one shard is routed."""

    read: Offsets = field(default_factory=dict)
    """Next offsets of the shard's router in the source partitions, as far as known."""
    fault: Fault | None = None
    """The latest fault; None while the shard is routed."""
    since: float = 0.0
    """When the fault began, in seconds since 1970; a fault that changes its kind keeps its beginning."""
    arrivals: int = 0
    """Unread records on the topic of arrivals: an upper bound of the unread chats, since shards share that topic."""
    good_checks: int = 0
    """Checks in a row without a fault."""
    was_routed: bool = False
    """True once a check found no fault. Before, `since` is when the monitor began to check."""

    def observe(self, now: float, fault: Fault | None, *, moved: bool) -> None:
        """Take in one check.

        Args:
            now: seconds since 1970.
            fault: the fault found, if any.
            moved: True if the router has read on since the last check.
        """
        if fault is None:
            self.was_routed = True
            self.good_checks += 1
            if self.good_checks >= GOOD_CHECKS or moved:
                self.fault = None
            return
        self.good_checks = 0
        if self.fault is None:
            self.since = now
        self.fault = fault


class RoutingStatus:
    """Which shards are not routed, and since when.

    Args:
        shards: number of shards.
        arrivals: name on the bus of the topic on which chats arrive.
        held_up_after: seconds after which a partition counts as held up by an open transaction.
    """

    def __init__(self, shards: int, arrivals: str, *, held_up_after: float = HELD_UP_SECONDS) -> None:
        self._shards = {shard: ShardStatus() for shard in range(shards)}
        self._arrivals = arrivals
        self.transactions = OpenTransactions(held_up_after)
        """On the source partitions; times are in seconds since 1970."""
        self.checked_at: float | None = None
        """The time of the last check, in seconds since 1970."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self._shards)

    def set_shards(self, shards: int) -> None:
        """Set the number of shards, once it is known; all that was observed is dropped."""
        self._shards = {shard: ShardStatus() for shard in range(shards)}

    def observe(self, now: float, owned: Collection[int], read: Mapping[int, Offsets], ends: Offsets) -> None:
        """Take in one check of the bus.

        Args:
            now: seconds since 1970.
            owned: the shards that have a router.
            read: by shard, the next offsets of its router in the source partitions.
            ends: last stable offsets of the source partitions, as far as known.
        """
        self.checked_at = now
        for number, shard in self._shards.items():
            # Once offsets existed, an empty answer is an error that the client hides; keep the old ones.
            offsets = read.get(number) or shard.read
            unread = {tp: ends[tp] - offset for tp, offset in offsets.items() if ends.get(tp, 0) > offset}
            moved = bool(shard.read) and offsets != shard.read
            shard.read = offsets
            shard.arrivals = sum(records for tp, records in unread.items() if tp.topic == self._arrivals)
            fault: Fault | None = "stands-still" if unread and not moved else None
            shard.observe(now, fault if number in owned else "no-router", moved=moved)

    def unrouted(self, now: float) -> dict[int, ShardStatus]:
        """The shards that have not been routed for REPORT_AFTER_SECONDS."""
        return {
            number: shard
            for number, shard in self._shards.items()
            if shard.fault is not None and now - shard.since >= REPORT_AFTER_SECONDS
        }

    def as_json(self, now: float) -> dict[str, Any]:
        """The field `routing` of a heartbeat; `now` is in seconds since 1970."""
        unrouted = self.unrouted(now)
        first = min(unrouted.values(), key=attrgetter("since"), default=None)
        unknown = [number for number, shard in self._shards.items() if not shard.was_routed and number not in unrouted]
        return {
            "seen_at": _rfc3339(self.checked_at),
            "shards": self.shards,
            "not_known_yet": len(unknown),
            "without_router": [number for number, shard in unrouted.items() if shard.fault == "no-router"],
            "standing_still": [number for number, shard in unrouted.items() if shard.fault == "stands-still"],
            "since": first and _rfc3339(first.since),
            "since_before": first is not None and not first.was_routed,
            "arrivals": max((shard.arrivals for shard in unrouted.values()), default=0),
            "held_up": [_held_up_json(each) for each in self.transactions.held_up(now)],
        }


def _held_up_json(held_up: HeldUp) -> dict[str, Any]:
    return {
        "topic": held_up.partition.topic,
        "partition": held_up.partition.partition,
        "since": _rfc3339(held_up.since),
        "since_before": held_up.since_before,
        "records": held_up.records,
    }


def _rfc3339(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


class _Clients(NamedTuple):
    """The clients of the checks of the routing."""

    admin: AIOKafkaAdminClient
    committed: AIOKafkaConsumer
    """Its `end_offsets` are last stable offsets."""
    uncommitted: AIOKafkaConsumer
    """Its `end_offsets` are high watermarks."""


async def watch_routing(conn: Connection, group_id: str, routing: RoutingStatus) -> None:
    """Check the routing every EVERY_SECONDS, until cancelled. While no broker answers, the status stays as it is.

    Args:
        conn: the cluster.
        group_id: of the installation.
        routing: takes in each check.
    """
    is_reported = False
    while True:
        try:
            async with _clients(conn) as clients:
                while True:
                    began = time.monotonic()
                    await _check_routing(clients, group_id, routing)
                    is_reported = False
                    # With a great many shards a check takes long, and must not be all that the brokers do.
                    await asyncio.sleep(max(EVERY_SECONDS, 5 * (time.monotonic() - began)))
        except _NO_ANSWER as error:
            if not is_reported:
                log.warning("whether chats are routed can't be told now: %s", in_words(error))
            is_reported = True
        await asyncio.sleep(EVERY_SECONDS)


@asynccontextmanager
async def _clients(conn: Connection) -> AsyncIterator[_Clients]:
    async with (
        session(conn) as admin,
        offsets_consumer(conn, ANSWER_SECONDS) as committed,
        offsets_consumer(conn, ANSWER_SECONDS, committed=False) as uncommitted,
    ):
        yield _Clients(admin, committed, uncommitted)


async def _check_routing(clients: _Clients, group_id: str, routing: RoutingStatus) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        members = await describe_members(clients.admin, routers_group(group_id))
        # Each shard commits the offsets of its source partitions under a group id of its own.
        groups = (shard_id(group_id, shard) for shard in range(routing.shards))
        by_shard = await asyncio.gather(*map(clients.admin.list_consumer_group_offsets, groups))
        read = {shard: {tp: each.offset for tp, each in offsets.items()} for shard, offsets in enumerate(by_shard)}
        partitions = await _source_partitions(clients.uncommitted, {tp for offsets in by_shard for tp in offsets})
    # Records written between the two answers look like an open transaction until the next check, when the last stable
    # offset has moved beyond them.
    stable, high = await asyncio.gather(_ends(clients.committed, partitions), _ends(clients.uncommitted, partitions))
    now = time.time()
    routing.transactions.see(now, {tp: Ends(stable[tp], high[tp]) for tp in stable.keys() & high.keys()})
    routing.observe(now, {shard for member in members for shard in member.partitions}, read, stable)


async def _source_partitions(consumer: AIOKafkaConsumer, read: Collection[TopicPartition]) -> set[TopicPartition]:
    """The partitions that were read, and all others of their topics that are in the consumer's metadata."""
    topics = {tp.topic for tp in read}
    if topics:
        await learn(consumer, topics)
    known = ((topic, consumer.partitions_for_topic(topic) or ()) for topic in topics)
    return {*read, *(TopicPartition(topic, partition) for topic, found in known for partition in found)}


async def _ends(consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> Offsets:
    """The end offsets of those partitions whose leaders answer.

    One request asks for all. If it fails, each partition is asked for by itself: one that was deleted or has no leader
    must not hide the others.
    """
    try:
        return await _end_offsets(consumer, sorted(partitions))
    except (KafkaError, TimeoutError):
        each = await asyncio.gather(*(_end_offsets(consumer, [tp]) for tp in partitions), return_exceptions=True)
        return {tp: end for ends in each if not isinstance(ends, BaseException) for tp, end in ends.items()}


async def _end_offsets(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Offsets:
    if not partitions:
        return {}
    async with asyncio.timeout(ANSWER_SECONDS):
        ends: Offsets = await consumer.end_offsets(partitions)
        return ends
