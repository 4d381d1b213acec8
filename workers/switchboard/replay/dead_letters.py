"""Dead letters: what they tell, and putting them back on the topic that they came from."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from switchboard.kafka.admin import WrongTopicsError
from switchboard.kafka.allowed import require_rights
from switchboard.kafka.clients import Connection, producer, reader
from switchboard.kafka.partitions import partitions_of, require_partitions
from switchboard.kafka.reading import ends_of, read_between, started
from switchboard.kafka.rights import Operation, on_topics
from switchboard.kafka.sending import send_as_is
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.router.starting import Start, offsets_at

REPLAYED_FROM: Final = "replayed-from"
"""The header that a letter gets when it is put back: `dead-letter/PARTITION@OFFSET`. The router does not look at it."""

_OWN: Final = ("reason", "detail", "source-topic", "source-partition", "source-offset")
_LAST_OFFSET: Final = "source-last-offset"
_SIZE: Final = "original-size"
_LEFT_OUT: Final = "left-out"
_OPTIONAL: Final = (_LAST_OFFSET, _SIZE, _LEFT_OUT)
"""The router's headers, in this order, after those that the record came with (which may have such names too)."""

_MAX_NUMBER: Final = 2**63 - 1
_MOST_DIGITS: Final = len(str(_MAX_NUMBER))
"""Of a number in a header, which anyone may write: Python refuses to read more than 4,300."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dead letter stands."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """From `PARTITION@OFFSET`.

        Raises:
            ValueError: it is none.
        """
        found = re.fullmatch(r"([0-9]{1,9})@([0-9]{1,18})", text)
        if found is None:
            raise ValueError(f"expected PARTITION@OFFSET, as dead-letter list prints it, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter, read."""

    place: Place
    at: int
    """When it was set aside, ms since 1970."""
    reason: str
    """Empty: no router of ours wrote it."""
    detail: str
    source: tuple[str, int, int]
    """(topic, partition, offset) of the record that it was."""
    headers: tuple[tuple[str, bytes | None], ...]
    """Those that the record came with."""
    key: bytes | None
    value: bytes | None
    original_size: int | None = None
    """Bytes that the value had, where only its beginning was kept."""
    last_offset: int | None = None
    """Where it stands for a batch of records that was not read: the offset of the last one."""
    left_out: str = ""
    """What did not fit into the letter, as in "headers, key"."""

    @property
    def replayed_from(self) -> str | None:
        """The place of the letter that this one was put back from, and failed again."""
        for name, value in reversed(self.headers):
            if name == REPLAYED_FROM and value is not None:
                return value.decode(errors="replace").rpartition("/")[2]
        return None

    @property
    def obstacle(self) -> str | None:
        """Why it can't be put back as it was; None: it can."""
        if not self.reason:
            return "no router set it aside, so nothing tells where it came from"
        if self.last_offset is not None:
            return "it stands for a batch of records that was not read"
        if self.original_size is not None:
            return f"only the first {len(self.value or b''):,} of its {self.original_size:,} bytes were kept"
        if self.left_out:
            return f"it was too large for a record, and its {self.left_out} were left out"
        return None


def read_letter(record: ConsumerRecord) -> DeadLetter:
    """What a record of `dead-letter` tells."""
    headers = tuple(record.headers)
    optional: dict[str, bytes] = {}
    left = headers
    for name in reversed(_OPTIONAL):
        if left and left[-1][0] == name:
            optional[name], left = left[-1][1] or b"", left[:-1]
    own, own_values = tuple(name for name, _ in left[-len(_OWN) :]), [value or b"" for _, value in left[-len(_OWN) :]]
    place = Place(record.partition, record.offset)
    if own != _OWN:
        return DeadLetter(place, record.timestamp, "", "", ("", -1, -1), headers, record.key, record.value)
    reason, detail, topic, partition, offset = (value.decode(errors="replace") for value in own_values)
    source = (topic, _number(partition.encode()), _number(offset.encode()))
    return DeadLetter(
        place,
        record.timestamp,
        reason,
        detail,
        source,
        left[: -len(_OWN)],
        record.key,
        record.value,
        original_size=_number(optional[_SIZE]) if _SIZE in optional else None,
        last_offset=_number(optional[_LAST_OFFSET]) if _LAST_OFFSET in optional else None,
        left_out=optional.get(_LEFT_OUT, b"").decode(errors="replace"),
    )


def _number(text: bytes | None) -> int:
    """A partition, an offset or a size; -1 where the header holds none of at most 63 bits."""
    if text is None or not text.isdigit() or len(text) > _MOST_DIGITS:
        return -1
    number = int(text)
    return number if number <= _MAX_NUMBER else -1


async def dead_letters(
    conn: Connection,
    names: TopicNames,
    since: Start = Start("earliest"),  # noqa: B008 - frozen
) -> AsyncIterator[DeadLetter]:
    """All dead letters of all shards from a time on: each shard's in order, the shards in any.

    Raises:
        NotAllowedError: the cluster does not allow it.
        WrongTopicsError: there is no such topic.
        ReadingError: it can't be read to its end.
    """
    tps = await _partitions(conn, names)
    ends = await ends_of(conn, tps)
    async with started(reader(conn), tps) as consumer:
        begins = await offsets_at(consumer, tps, since)
        async for _, records in read_between(consumer, begins, ends):
            for record in records:
                yield read_letter(record)


async def dead_letter_at(conn: Connection, names: TopicNames, place: Place) -> DeadLetter | None:
    """The dead letter at a place; None: there is none.

    Raises:
        NotAllowedError: the cluster does not allow it.
        WrongTopicsError: there is no such topic.
        ReadingError: it can't be read.
    """
    tp = TopicPartition(names.of(Topic.DEAD_LETTER), place.partition)
    if tp not in await _partitions(conn, names):
        return None
    ends = await ends_of(conn, [tp])
    async with started(reader(conn), [tp]) as consumer:
        first = (await consumer.beginning_offsets([tp]))[tp]
        begin = {tp: max(first, place.offset)}
        async for _, records in read_between(consumer, begin, {tp: min(ends[tp], place.offset + 1)}):
            for record in records:
                return read_letter(record)
    return None


async def _partitions(conn: Connection, names: TopicNames) -> list[TopicPartition]:
    await require_rights(conn, on_topics(names, Operation.READ, (Topic.DEAD_LETTER,)))
    return await require_partitions(conn, [names.of(Topic.DEAD_LETTER)])


async def put_back(conn: Connection, names: TopicNames, letters: Sequence[DeadLetter]) -> None:
    """Send letters without an obstacle to the topics and partitions that they came from, in this order, as they were.

    Raises:
        NotAllowedError: the cluster does not allow writing one of those topics; none was sent.
        WrongTopicsError: a letter's topic is none that the router reads, or is gone; those before it were sent.
        KafkaError: the broker refused one.
    """
    came_from = {letter.source[0] for letter in letters} & names.sources.keys()
    await require_rights(conn, on_topics(names, Operation.WRITE, (names.sources[name] for name in sorted(came_from))))
    there = set(await partitions_of(conn, came_from))
    writer = producer(conn)
    await writer.start()
    try:
        for letter in letters:
            topic, partition, _ = letter.source
            if TopicPartition(topic, 0) not in there:
                raise WrongTopicsError(f"dead letter {letter.place} came from {topic}, which the router does not read")
            if TopicPartition(topic, partition) not in there:
                partition = 0  # the topic was made anew with fewer; one letter's order among others tells nothing
            headers = [(name, value) for name, value in letter.headers if name != REPLAYED_FROM]
            headers.append((REPLAYED_FROM, f"{Topic.DEAD_LETTER}/{letter.place}".encode()))
            await (await send_as_is(writer, topic, partition, letter.key, letter.value, headers))
    finally:
        await writer.stop()
