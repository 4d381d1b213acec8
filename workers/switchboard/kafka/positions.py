"""What was read of a source topic and is no longer in it: the topic was made anew, or its retention was too short."""

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
from switchboard.kafka.aiokafka_patches import learn
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.reading import ends_of, opened, partitions_of, read_between, restore
from switchboard.kafka.topics import Topic, TopicNames

Offsets = dict[tuple[str, int], int]
"""(topic on the bus, partition) -> next offset."""


@dataclass(frozen=True, slots=True)
class Gone(Difference):
    """A partition in which a shard can't go on: a router that meets it stops with these words."""

    said: str

    def __str__(self) -> str:
        return self.said


def not_there(known: Offsets, found: Collection[TopicPartition]) -> Iterator[Gone]:
    """The partitions that were read and are not among those found, in order."""
    for topic, partition in sorted(known):
        if TopicPartition(topic, partition) not in found:
            yield _gone(topic, partition, "missing", "there", f"{topic}/{partition} is no longer there")


def cut(known: Offsets, beginnings: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> Iterator[Gone]:
    """The partitions that were read to where there is nothing to go on with, given what each of them holds."""
    for tp, beginning in beginnings.items():
        read_to = known.get((tp.topic, tp.partition))
        if read_to is not None and not beginning <= read_to <= ends[tp]:
            holds = f"holds {beginning} to {ends[tp]}"
            said = f"{tp.topic}/{tp.partition} {holds}, and was read to {read_to}"
            yield _gone(tp.topic, tp.partition, holds, f"to hold {read_to}, to which it was read", said)


def unreadable(tp: TopicPartition) -> Gone:
    """A partition that was cut while it was read."""
    said = f"what was to be read of {tp.topic}/{tp.partition} is gone"
    return _gone(tp.topic, tp.partition, "cut", "there", said)


def _gone(topic: str, partition: int, found: str, expected: str, said: str) -> Gone:
    remedy = f"switchboard topics reset {topic} --from earliest|latest|TIME"
    told = (
        f"{said}: the topic was deleted and made anew, or its retention has overtaken the router. "
        f"Say where to go on with: {remedy}"
    )
    return Gone(topic, f"partition {partition}", found, expected, remedy, fatal=True, said=told)


DEADLINE_SECONDS: Final = 15.0


@dataclass(slots=True, frozen=True)
class Start:
    """Where to begin: at the first or the next record of each partition, or at the first not older than a time."""

    where: Literal["earliest", "latest"] | int
    """The int is ms since 1970."""

    @classmethod
    def parse(cls, text: str) -> "Start":
        """From `earliest`, `latest` or an RFC 3339 time.

        Raises:
            ValueError: it is none of these.
        """
        match text:
            case "earliest" | "latest":
                return cls(text)
        try:
            return cls(parse_ms(text))
        except ValueError:
            raise ValueError(f"expected earliest, latest or a time as 2026-01-31T08:00:00Z, got {text!r}") from None


async def first_offsets(conn: Connection, names: TopicNames, start: Start | None) -> Offsets:
    """The offsets at which a shard without progress begins; routing-config is always read from its beginning.

    Raises:
        NoStartError: the bus holds events and no start was given.
        TimeoutError, KafkaError: no broker answers.
    """
    consumer = reader(conn)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await consumer.start()
        try:
            tps = await partitions_of(conn, names.sources)
            beginnings = await consumer.beginning_offsets(tps)
            ends = await consumer.end_offsets(tps)
            config = names.of(Topic.ROUTING_CONFIG)
            full = sorted({tp.topic for tp in tps if tp.topic != config and beginnings[tp] < ends[tp]})
            if start is None and full:
                raise NoStartError(
                    f"the first start on a bus that holds events ({', '.join(full)}) must be told where to begin: "
                    "switchboard run router --from earliest|latest|TIME"
                )
            at = await offsets_at(consumer, tps, start or Start("earliest"))
            return {(tp.topic, tp.partition): beginnings[tp] if tp.topic == config else at[tp] for tp in tps}
        finally:
            await consumer.stop()


async def offsets_at(consumer: AIOKafkaConsumer, tps: list[TopicPartition], start: Start) -> dict[TopicPartition, int]:
    """The offset of each partition at which a start begins."""
    if not tps:
        return {}
    found: dict[TopicPartition, Any] = {}
    match start.where:
        case "earliest":
            found = await consumer.beginning_offsets(tps)
        case "latest":
            found = await consumer.end_offsets(tps)
        case at:
            found = await consumer.offsets_for_times(dict.fromkeys(tps, at))
    ends = await consumer.end_offsets(tps)
    return {tp: ends[tp] if found[tp] is None else getattr(found[tp], "offset", found[tp]) for tp in tps}


OFFSETS_SECONDS: Final = 30

LEAD_SECONDS: Final = 60 * 60
"""How long before midnight the reading begins: what waited across it is then known. Offers stand for minutes."""


async def offsets_since(
    conn: Connection, partitions: Iterable[TopicPartition], since: float
) -> dict[TopicPartition, int]:
    """The first offset of each partition whose record is no older than `since` (seconds since 1970), else its end.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    wanted = list(partitions)
    consumer = reader(conn)
    async with asyncio.timeout(OFFSETS_SECONDS):
        await consumer.start()
        try:
            ends = await consumer.end_offsets(wanted)
            found = await consumer.offsets_for_times(dict.fromkeys(wanted, int(since * 1000)))
        finally:
            await consumer.stop()
    return {place: ends[place] if told is None else told.offset for place, told in found.items()}


READ_SECONDS: Final = 30
"""For the whole look. It reads a few records of each partition, so it is over in well under a second."""

FIRST_STEP: Final = 2
"""From the end back: the last record, then the marker of its commit, which is never handed out."""

GROWTH: Final = 16
"""How much farther back it looks next time, where all that was there is markers and aborted records."""


async def last_offsets(conn: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset of the last committed record of each partition that has one.

    Not the offset before the end: what stands there is nearly always the marker of a commit, and may be any number of
    aborted records. Who waits for that to be handed out waits for ever.

    Raises:
        TimeoutError: the broker stopped answering.
    """
    consumer = reader(conn)
    async with asyncio.timeout(READ_SECONDS):
        await consumer.start()
        try:
            wanted = list(partitions)
            await learn(consumer, {place.topic for place in wanted})
            starts = await consumer.beginning_offsets(wanted)
            ends = await consumer.end_offsets(wanted)  # read_committed: the last stable offsets
            return await _look_back(consumer, starts, ends)
        finally:
            await consumer.stop()


async def _look_back(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = {}
    step = FIRST_STEP
    left = {place for place, end in ends.items() if end > starts[place]}
    while left:
        since = {place: max(starts[place], ends[place] - step) for place in left}
        async for place, records in read_between(consumer, since, {place: ends[place] for place in left}):
            found[place] = records[-1].offset
        left = {place for place in left if place not in found and since[place] > starts[place]}
        step *= GROWTH
    return found


LOOK_SECONDS: Final = 0.25


async def caught_up(conn: Connection, names: TopicNames, shards: int, *, within: float) -> bool:
    """Whether within so many seconds every shard has read all records that are in the source topics now.

    Raises:
        ReadingError, RestoreError: a topic can't be read.
    """
    until = time.monotonic() + within
    ends = await ends_of(conn, await partitions_of(conn, names.sources))
    for shard in range(shards):
        while await _is_behind(conn, names, shard, ends):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(LOOK_SECONDS)
    return True


async def _is_behind(conn: Connection, names: TopicNames, shard: int, ends: dict[TopicPartition, int]) -> bool:
    rows = (await restore(conn, names, shard))[Topic.SHARD_PROGRESS]
    for tp, end in ends.items():
        row = rows.get(f"source/{tp.topic}/{tp.partition}".encode())
        reached = 0 if row is None else orjson.loads(row)["offset"]
        if reached < end:
            # What is left may be a transaction's marker, which no reader is ever given.
            async with opened(conn, tp, end, begin=reached) as left:
                if await left.next() is not None:
                    return True
    return False
