"""Positions in partitions: where reading starts, which positions are gone, and how markers at the end are passed.

A marker follows the last record of each transaction. It takes an offset, and no reader receives it. So the next offset
to take can be below a partition's end although every record was read.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from switchboard.domain.rfc3339 import parse_ms
from switchboard.errors import NoStartError
from switchboard.kafka.admin import Difference
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.reading import Offsets, ends_of, opened, partitions_of, read_between, restore, started
from switchboard.kafka.topics import Topic, TopicNames

START_SECONDS: Final = 15.0
"""Time to find the offsets of a first start."""
SINCE_SECONDS: Final = 30
"""Time to find the offsets of a time of day."""
LAST_SECONDS: Final = 30
"""Time to find the last records. A few records of each partition are read, usually in well under a second."""
CAUGHT_UP_SECONDS: Final = 0.25
"""Pause between two checks whether a shard has caught up."""
LEAD_SECONDS: Final = 60 * 60
"""How long before midnight the monitor begins to read, to know the chats that waited at midnight. Offers last minutes.
"""
FIRST_STEP: Final = 2
"""Number of offsets before a partition's end that are read first: the last record and the marker of its transaction."""
GROWTH: Final = 16
"""While only markers and aborted records are found, each further read goes so many times farther back."""


# Where reading starts


@dataclass(slots=True, frozen=True)
class Start:
    """Where to begin in each partition: the first record, the next record, or the first not older than a time."""

    where: Literal["earliest", "latest"] | int
    """The int is ms since 1970."""

    @classmethod
    def parse(cls, text: str) -> "Start":
        """From `earliest`, `latest` or an RFC 3339 time.

        Raises:
            ValueError: the text is none of these.
        """
        match text:
            case "earliest" | "latest":
                return cls(text)
        try:
            return cls(parse_ms(text))
        except ValueError:
            raise ValueError(f"expected earliest, latest or a time as 2026-01-31T08:00:00Z, got {text!r}") from None


async def offsets_at(consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], start: Start) -> Offsets:
    """The first offset to read of each partition; the partition's end if all its records are older than the start."""
    wanted = list(tps)
    if not wanted:
        return {}
    if start.where == "earliest":
        beginnings: Offsets = await consumer.beginning_offsets(wanted)
        return beginnings
    # The ends come first: a record that is written between the two calls must not be passed over.
    ends: Offsets = await consumer.end_offsets(wanted)
    if start.where == "latest":
        return ends
    found: dict[TopicPartition, Any] = await consumer.offsets_for_times(dict.fromkeys(wanted, start.where))
    return {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in wanted}


async def first_offsets(conn: Connection, names: TopicNames, start: Start | None) -> Offsets:
    """The offsets at which a shard without progress begins; routing-config is always read from its beginning.

    Args:
        conn: the cluster.
        names: the topics' names.
        start: where to begin; None: only on a bus without events, at its beginning.

    Raises:
        NoStartError: the bus holds events and no start was given.
        NotAllowedError: the right to describe a topic is missing.
        BrokerAwayError, KafkaError, TimeoutError: no broker answers.
    """
    async with asyncio.timeout(START_SECONDS):
        tps = await partitions_of(conn, names.sources)
        async with started(reader(conn), tps) as consumer:
            beginnings = await offsets_at(consumer, tps, Start("earliest"))
            ends = await offsets_at(consumer, tps, Start("latest"))
            config = names.of(Topic.ROUTING_CONFIG)
            full = sorted({tp.topic for tp in tps if tp.topic != config and beginnings[tp] < ends[tp]})
            if start is None and full:
                raise NoStartError(
                    f"the first start on a bus that holds events ({', '.join(full)}) needs a position to begin at: "
                    "switchboard run router --from earliest|latest|TIME"
                )
            at = await offsets_at(consumer, tps, start or Start("earliest"))
            return {tp: beginnings[tp] if tp.topic == config else at[tp] for tp in tps}


async def offsets_since(conn: Connection, tps: Iterable[TopicPartition], since: float) -> Offsets:
    """The offset of the first record no older than `since` (s since 1970), of each partition; else the partition's end.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    wanted = list(tps)
    async with asyncio.timeout(SINCE_SECONDS), started(reader(conn), wanted) as consumer:
        return await offsets_at(consumer, wanted, Start(int(since * 1000)))


# Which positions are gone


@dataclass(frozen=True, slots=True)
class Gone(Difference):
    """A partition that no longer holds the next offset of a shard."""

    message: str
    """With the remedy; a router stops with this message."""

    def __str__(self) -> str:
        return self.message


def not_there(known: Offsets, found: Collection[TopicPartition]) -> Iterator[Gone]:
    """The partitions that were read and no longer exist, in order.

    Args:
        known: next offset of each partition that was read.
        found: the partitions that exist.
    """
    for topic, partition in sorted(known):
        if TopicPartition(topic, partition) not in found:
            yield _gone(topic, partition, "missing", "there", f"{topic}/{partition} is no longer there")


def cut(known: Offsets, beginnings: Offsets, ends: Offsets) -> Iterator[Gone]:
    """The partitions that exist and no longer hold the next offset.

    Args:
        known: next offset of each partition that was read.
        beginnings: first offset of each partition that exists.
        ends: end of each partition that exists.
    """
    for tp, beginning in beginnings.items():
        next_offset = known.get(tp)
        if next_offset is not None and not beginning <= next_offset <= ends[tp]:
            holds = f"holds {beginning} to {ends[tp]}"
            message = f"{tp.topic}/{tp.partition} {holds}, and was read to {next_offset}"
            yield _gone(tp.topic, tp.partition, holds, f"to hold {next_offset}, to which it was read", message)


def unreadable(tp: TopicPartition) -> Gone:
    """A partition that lost its next offset while it was read."""
    message = f"what was to be read of {tp.topic}/{tp.partition} is gone"
    return _gone(tp.topic, tp.partition, "cut", "there", message)


def _gone(topic: str, partition: int, found: str, expected: str, message: str) -> Gone:
    remedy = f"switchboard topics reset {topic} --from earliest|latest|TIME"
    with_remedy = (
        f"{message}: the topic was deleted and made anew, or its retention has overtaken the router. "
        f"Say where to go on with: {remedy}"
    )
    return Gone(topic, f"partition {partition}", found, expected, remedy, fatal=True, message=with_remedy)


# Past transaction markers


def past_markers(known: Offsets, read_to: Offsets) -> Offsets:
    """New next offsets of fully read partitions whose tail is only transaction markers.

    Without the new offsets a partition would seem to have lag for ever, and to have lost unread records once retention
    has emptied the partition.

    Args:
        known: next offset to take of each partition; partitions never read are missing.
        read_to: next offset to fetch of each partition of which every record was taken.
    """
    return {tp: position for tp, position in read_to.items() if known.get(tp, position) < position}


async def last_offsets(conn: Connection, tps: Iterable[TopicPartition]) -> Offsets:
    """The offset of the last committed record of each partition that has one.

    Not the offset before the end: that is nearly always a marker's, after any number of aborted records, and a reader
    that waits for a marker or an aborted record waits for ever.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    wanted = list(tps)
    async with asyncio.timeout(LAST_SECONDS), started(reader(conn), wanted) as consumer:
        beginnings = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)  # read_committed: the last stable offsets
        return await _look_back(consumer, beginnings, ends)


async def _look_back(consumer: AIOKafkaConsumer, beginnings: Offsets, ends: Offsets) -> Offsets:
    found: Offsets = {}
    step = FIRST_STEP
    left = {tp for tp, end in ends.items() if end > beginnings[tp]}
    while left:
        since = {tp: max(beginnings[tp], ends[tp] - step) for tp in left}
        async for tp, records in read_between(consumer, since, {tp: ends[tp] for tp in left}):
            found[tp] = records[-1].offset
        left = {tp for tp in left if tp not in found and since[tp] > beginnings[tp]}
        step *= GROWTH
    return found


async def caught_up(conn: Connection, names: TopicNames, shards: int, *, within: float) -> bool:
    """Whether every shard reads all records that are in the source topics now, within about so many seconds.

    Raises:
        ReadingError, RestoreError: a topic can't be read.
    """
    until = time.monotonic() + within
    ends = await ends_of(conn, await partitions_of(conn, names.sources))
    for shard in range(shards):
        while await _is_behind(conn, names, shard, ends):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(CAUGHT_UP_SECONDS)
    return True


async def _is_behind(conn: Connection, names: TopicNames, shard: int, ends: Mapping[TopicPartition, int]) -> bool:
    rows = (await restore(conn, names, shard))[Topic.SHARD_PROGRESS]
    for tp, end in ends.items():
        row = rows.get(f"source/{tp.topic}/{tp.partition}".encode())
        next_offset = 0 if row is None else orjson.loads(row)["offset"]
        if next_offset < end:
            # The offsets that are left may hold a record, or only markers.
            async with opened(conn, tp, end, begin=next_offset) as left:
                if await left.next() is not None:
                    return True
    return False
