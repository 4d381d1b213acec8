"""What a log's decisions are held against: a decision log, or the live topics."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aiokafka import TopicPartition

from switchboard.domain.decisions import Decision
from switchboard.errors import NoSuchShardError
from switchboard.journal.codec import encode
from switchboard.journal.decision_log import (
    Comparison,
    Difference,
    Finds,
    Found,
    Key,
    Source,
    by_topic,
    key_of,
    lines_of,
)
from switchboard.kafka.acl import DECIDED, Operation, on_topics, require_rights
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import Partition, ends_of, opened, require_partitions
from switchboard.kafka.topics import Topic, TopicNames


def following(partition: Partition) -> Source:
    """The records of a partition of a live topic.

    The source raises:
        ReadingError: nothing came for half a minute.
    """

    async def next_record() -> Found | None:
        record = await partition.next()
        return None if record is None else Found(record.value or b"", f"offset {record.offset}")

    return next_record


_ALL: Final = 1 << 62
"""After any frame there is."""


@dataclass(slots=True)
class Place:
    """A difference, and in what."""

    name: str
    """The file, or the topic with its partition."""
    difference: Difference


@dataclass(slots=True)
class Rest:
    """What is left over after the log's last frame."""

    strange: Place | None = None
    """The first that the replay has not, and should have."""
    count: int = 0
    """How many are left over and are wrong."""
    beyond: int = 0
    """How many are of frames after the log's last one: a recording may end before the topic does."""


class Against(Protocol):
    """Decisions to hold a log's frames against."""

    before: int
    """Decisions passed over, for they are of frames before the log's first one."""
    gone: int
    """Frames not compared, for their decisions are no longer on the topic."""

    async def hold(self, key: Key, decisions: list[Decision]) -> Place | None:
        """Compare a frame's; the first difference in it."""

    async def rest(self) -> Rest:
        """What is left."""

    @property
    def same(self) -> int:
        """Decisions that are equal."""


class AgainstFile:
    """A decision log: the decisions of all shards, in the order of the log."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        self._name = str(path)
        self._comparison = Comparison(Finds(lines_of(path, progress)))
        self.before = 0
        self.gone = 0

    async def hold(self, key: Key, decisions: list[Decision]) -> Place | None:
        """Compare a frame's; the first difference in it."""
        difference = await self._comparison.hold(key, [encode(decision) for decision in decisions])
        return None if difference is None else Place(self._name, difference)

    async def rest(self) -> Rest:
        """Whatever is left is too much."""
        rest = Rest()
        async for found in self._comparison.rest():
            rest.count += 1
            rest.strange = rest.strange or Place(self._name, self._comparison.left_over(found))
        return rest

    @property
    def same(self) -> int:
        """Decisions that are equal."""
        return self._comparison.same


@dataclass(slots=True)
class _Stream:
    """One partition of a decision topic."""

    name: str
    comparison: Comparison
    first: int | None
    """The first frame that is whole on the topic, where retention has deleted some; None: all is there."""


class AgainstTopics:
    """The live topics `assignment` and `push-request`, up to where they ended when this was made."""

    def __init__(
        self, conn: Connection, names: TopicNames, ends: dict[TopicPartition, int], stack: AsyncExitStack
    ) -> None:
        self._conn = conn
        self._names = names
        self._ends = ends
        self._stack = stack
        self._streams: dict[int, tuple[_Stream, _Stream]] = {}
        self._last: dict[int, int] = {}
        self.before = 0
        self.gone = 0

    @classmethod
    async def open(cls, conn: Connection, names: TopicNames, shards: int, stack: AsyncExitStack) -> "AgainstTopics":
        """Look where the topics end; the stack closes what is opened of them later.

        Raises:
            NotAllowedError: the cluster does not allow reading one.
            WrongTopicsError: a topic is missing.
            ReadingError: a transaction stayed open.
        """
        await require_rights(conn, on_topics(names, Operation.READ, DECIDED))
        tps = [TopicPartition(names.of(topic), shard) for topic in DECIDED for shard in range(shards)]
        await require_partitions(conn, map(names.of, DECIDED))
        return cls(conn, names, await ends_of(conn, tps), stack)

    async def hold(self, key: Key, decisions: list[Decision]) -> Place | None:
        """Compare a frame's, topic by topic; the first difference in it.

        Raises:
            ReadingError: nothing came for half a minute.
            NoSuchShardError: the topics have no such partition.
        """
        shard, number = key
        if shard not in self._streams:
            self._streams[shard] = (
                await self._stream(Topic.ASSIGNMENT, key),
                await self._stream(Topic.PUSH_REQUEST, key),
            )
        self._last[shard] = number
        place: Place | None = None
        is_gone = False
        for stream, expected in zip(self._streams[shard], by_topic(decisions), strict=True):
            if stream.first is not None and number < stream.first:
                is_gone = is_gone or bool(expected)
                continue
            difference = await stream.comparison.hold(key, expected)
            if difference is not None and place is None:
                place = Place(stream.name, difference)
        self.gone += is_gone
        return place

    async def rest(self) -> Rest:
        """What is left over; decisions of frames that the log does not reach are no fault."""
        rest = Rest()
        for shard, streams in self._streams.items():
            for stream in streams:
                async for found in stream.comparison.rest():
                    key = key_of(found.value)
                    if key is not None and key[0] == shard and key[1] > self._last[shard]:
                        rest.beyond += 1
                        continue
                    rest.count += 1
                    rest.strange = rest.strange or Place(stream.name, stream.comparison.left_over(found))
        return rest

    @property
    def same(self) -> int:
        """Decisions that are equal."""
        return sum(stream.comparison.same for streams in self._streams.values() for stream in streams)

    async def _stream(self, topic: Topic, begin: Key) -> _Stream:
        tp = TopicPartition(self._names.of(topic), begin[0])
        if tp not in self._ends:
            raise NoSuchShardError(
                f"the log is of shard {begin[0]}, and {tp.topic} is taken to have fewer: set SWITCHBOARD_SHARDS and "
                "the topic prefix to those of the installation that the log is of"
            )
        partition: Partition = await self._stack.enter_async_context(opened(self._conn, tp, self._ends[tp]))
        finds = Finds(following(partition))
        comparison = Comparison(finds, begin[0])
        first: int | None = None
        if partition.first > 0:
            # Retention cuts anywhere: the first frame that is left may be cut too.
            await finds.head()
            key = finds.head_key
            first = _ALL if key is None else key[1] + 1
            await comparison.skip_until((begin[0], first))
        self.before += await comparison.skip_until(begin)
        return _Stream(f"{tp.topic}/{tp.partition}", comparison, first)
