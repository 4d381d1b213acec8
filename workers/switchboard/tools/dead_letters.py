"""Dead letters: their contents, and putting them back on their source topics."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from switchboard.errors import WrongTopicsError
from switchboard.journal.recorded_log import MAX_OFFSET
from switchboard.kafka.acl import Operation, on_topics, require_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, reader, send_as_is, started_producer
from switchboard.kafka.ledger import stop_producer
from switchboard.kafka.positions import Start, offsets_at
from switchboard.kafka.reading import ends_of, partitions_of, read_between, require_partitions, started
from switchboard.kafka.topics import Topic, TopicNames

STOP_SECONDS: Final = 5

REPLAYED_FROM: Final = "replayed-from"
"""Header of a record put back: `dead-letter/PARTITION@OFFSET`, the place of its dead letter. The router ignores it.

Any producer of a source topic can write this header, so it is a claim that `Replays` checks.
"""

_ROUTER_HEADERS: Final = ("reason", "detail", "source-topic", "source-partition", "source-offset")
_LAST_OFFSET: Final = "source-last-offset"
_SIZE: Final = "original-size"
_LEFT_OUT: Final = "left-out"
_OPTIONAL: Final = (_LAST_OFFSET, _SIZE, _LEFT_OUT)
"""The router's headers, in this order, after the record's own headers, which may have the same names."""

_MOST_DIGITS: Final = len(str(MAX_OFFSET))
"""Digits of a number in a header. Any producer can write the header, and Python refuses above 4,300 digits."""


@dataclass(frozen=True, slots=True)
class Place:
    """The partition and offset of a dead letter on its topic."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place written as `PARTITION@OFFSET`.

        Raises:
            ValueError: the text has another form.
        """
        found = re.fullmatch(r"([0-9]{1,9})@([0-9]{1,18})", text)
        if found is None:
            raise ValueError(f"expected PARTITION@OFFSET, as dead-letter list prints it, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: a bad record with the reason."""

    place: Place
    at: int
    """When the router set the record aside, ms since 1970."""
    reason: str
    """Empty if no router wrote the letter."""
    detail: str
    source: tuple[str, int, int]
    """(topic, partition, offset) of the bad record; partition and offset are -1 where the header has no number."""
    headers: tuple[tuple[str, bytes | None], ...]
    """The record's own headers."""
    key: bytes | None
    value: bytes | None
    original_size: int | None = None
    """Bytes of the record's value, if the letter has only its beginning."""
    last_offset: int | None = None
    """Offset of the last record, if the letter stands for an unreadable batch of records."""
    left_out: str = ""
    """Parts of the record that did not fit into the letter, such as "headers, key"."""

    @property
    def replayed_from(self) -> Place | None:
        """The place of the letter that this record was put back from, as its last `replayed-from` header claims."""
        for name, value in reversed(self.headers):
            if name == REPLAYED_FROM and value is not None:
                try:
                    return Place.parse(value.decode(errors="replace").removeprefix(f"{Topic.DEAD_LETTER}/"))
                except ValueError:
                    return None
        return None

    @property
    def fingerprint(self) -> bytes:
        """32 bytes: equal for letters of the same source topic, key, value, and headers except `replayed-from`."""
        digest = hashlib.sha256()
        headers = [part for name, value in self.headers if name != REPLAYED_FROM for part in (_bytes(name), value)]
        for part in (_bytes(self.source[0]), self.key, self.value, *headers):
            # With the length in front, no two lists of parts give the same bytes.
            digest.update(b"-" if part is None else b"%d:" % len(part))
            digest.update(part or b"")
        return digest.digest()

    @property
    def obstacle(self) -> str | None:
        """Why the record can't be put back unchanged; None if it can."""
        if not self.reason:
            return "no router set it aside, so nothing tells where it came from"
        if self.last_offset is not None:
            return "it stands for a batch of records that was not read"
        if self.original_size is not None:
            return f"only the first {len(self.value or b''):,} of its {self.original_size:,} bytes were kept"
        if self.left_out:
            return f"the dead letter was written without the record's {self.left_out}"
        return None


def read_letter(record: ConsumerRecord) -> DeadLetter:
    """Read a record of `dead-letter`. A record without the router's headers gives a letter with an empty reason."""
    headers = tuple(record.headers)
    optional: dict[str, bytes] = {}
    rest = headers
    # From the end, because the record's own headers may have the same names.
    for name in reversed(_OPTIONAL):
        if rest and rest[-1][0] == name:
            optional[name], rest = rest[-1][1] or b"", rest[:-1]
    last = rest[-len(_ROUTER_HEADERS) :]
    place = Place(record.partition, record.offset)
    if tuple(name for name, _ in last) != _ROUTER_HEADERS:
        return DeadLetter(place, record.timestamp, "", "", ("", -1, -1), headers, record.key, record.value)
    reason, detail, topic, partition, offset = ((value or b"").decode(errors="replace") for _, value in last)
    source = (topic, _number(partition.encode()), _number(offset.encode()))
    return DeadLetter(
        place,
        record.timestamp,
        reason,
        detail,
        source,
        rest[: -len(_ROUTER_HEADERS)],
        record.key,
        record.value,
        original_size=_number(optional[_SIZE]) if _SIZE in optional else None,
        last_offset=_number(optional[_LAST_OFFSET]) if _LAST_OFFSET in optional else None,
        left_out=optional.get(_LEFT_OUT, b"").decode(errors="replace"),
    )


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


class Replays:
    """Finds the letters whose records were put back and set aside again, by the `replayed-from` headers.

    A claim counts only if the later letter has the same topic, key, value and headers, and a later offset of the same
    partition. Partition 0 counts too, because `put_back` uses partition 0 if the original partition is gone. A forged
    claim does no harm: a letter that meets all of this is the same record, and can be put back itself. About 200 bytes
    of memory a claim.
    """

    def __init__(self) -> None:
        self._claims: dict[Place, dict[bytes, list[tuple[Place, int, int]]]] = {}
        """Claimed place → fingerprint → (place, source partition, source offset) of the letters with this claim."""

    def note(self, letter: DeadLetter) -> None:
        """Remember a letter's claim, if the letter has one."""
        claimed = letter.replayed_from
        if claimed is not None and letter.reason:
            _, partition, offset = letter.source
            found = (letter.place, partition, offset)
            self._claims.setdefault(claimed, {}).setdefault(letter.fingerprint, []).append(found)

    def later(self, letter: DeadLetter) -> Place | None:
        """The place of a noted letter with the same record, put back and set aside again; None without one."""
        claims = self._claims.get(letter.place)
        if claims is None:
            return None
        _, own_partition, own_offset = letter.source
        # The fingerprint is computed once, because any producer can make 100,000 claims.
        for place, partition, offset in claims.get(letter.fingerprint, ()):
            follows = offset > own_offset if partition == own_partition else partition == 0
            if follows and place != letter.place:
                return place
        return None


def _number(text: bytes | None) -> int:
    """A partition, offset or size from a header; -1 if the text is no number of 63 bits."""
    if text is None or not text.isdigit() or len(text) > _MOST_DIGITS:
        return -1
    number = int(text)
    return number if number <= MAX_OFFSET else -1


async def dead_letters(
    conn: Connection,
    names: TopicNames,
    since: Start = Start("earliest"),  # noqa: B008 - frozen
) -> AsyncIterator[DeadLetter]:
    """The dead letters of all shards since a time. Letters of a shard are in order; shards are mixed.

    Raises:
        NotAllowedError: the cluster does not allow reading the topic.
        WrongTopicsError: the topic is missing.
        ReadingError: the topic can't be read to its end.
    """
    tps = await _partitions(conn, names)
    ends = await ends_of(conn, tps)
    async with started(reader(conn), tps) as consumer:
        begins = await offsets_at(consumer, tps, since)
        async for _, records in read_between(consumer, begins, ends):
            for record in records:
                yield read_letter(record)


async def dead_letter_at(conn: Connection, names: TopicNames, place: Place) -> DeadLetter | None:
    """The dead letter at a place; None if there is no record at this place.

    Raises:
        NotAllowedError: the cluster does not allow reading the topic.
        WrongTopicsError: the topic is missing.
        ReadingError: the topic can't be read.
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


async def put_back(
    conn: Connection, names: TopicNames, letters: Sequence[DeadLetter], wait: BrokerWait | None = None
) -> None:
    """Send the records of letters to their source topics and partitions, unchanged and in this order.

    Args:
        conn: the cluster.
        names: the topics' names.
        letters: letters without an obstacle.
        wait: how long each step before the first letter waits for brokers. Later a record is sent again, without end,
            until a broker has taken it once: the producer is idempotent.

    Raises:
        NotAllowedError: the cluster does not allow writing a source topic; nothing was sent.
        WrongTopicsError: a letter's topic is missing, or no source topic; the letters before it were sent.
        BrokerAwayError: a needed broker was away for too long; nothing was sent.
        KafkaError: the broker refused a record.
    """
    wait = wait or BrokerWait(conn)
    topics = sorted({letter.source[0] for letter in letters} & names.sources.keys())
    needed = on_topics(names, Operation.WRITE, (names.sources[name] for name in topics))
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    partitions = set(await wait.retry("looking at the topics", lambda: partitions_of(conn, topics)))
    writer = await wait.retry("starting a producer", lambda: started_producer(conn, {tp.topic for tp in partitions}))
    try:
        for letter in letters:
            topic, partition, _ = letter.source
            if TopicPartition(topic, 0) not in partitions:
                raise WrongTopicsError(f"dead letter {letter.place} came from {topic}, which the router does not read")
            # The topic was created again with fewer partitions. A record put back alone has no order to keep.
            if TopicPartition(topic, partition) not in partitions:
                partition = 0
            headers = [(name, value) for name, value in letter.headers if name != REPLAYED_FROM]
            headers.append((REPLAYED_FROM, f"{Topic.DEAD_LETTER}/{letter.place}".encode()))
            sent = await send_as_is(writer, topic, partition, letter.key, letter.value, headers)
            await wait.watch("what was sent is not acknowledged", sent)
    finally:
        await stop_producer(writer, STOP_SECONDS)
