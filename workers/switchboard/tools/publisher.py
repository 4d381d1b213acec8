"""Publishing of a bus log to the source topics of a live bus, at a chosen pace and with moved times."""

import asyncio
import contextlib
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.partitioner import murmur2

from switchboard.domain.rfc3339 import format_ms, parse_ms
from switchboard.errors import BrokerAwayError
from switchboard.journal.codec import SOURCE_TOPICS, BadInput, decode_event
from switchboard.journal.printable_text import counted
from switchboard.journal.recorded_log import Record, Skip, bare_topic, is_timely, read_log, refuse
from switchboard.kafka.acl import Operation, on_topics, require_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, send_as_is, started_producer, unless_stopped
from switchboard.kafka.ledger import stop_producer
from switchboard.kafka.reading import require_partitions
from switchboard.kafka.topics import Topic, TopicNames

TIME_HEADER: Final = "ce_time"

_times: Final = re.compile(rb'("(?:arrived_at|accepted_at|requested_at)"\s*:\s*")([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class Rebase:
    """A shift of recorded times to the present. At a `speed` of 2, times lie half as far from the first one.

    Attributes:
        first: the recorded time that becomes `now`, ms since 1970.
        now: ms since 1970.
        speed: multiple of the recorded pace.
    """

    first: int
    now: int
    speed: float

    def move(self, record: Record) -> Record:
        """The record with a moved timestamp, `ce_time` header and time fields; all other bytes are unchanged.

        A time outside the years 0001 to 9999 is unchanged as well, so that the router sets the record aside again.
        """
        headers = tuple(
            (name, self._moved_text(value) if name == TIME_HEADER and value is not None else value)
            for name, value in record.headers
        )
        payload = record.payload
        if payload is not None:
            payload = _times.sub(lambda found: found[1] + self._moved_text(found[2]) + b'"', payload)
        ts = self._moved_ms(record.ts) if is_timely(record.ts) else record.ts
        return replace(record, ts=ts, headers=headers, payload=payload)

    def _moved_ms(self, ms: int) -> int:
        return self.now + round((ms - self.first) / self.speed)

    def _moved_text(self, text: bytes) -> bytes:
        try:
            return format_ms(self._moved_ms(parse_ms(text.decode()))).encode()
        except ValueError:
            return text  # no valid time: the router sets the record aside again


NO_EVENT: Final = "(no event)"
"""Stands for the event type of a bad record."""


@dataclass(slots=True)
class LogSummary:
    """The records of a log that are to be sent."""

    by_topic: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Lines of other topics than source topics, and of excluded event types."""
    first: int | None = None
    """Smallest timestamp within the years 0001 to 9999, ms since 1970."""
    last: int | None = None
    """Largest timestamp within the years 0001 to 9999, ms since 1970."""

    @property
    def records(self) -> int:
        """Number of records to send."""
        return self.by_topic.total()

    @property
    def seconds(self) -> float:
        """Duration of the recording, s."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1000


def summarize(path: Path, only: frozenset[str], skip: Skip = refuse) -> LogSummary:
    """Read a log and count the records to send.

    Args:
        path: the bus log.
        only: event types to send; empty for all.
        skip: called for each damaged line; may raise the error.

    Raises:
        RecordedLogError: a line is damaged and `skip` raises.
        OSError: the file can't be read.
    """
    summary = LogSummary()
    for record, event_type in _source_records(path, summary, skip):
        if only and event_type not in only:
            summary.skipped += 1
            continue
        summary.by_topic[bare_topic(record.topic)] += 1
        summary.by_type[event_type] += 1
        if is_timely(record.ts):
            summary.first = record.ts if summary.first is None else min(summary.first, record.ts)
            summary.last = record.ts if summary.last is None else max(summary.last, record.ts)
    return summary


def records_to_send(path: Path, only: frozenset[str]) -> Iterator[Record]:
    """The records of a log with one of these event types; all if empty. Damaged lines are skipped silently."""
    for record, event_type in _source_records(path, LogSummary(), lambda _: None):
        if not only or event_type in only:
            yield record


def _source_records(path: Path, summary: LogSummary, skip: Skip) -> Iterator[tuple[Record, str]]:
    """The records of source topics, each with the event's type."""
    for record in read_log(path, skip):
        topic = bare_topic(record.topic)
        if topic not in SOURCE_TOPICS:
            summary.skipped += 1
            continue
        source = (record.topic, record.partition, record.offset)
        event = decode_event(topic, record.headers, record.payload, source=source, timestamp=record.ts)
        yield record, NO_EVENT if isinstance(event, BadInput) else event.type


UNDER_WAY: Final = 500
"""Unacknowledged records at most."""
STOP_SECONDS: Final = 5
UNACKNOWLEDGED: Final = "what was sent is not acknowledged"
GRACE_SECONDS: Final = 0.004
"""How long a record may wait beyond its due time for acknowledgements. The pace is kept within 10 ms."""


@dataclass(slots=True)
class Published:
    """The records sent so far."""

    by_topic: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    """Topic → records sent to another partition than the recorded one, because the topic has fewer now."""
    latest: float = 0.0
    """Largest delay of a record from its due time until the client took it, s."""

    @property
    def records(self) -> int:
        """Number of records sent."""
        return self.by_topic.total()


async def publish(
    conn: Connection,
    names: TopicNames,
    records: Iterable[Record],
    topics: Iterable[str],
    *,
    speed: float | None,
    rebase: bool,
    stop: asyncio.Event,
    report: Callable[[Published], None],
    wait: BrokerWait | None = None,
) -> Published:
    """Send records to the source topics: keys, headers and bytes as recorded, each partition's in order.

    With a pace, a record that goes to another partition than the previous one is sent once all earlier records are
    acknowledged, so that the order across topics is kept. From about 500 records/s on that would slow the pace down.
    Then, and without a pace, only the timestamps give the order across topics.

    Args:
        conn: the cluster.
        names: the topics' names.
        records: what to send, in order.
        topics: the bare names of all topics among them.
        speed: multiple of the recorded pace; None: as fast as possible.
        rebase: move all times so that the first is now.
        stop: ends the sending once set.
        report: called after each record.
        wait: how long each step before the first record waits for brokers. Later a record is sent again, without end,
            until a broker has taken it once: the producer is idempotent.

    Raises:
        NotAllowedError: the cluster does not allow writing a topic; nothing was sent.
        WrongTopicsError: a topic is missing; nothing was sent.
        BrokerAwayError: a broker that is needed was away for too long, and nothing was sent; or it was away when `stop`
            was set, and some records were not acknowledged.
        KafkaError: the broker refused a record.
    """
    published = Published()
    wait = wait or BrokerWait(conn)
    found = await unless_stopped(_connect(conn, names, [Topic(topic) for topic in topics], wait), stop)
    if found is None:
        return published
    writer, counts = found
    sender = _Sender(writer, names, counts, _Pace(speed, time.monotonic()), stop, wait, published, rebase=rebase)
    try:
        for record in records:
            if not await sender.send(record):
                break
            report(published)
        await sender.finish()
    finally:
        await stop_producer(writer, STOP_SECONDS)
    return published


async def _connect(
    conn: Connection, names: TopicNames, topics: list[Topic], wait: BrokerWait
) -> tuple[AIOKafkaProducer, Counter[str]]:
    """A started producer, and the number of partitions of each topic."""
    needed, wanted = on_topics(names, Operation.WRITE, topics), [names.of(topic) for topic in topics]
    await wait.retry("looking at the rights", lambda: require_rights(conn, needed))
    tps = await wait.retry("looking at the topics", lambda: require_partitions(conn, wanted))
    # The producer fetches the metadata of these topics now; otherwise the first record would be late.
    writer = await wait.retry("starting a producer", lambda: started_producer(conn, wanted))
    return writer, Counter(tp.topic for tp in tps)


@dataclass(slots=True)
class _Pace:
    """When each record is due, at a multiple of the recorded pace."""

    speed: float | None
    """None: every record is due at once."""
    began: float
    """Monotonic time of the start, s."""
    first: int | None = None
    """Timestamp of the first record that has one within the years 0001 to 9999, ms."""
    due: float = 0.0
    """When the latest record is due, s after the start."""

    def add(self, record: Record) -> None:
        """Set when a record is due. A record without a usable timestamp is due with the previous one."""
        if not is_timely(record.ts):
            return
        if self.first is None:
            self.first = record.ts
        if self.speed is not None:
            self.due = max(self.due, (record.ts - self.first) / 1000 / self.speed)

    def late(self) -> float:
        """Seconds since the latest record was due; negative before."""
        return time.monotonic() - self.began - self.due


class _Sender:
    """Sends records at a pace, up to `UNDER_WAY` of them unacknowledged."""

    def __init__(
        self,
        writer: AIOKafkaProducer,
        names: TopicNames,
        counts: Counter[str],
        pace: _Pace,
        stop: asyncio.Event,
        wait: BrokerWait,
        published: Published,
        *,
        rebase: bool,
    ) -> None:
        self._writer = writer
        self._names = names
        self._counts = counts
        """Topic → number of partitions."""
        self._pace = pace
        self._stop = stop
        self._wait = wait
        self._published = published
        self._rebases = rebase
        self._rebase: Rebase | None = None
        """Set with the first usable timestamp."""
        self._place: tuple[str, int] | None = None
        """(topic, partition) of the previous record."""
        self._under_way: deque[asyncio.Future[object]] = deque()

    async def send(self, record: Record) -> bool:
        """Send one record once it is due. False if `stop` was set first, and the record was not sent."""
        self._pace.add(record)
        if self._rebases and self._rebase is None and self._pace.first is not None:
            self._rebase = Rebase(self._pace.first, int(time.time() * 1000), self._pace.speed or 1.0)
        name = self._names.of(Topic(bare_topic(record.topic)))
        partition = target(record, self._counts[name])
        if not await self._until_due((name, partition)):
            return False
        moved = self._rebase.move(record) if self._rebase is not None else record
        if not await self._hand_over(name, partition, moved):
            return False
        self._published.by_topic[name] += 1
        self._published.moved[name] += partition != record.partition
        return True

    async def finish(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            BrokerAwayError: `stop` was set, and some records are not acknowledged.
        """
        await _all_acknowledged(self._under_way, self._wait, self._stop)

    async def _until_due(self, place: tuple[str, int]) -> bool:
        """Wait until the record for a place may be sent. False if `stop` was set first."""
        pace = self._pace
        if pace.speed is not None:
            await _until(pace.began + pace.due, self._stop)
        if self._stop.is_set():
            return False
        # Keeps the order across topics, as far as the pace allows.
        if pace.speed is not None and self._place != place:
            await _acknowledged(self._under_way, GRACE_SECONDS - pace.late())
        if len(self._under_way) >= UNDER_WAY:
            await _all_acknowledged(self._under_way, self._wait, self._stop)
        self._place = place
        if pace.speed is not None:
            self._published.latest = max(self._published.latest, pace.late())
        return True

    async def _hand_over(self, name: str, partition: int, record: Record) -> bool:
        """Give a record to the client. False if `stop` was set while the client's buffer was full."""
        send = partial(
            send_as_is,
            self._writer,
            name,
            partition,
            record.key,
            record.payload,
            record.headers,
            timestamp_ms=record.ts,
        )
        try:
            self._under_way.append(await send())
        except KafkaTimeoutError:
            sent = await unless_stopped(self._wait.watch(UNACKNOWLEDGED, _until_taken(send)), self._stop)
            if sent is None:
                return False
            self._under_way.append(sent)
        return True


def target(record: Record, partitions: int) -> int:
    """The partition to send to: the recorded one if the topic has it, else by key, else by the recorded one."""
    if record.partition < partitions:
        return record.partition
    if record.key is None:
        return record.partition % partitions
    hashed: int = murmur2(record.key)
    return (hashed & 0x7FFFFFFF) % partitions


async def _until(when: float, stop: asyncio.Event) -> None:
    """Wait until a monotonic time, or until `stop` is set."""
    left = when - time.monotonic()
    if left > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await stop.wait()


async def _until_taken(send: Callable[[], Awaitable["asyncio.Future[object]"]]) -> "asyncio.Future[object]":
    """Give a record to the client again and again: a client that ran out of time has not taken the record."""
    while True:
        with contextlib.suppress(KafkaTimeoutError):
            return await send()


async def _all_acknowledged(under_way: deque["asyncio.Future[object]"], wait: BrokerWait, stop: asyncio.Event) -> None:
    """Wait for all acknowledgements; once `stop` is set for `STOP_SECONDS` at most, so that Ctrl-C ends the command.

    Raises:
        BrokerAwayError: some records are still not acknowledged.
        KafkaError: the broker refused a record.
    """
    if under_way:
        await unless_stopped(wait.watch(UNACKNOWLEDGED, asyncio.wait(under_way)), stop)
    await _acknowledged(under_way, STOP_SECONDS if stop.is_set() else None)
    if under_way:
        raise BrokerAwayError(
            f"stopped while {counted(len(under_way), 'record was', 'records were')} not acknowledged: whether they are "
            "on the bus is not known"
        )


async def _acknowledged(under_way: deque["asyncio.Future[object]"], within: float | None = None) -> None:
    """Wait up to `within` seconds for acknowledgements, and remove acknowledged records from the front.

    Raises:
        KafkaError: the broker refused a record.
    """
    if under_way and (within is None or within > 0):
        await asyncio.wait(under_way, timeout=within)
    while under_way and under_way[0].done():
        await under_way.popleft()
