"""A consumer that is only asked how far partitions reach, by a deadline: a broker may be there and say nothing."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from switchboard.errors import BrokerAwayError, NotAllowedError, SecurityError
from switchboard.kafka.aiokafka_patches import learn
from switchboard.kafka.clients import Connection, in_words, reader, session
from switchboard.kafka.open_transactions import Ends, HeldUp, OpenTransactions
from switchboard.kafka.ownership import describe_members
from switchboard.kafka.topics import routers_group, shard_id
from switchboard.monitor.views import rfc3339


@asynccontextmanager
async def asking(conn: Connection, within: float, *, committed: bool = True) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer, started, and stopped at the end.

    Args:
        conn: the cluster.
        within: seconds that the start may take, and the end.
        committed: whether the ends that it tells are last stable offsets; False: high watermarks.

    Raises:
        KafkaError, OSError, TimeoutError: it could not be started.
    """
    consumer = reader(conn, committed=committed)
    try:
        async with asyncio.timeout(within):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(within):
                await consumer.stop()


EVERY_SECONDS: Final = 2.0
PULSE_SECONDS: Final = 4.0


@dataclass(slots=True)
class Pulse:
    """When the bus last answered."""

    answered_at: float | None = None
    """In seconds since 1970; None before the first answer."""


async def feel(conn: Connection, places: Sequence[TopicPartition], pulse: Pulse) -> None:
    """Ask for the ends of these partitions every EVERY_SECONDS, until cancelled."""
    while True:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await _ask(conn, places, pulse)
        await asyncio.sleep(EVERY_SECONDS)


async def _ask(conn: Connection, places: Sequence[TopicPartition], pulse: Pulse) -> None:
    async with asking(conn, PULSE_SECONDS) as consumer:
        while True:
            async with asyncio.timeout(PULSE_SECONDS):
                await consumer.end_offsets(places)
            pulse.answered_at = time.time()
            await asyncio.sleep(EVERY_SECONDS)


log = logging.getLogger(__name__)
ANSWER_SECONDS: Final = 8.0
TOLD_AFTER_SECONDS: Final = 15.0
"""What lasts less is a restart or a takeover: a rebalance, in which no member has a shard, takes up to 10 s."""
WELL_LOOKS: Final = 3
"""So many in a row, and a shard is routed again: a router that dies whenever it has started has it for a moment."""

Offsets: TypeAlias = Mapping[TopicPartition, int]
Why: TypeAlias = Literal["no-router", "stands-still"]
AWAY: Final = (BrokerAwayError, NotAllowedError, SecurityError, KafkaError, OSError, TimeoutError)


@dataclass(slots=True)
class Shard:
    """What was seen of one shard."""

    read: Offsets = field(default_factory=dict)
    """Up to where its router has read the sources, as far as was told."""
    why: Why | None = None
    """What was the matter when last something was; None while it is routed."""
    since: float = 0.0
    """Since when, in seconds since 1970, whatever the matter was."""
    arrivals: int = 0
    """Records on the topic of arrivals that were not read for it: at most so many chats, those of other shards too."""
    well: int = 0
    """Looks in a row in which nothing was the matter."""
    is_known: bool = False
    """Whether it was ever seen to be routed: else `since` is when the monitor began to look."""

    def see(self, now: float, why: Why | None, *, moved: bool) -> None:
        """Take in what is the matter with it, and whether its router got on."""
        if why is None:
            self.is_known = True
            self.well += 1
            if self.well >= WELL_LOOKS or moved:
                self.why = None
            return
        self.well = 0
        if self.why is None:
            self.since = now
        self.why = why


class Routing:
    """Since when which shards are not routed.

    Args:
        shards: how many there are.
        arrivals: the name of the topic on which chats arrive.
    """

    def __init__(self, shards: int, arrivals: str) -> None:
        self._shards = {shard: Shard() for shard in range(shards)}
        self._arrivals = arrivals
        self.transactions = OpenTransactions()
        """Those that are open on the source partitions; times are in seconds since 1970."""
        self.seen_at: float | None = None
        """When it was last looked at, in seconds since 1970."""

    def expect(self, shards: int) -> None:
        """Note how many shards there are, once it is known. Nothing is known of them yet."""
        self._shards = {shard: Shard() for shard in range(shards)}

    def see(self, now: float, owned: Collection[int], read: Mapping[int, Offsets], ends: Offsets) -> None:
        """Take in a look at the bus.

        Args:
            now: when it was, in seconds since 1970.
            owned: the shards that have a router.
            read: by shard, up to where its router has read the sources.
            ends: up to where there is something to be read, as far as that is known.
        """
        self.seen_at = now
        for number, shard in self._shards.items():
            told = read.get(number, {})
            if shard.read and not told:
                told = shard.read  # whoever has told it once goes on: this is an error that the client does not tell
            unread = {tp: ends[tp] - offset for tp, offset in told.items() if ends.get(tp, 0) > offset}
            moved = bool(shard.read) and told != shard.read
            shard.read = told
            shard.arrivals = sum(number for tp, number in unread.items() if tp.topic == self._arrivals)
            why: Why | None = "stands-still" if unread and not moved else None
            shard.see(now, why if number in owned else "no-router", moved=moved)

    def unrouted(self, now: float) -> dict[int, Shard]:
        """The shards that have not been routed for TOLD_AFTER_SECONDS."""
        return {
            number: shard
            for number, shard in self._shards.items()
            if shard.why is not None and now - shard.since >= TOLD_AFTER_SECONDS
        }

    def told(self, now: float) -> dict[str, Any]:
        """As it goes to the pages."""
        found = self.unrouted(now)
        first = min(found.values(), key=attrgetter("since"), default=None)
        return {
            "seen_at": _time(self.seen_at),
            "shards": len(self._shards),
            "not_known_yet": sum(not shard.is_known for number, shard in self._shards.items() if number not in found),
            "without_router": [number for number, shard in found.items() if shard.why == "no-router"],
            "standing_still": [number for number, shard in found.items() if shard.why == "stands-still"],
            "since": first and _time(first.since),
            "since_before": first is not None and not first.is_known,
            "arrivals": max((shard.arrivals for shard in found.values()), default=0),
            "held_up": [_held_up_told(each) for each in self.transactions.held_up(now)],
        }


def _held_up_told(held_up: HeldUp) -> dict[str, Any]:
    return {
        "topic": held_up.partition.topic,
        "partition": held_up.partition.partition,
        "since": _time(held_up.since),
        "since_before": held_up.since_before,
        "records": held_up.records,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


async def watch(conn: Connection, group_id: str, routing: Routing, shards: int) -> None:
    """Look every EVERY_SECONDS, until cancelled."""
    is_told = False
    while True:
        try:
            async with (
                session(conn) as client,
                asking(conn, ANSWER_SECONDS) as committed,
                asking(conn, ANSWER_SECONDS, committed=False) as uncommitted,
            ):
                while True:
                    began = time.monotonic()
                    await _look(client, committed, uncommitted, group_id, routing, shards)
                    is_told = False
                    # With a great many shards a look takes long, and must not be all that the brokers do.
                    await asyncio.sleep(max(EVERY_SECONDS, 5 * (time.monotonic() - began)))
        except AWAY as error:
            if not is_told:
                log.warning("whether chats are routed can't be told now: %s", in_words(error))
            is_told = True
        await asyncio.sleep(EVERY_SECONDS)


async def _look(
    client: AIOKafkaAdminClient,
    committed: AIOKafkaConsumer,
    uncommitted: AIOKafkaConsumer,
    group_id: str,
    routing: Routing,
    shards: int,
) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        members = await describe_members(client, routers_group(group_id))
        groups = (shard_id(group_id, shard) for shard in range(shards))
        told = await asyncio.gather(*map(client.list_consumer_group_offsets, groups))
        read = {shard: {tp: each.offset for tp, each in offsets.items()} for shard, offsets in enumerate(told)}
        places = await _partitions(uncommitted, {tp for offsets in told for tp in offsets})
    # What is written between the two answers looks like an open transaction until the next look: the last stable
    # offset has then moved beyond it.
    stable, high = await asyncio.gather(_ends(committed, places), _ends(uncommitted, places))
    now = time.time()
    routing.transactions.see(now, {tp: Ends(stable[tp], high[tp]) for tp in stable.keys() & high.keys()})
    routing.see(now, {shard for member in members for shard in member.partitions}, read, stable)


async def _partitions(consumer: AIOKafkaConsumer, read: Collection[TopicPartition]) -> set[TopicPartition]:
    """Those of which anything was read, and all others of their topics, as far as the consumer's metadata tells."""
    topics = {tp.topic for tp in read}
    if topics:
        await learn(consumer, topics)
    known = ((topic, consumer.partitions_for_topic(topic) or ()) for topic in topics)
    return {*read, *(TopicPartition(topic, partition) for topic, found in known for partition in found)}


async def _ends(consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> Offsets:
    """The ends of those partitions that tell it: one that is gone, or has no leader, is no reason to know nothing."""
    try:
        return await _end_offsets(consumer, sorted(places))
    except (KafkaError, TimeoutError):
        each = await asyncio.gather(*(_end_offsets(consumer, [tp]) for tp in places), return_exceptions=True)
        return {tp: end for ends in each if not isinstance(ends, BaseException) for tp, end in ends.items()}


async def _end_offsets(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> Offsets:
    if not places:
        return {}
    async with asyncio.timeout(ANSWER_SECONDS):
        ends: Offsets = await consumer.end_offsets(places)
        return ends
