"""The crowd on a bus: its events published to the source topics, the decisions read back, in real time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from switchboard.domain.rfc3339 import format_ms
from switchboard.kafka.acl import DECIDED, require_rights, simulating_rights
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, reader, started_producer, unless_stopped
from switchboard.kafka.reading import require_partitions
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.scene import Outgoing
from switchboard.simulation.tally import Tally

SOURCE: Final = b"/switchboard/simulation"
LONGEST_WAIT_MS: Final = 100
"""So soon a stop is noticed, whoever is idle."""
STOP_SECONDS: Final = 5

Decision = Mapping[str, Any]


def paced(times: Iterator[int], speed: float) -> Iterator[int]:
    """Times of arrivals (ms) at so many times the pace; give the crowd `Behaviour.sped_up` of the same speed."""
    return (int(each / speed) for each in times)


class Bus:
    """A connection of one crowd to a bus. `open` it, `play`, then `close`."""

    def __init__(self, conn: Connection, names: TopicNames, crowd: Crowd, tally: Tally) -> None:
        self._conn = conn
        self._names = names
        self._crowd = crowd
        self._tally = tally
        self._producer: AIOKafkaProducer
        self._consumer: AIOKafkaConsumer
        self._started: list[AIOKafkaProducer | AIOKafkaConsumer] = []
        self._on_its_way: set[asyncio.Future[Any]] = set()
        self._count = 0

    async def open(self, wait: BrokerWait | None = None) -> None:
        """Connect, and begin to listen at what is decided from now on.

        Args:
            wait: how long each step waits for brokers, its default unless given.

        Raises:
            NotAllowedError: the cluster does not allow what its people do.
            WrongTopicsError: there is nothing to listen to.
            BrokerAwayError: a broker that is needed was away for too long.
        """
        wait = wait or BrokerWait(self._conn)
        needed, decided = simulating_rights(self._names), [self._names.of(topic) for topic in DECIDED]
        await wait.retry("looking at the rights", lambda: require_rights(self._conn, needed))
        tps = await wait.retry("looking at the topics", lambda: require_partitions(self._conn, decided))
        self._producer = await wait.retry("starting a producer", lambda: started_producer(self._conn, ()))
        self._started.append(self._producer)
        self._consumer = await wait.retry("looking for the last decisions", lambda: self._listening(tps))
        self._started.append(self._consumer)

    async def _listening(self, tps: list[TopicPartition]) -> AIOKafkaConsumer:
        """A consumer of all records that come from now on."""
        consumer = reader(self._conn)
        try:
            await consumer.start()
            ends = await consumer.end_offsets(tps)
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign(tps)
        for tp, end in ends.items():
            consumer.seek(tp, end)
        return consumer

    async def close(self) -> None:
        """Let what is on its way arrive, within a bound, and disconnect."""
        if self._on_its_way:
            await asyncio.wait(self._on_its_way, timeout=STOP_SECONDS)
        for client in self._started:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await client.stop()
            except (TimeoutError, KafkaError):
                pass  # a broker that is away: there is nothing left to say to it

    async def play(self, stop: asyncio.Event, on_decision: Callable[[Decision], None] = lambda _: None) -> None:
        """Let the crowd live until `stop` is set; each decision is shown to `on_decision` as it becomes visible."""
        self._crowd.start(_now())
        while not stop.is_set():
            # A client waits for a broker that is away much longer than somebody who presses Ctrl-C does.
            await unless_stopped(self._say(self._crowd.due(_now())), stop)
            due = self._crowd.next_due()
            wait = LONGEST_WAIT_MS if due is None else max(1, min(LONGEST_WAIT_MS, due - _now()))
            await self._listen(wait, on_decision)

    async def send_home(self) -> None:
        """Close our chats and log our agents out, so that nothing is offered to ghosts, if a broker takes it."""
        await self._say(self._crowd.leave(_now()), patience=STOP_SECONDS)

    async def listen_on(self, seconds: float, on_decision: Callable[[Decision], None] = lambda _: None) -> None:
        """Take in decisions that are still coming; the crowd does nothing more."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await self._listen(max(1, min(LONGEST_WAIT_MS, int(left * 1000))), on_decision)

    async def _listen(self, wait_ms: int, on_decision: Callable[[Decision], None]) -> None:
        read = await self._consumer.getmany(timeout_ms=wait_ms)
        seen = time.time() * 1000
        for records in read.values():
            for record in records:
                decision = orjson.loads(record.value)
                self._tally.note_seen(decision, seen)
                self._crowd.observe(decision, int(seen))
                on_decision(decision)

    async def _say(self, events: Iterable[Outgoing], patience: float | None = None) -> None:
        """Publish events; where one is not accepted for `patience` seconds, neither it nor the rest is sent."""
        for event in events:
            self._count += 1
            self._tally.note_sent(event, time.time() * 1000)
            try:
                async with asyncio.timeout(patience):
                    sending = await self._producer.send(
                        self._names.of(Topic(event.topic)),
                        orjson.dumps(event.body),
                        key=event.key.encode(),
                        headers=self._headers(event),
                    )
            except KafkaError:
                self._tally.unsent += 1
                continue
            except TimeoutError:
                self._tally.unsent += 1
                return
            self._on_its_way.add(sending)
            sending.add_done_callback(self._arrived)

    def _arrived(self, sending: asyncio.Future[Any]) -> None:
        self._on_its_way.discard(sending)
        if sending.cancelled() or sending.exception() is not None:
            self._tally.unsent += 1

    def _headers(self, event: Outgoing) -> list[tuple[str, bytes]]:
        """CloudEvents in binary mode."""
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{self._crowd.scene.label}/{self._count}".encode()),
            ("ce_source", SOURCE),
            ("ce_type", event.type.encode()),
            ("ce_time", format_ms(event.at).encode()),
            ("content-type", b"application/json"),
        ]


def _now() -> int:
    """Wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000
