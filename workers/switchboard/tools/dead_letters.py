"""Dead letters: what they tell, and putting them back on the topic that they came from."""

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
"""The header that a letter gets when it is put back: `dead-letter/PARTITION@OFFSET`. The router does not look at it.

Whoever may write to a source topic may write it too, so it is a claim: `Replays` says whether it is true.
"""

_OWN: Final = ("reason", "detail", "source-topic", "source-partition", "source-offset")
_LAST_OFFSET: Final = "source-last-offset"
_SIZE: Final = "original-size"
_LEFT_OUT: Final = "left-out"
_OPTIONAL: Final = (_LAST_OFFSET, _SIZE, _LEFT_OUT)
"""The router's headers, in this order, after those that the record came with (which may have such names too)."""

_MOST_DIGITS: Final = len(str(MAX_OFFSET))
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
    def replayed_from(self) -> Place | None:
        """The place of the letter that this one was put back from, as its last such header claims."""
        for name, value in reversed(self.headers):
            if name == REPLAYED_FROM and value is not None:
                try:
                    return Place.parse(value.decode(errors="replace").removeprefix(f"{Topic.DEAD_LETTER}/"))
                except ValueError:
                    return None
        return None

    @property
    def fingerprint(self) -> bytes:
        """32 bytes, equal for two letters of the same source topic, key, value and headers but `replayed-from`."""
        digest = hashlib.sha256()
        headers = [part for name, value in self.headers if name != REPLAYED_FROM for part in (_bytes(name), value)]
        for part in (_bytes(self.source[0]), self.key, self.value, *headers):
            digest.update(b"-" if part is None else b"%d:" % len(part))  # no two lists of parts read the same
            digest.update(part or b"")
        return digest.digest()

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
            return f"the dead letter was written without the record's {self.left_out}"
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


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


class Replays:
    """Which letters were put back and set aside again, from what the letters claim with `replayed-from`.

    A claim is believed only where what was set aside again is what was put back: the same topic, key, value and
    headers, from a later offset of the same partition (or from partition 0, where `put_back` sends what came from a
    partition that is gone). A forged claim with all of that equal keeps nothing from being replayed: the letter that
    makes it is the same record, and can be replayed itself. About 200 bytes of memory a claim.
    """

    def __init__(self) -> None:
        self._claims: dict[Place, dict[bytes, list[tuple[Place, int, int]]]] = {}
        """By place and fingerprint: where the claim was found, and the partition and offset it came from."""

    def note(self, letter: DeadLetter) -> None:
        """Take a letter's claim, if it makes one."""
        claimed = letter.replayed_from
        if claimed is not None and letter.reason:
            _, partition, offset = letter.source
            found = (letter.place, partition, offset)
            self._claims.setdefault(claimed, {}).setdefault(letter.fingerprint, []).append(found)

    def again(self, letter: DeadLetter) -> Place | None:
        """Where a letter stands that is this one put back; None: none of those that were noted."""
        claims = self._claims.get(letter.place)
        if claims is None:
            return None
        _, own_partition, own_offset = letter.source
        for place, partition, offset in claims.get(letter.fingerprint, ()):  # once: anyone may make 100,000 claims
            follows = offset > own_offset if partition == own_partition else partition == 0
            if follows and place != letter.place:
                return place
        return None


def _number(text: bytes | None) -> int:
    """A partition, an offset or a size; -1 where the header holds none of at most 63 bits."""
    if text is None or not text.isdigit() or len(text) > _MOST_DIGITS:
        return -1
    number = int(text)
    return number if number <= MAX_OFFSET else -1


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


async def put_back(
    conn: Connection, names: TopicNames, letters: Sequence[DeadLetter], wait: BrokerWait | None = None
) -> None:
    """Send letters without an obstacle to the topics and partitions that they came from, in this order, as they were.

    Args:
        conn: the cluster.
        names: the topics' names.
        letters: what to send.
        wait: how long each step before the first letter waits for brokers, its default unless given. Later a letter is
            sent again, without end, until a broker has taken it once: the producer is idempotent.

    Raises:
        NotAllowedError: the cluster does not allow writing one of those topics; none was sent.
        WrongTopicsError: a letter's topic is none that the router reads, or is gone; those before it were sent.
        BrokerAwayError: a broker that is needed was away for too long; none was sent.
        KafkaError: the broker refused one.
    """
    wait = wait or BrokerWait(conn)
    came_from = sorted({letter.source[0] for letter in letters} & names.sources.keys())
    needed = on_topics(names, Operation.WRITE, (names.sources[name] for name in came_from))
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    there = set(await wait.retry("looking at the topics", lambda: partitions_of(conn, came_from)))
    writer = await wait.retry("starting a producer", lambda: started_producer(conn, {tp.topic for tp in there}))
    try:
        for letter in letters:
            topic, partition, _ = letter.source
            if TopicPartition(topic, 0) not in there:
                raise WrongTopicsError(f"dead letter {letter.place} came from {topic}, which the router does not read")
            if TopicPartition(topic, partition) not in there:
                partition = 0  # the topic was made anew with fewer; one letter's order among others tells nothing
            headers = [(name, value) for name, value in letter.headers if name != REPLAYED_FROM]
            headers.append((REPLAYED_FROM, f"{Topic.DEAD_LETTER}/{letter.place}".encode()))
            sent = await send_as_is(writer, topic, partition, letter.key, letter.value, headers)
            await wait.watch("what was sent is not acknowledged", sent)
    finally:
        await stop_producer(writer, STOP_SECONDS)
