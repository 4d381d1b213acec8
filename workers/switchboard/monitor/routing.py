"""Whether chats are being routed at all: with no router the tables stand still, and look like a quiet day.

Each shard must have a router, which its group's membership tells; and that router must get on with what is on the bus,
which the offsets tell that it commits to the shard's group.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from switchboard.kafka.admin import session
from switchboard.kafka.clients import BrokerAwayError, Connection, reader
from switchboard.kafka.members import members_told
from switchboard.kafka.ownership import routers_group, shard_id
from switchboard.kafka.rights import NotAllowedError
from switchboard.monitor.views import rfc3339

EVERY_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 8.0
TOLD_AFTER_SECONDS: Final = 10.0
"""What lasts less is a restart or a takeover: a killed router is noticed after 6 s, and a restore takes some 2 s."""

Offsets: TypeAlias = Mapping[TopicPartition, int]
Why: TypeAlias = Literal["no-router", "stands-still"]
AWAY: Final = (BrokerAwayError, NotAllowedError, KafkaError, OSError, TimeoutError)


class Unrouted(NamedTuple):
    """A shard whose chats nobody routes."""

    why: Why
    since: float
    """In seconds since 1970."""
    arrivals: int
    """Records on the topic of arrivals that were not read for it: at most so many chats, those of other shards too."""


@dataclass(slots=True)
class _Shard:
    """What was seen of one shard."""

    read: Offsets = field(default_factory=dict)
    why: Why | None = None
    since: float = 0.0
    arrivals: int = 0


class Routing:
    """Since when which shards are not routed.

    Args:
        shards: how many there are.
        arrivals: the name of the topic on which chats arrive.
    """

    def __init__(self, shards: int, arrivals: str) -> None:
        self._shards = {shard: _Shard() for shard in range(shards)}
        self._arrivals = arrivals

    def see(self, now: float, owned: Iterable[int], read: Mapping[int, Offsets], ends: Offsets) -> None:
        """Take in a look at the bus.

        Args:
            now: when it was, in seconds since 1970.
            owned: the shards that have a router.
            read: by shard, up to where its router has read the sources.
            ends: up to where there is something to be read.
        """
        owned = frozenset(owned)
        for number, shard in self._shards.items():
            offsets = read.get(number, {})
            unread = {tp: ends[tp] - offset for tp, offset in offsets.items() if ends.get(tp, 0) > offset}
            moved, shard.read = offsets != shard.read, offsets
            why: Why | None = "stands-still" if unread else None
            if number not in owned:
                why = "no-router"
            if why != shard.why or (why == "stands-still" and moved):
                shard.why, shard.since = why, now
            shard.arrivals = sum(unread[tp] for tp in unread if tp.topic == self._arrivals)

    def forget(self) -> None:
        """The bus can't be asked: nothing is known."""
        self._shards = {number: _Shard() for number in self._shards}

    def unrouted(self, now: float) -> dict[int, Unrouted]:
        """The shards of which it has been so for TOLD_AFTER_SECONDS."""
        return {
            number: Unrouted(shard.why, shard.since, shard.arrivals)
            for number, shard in self._shards.items()
            if shard.why is not None and now - shard.since >= TOLD_AFTER_SECONDS
        }

    def told(self, now: float) -> dict[str, Any]:
        """As it goes to the pages."""
        found = self.unrouted(now)
        first = min(found.values(), key=attrgetter("since"), default=None)
        return {
            "shards": len(self._shards),
            "unrouted": sorted(found),
            "why": first and first.why,
            "since": first and rfc3339(datetime.fromtimestamp(first.since, UTC)),
            "arrivals": max((each.arrivals for each in found.values()), default=0),
        }


async def watch(conn: Connection, group_id: str, routing: Routing, shards: int) -> None:
    """Look every EVERY_SECONDS, until cancelled."""
    while True:
        with contextlib.suppress(*AWAY):
            async with session(conn) as client, _reader(conn) as consumer:
                while True:
                    await _look(client, consumer, group_id, routing, shards)
                    await asyncio.sleep(EVERY_SECONDS)
        routing.forget()
        await asyncio.sleep(EVERY_SECONDS)


async def _look(
    client: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group_id: str, routing: Routing, shards: int
) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        members = await members_told(client, routers_group(group_id))
        told = [await client.list_consumer_group_offsets(shard_id(group_id, shard)) for shard in range(shards)]
    read = {shard: {tp: each.offset for tp, each in offsets.items()} for shard, offsets in enumerate(told)}
    places = sorted({tp for offsets in told for tp in offsets})
    ends: Offsets = {}
    with contextlib.suppress(KafkaError, TimeoutError):  # a topic may be gone: who has a router is known all the same
        async with asyncio.timeout(ANSWER_SECONDS):
            ends = await consumer.end_offsets(places) if places else {}
    routing.see(time.time(), (shard for member in members for shard in member.partitions), read, ends)


@asynccontextmanager
async def _reader(conn: Connection) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = reader(conn)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(ANSWER_SECONDS):
                await consumer.stop()
