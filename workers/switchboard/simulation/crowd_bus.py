"""A crowd on a bus in real time: publishes the crowd's events to the source topics, and reads the decisions."""

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
"""Longest wait in ms of an idle loop: the bound until a stop is noticed."""
STOP_SECONDS: Final = 5

Decision = Mapping[str, Any]


def paced(times: Iterator[int], speed: float) -> Iterator[int]:
    """Return times of arrivals in ms at `speed` times the pace, for a crowd with `Behaviour.sped_up(speed)`."""
    return (int(each / speed) for each in times)


class Bus:
    """Connection of one crowd to a bus. Call `open`, `play` and `close`, in this order."""

    def __init__(self, conn: Connection, names: TopicNames, crowd: Crowd, tally: Tally) -> None:
        self._conn = conn
        self._names = names
        self._crowd = crowd
        self._tally = tally
        self._producer: AIOKafkaProducer
        self._consumer: AIOKafkaConsumer
        self._started: list[AIOKafkaProducer | AIOKafkaConsumer] = []
        self._unacknowledged: set[asyncio.Future[Any]] = set()
        self._count = 0

    async def open(self, wait: BrokerWait | None = None) -> None:
        """Connect, and read decisions from the current end of the topics on.

        Args:
            wait: how long each step waits for brokers.

        Raises:
            NotAllowedError: the cluster does not allow reading decisions, or writing events.
            WrongTopicsError: a topic with decisions is missing.
            BrokerAwayError: a needed broker was away for too long.
        """
        wait = wait or BrokerWait(self._conn)
        needed, decided = simulating_rights(self._names), [self._names.of(topic) for topic in DECIDED]
        await wait.retry("looking at the rights", lambda: require_rights(self._conn, needed))
        tps = await wait.retry("looking at the topics", lambda: require_partitions(self._conn, decided))
        self._producer = await wait.retry("starting a producer", lambda: started_producer(self._conn, ()))
        self._started.append(self._producer)
        self._consumer = await wait.retry("looking for the last decisions", lambda: self._start_consumer(tps))
        self._started.append(self._consumer)

    async def _start_consumer(self, tps: list[TopicPartition]) -> AIOKafkaConsumer:
        """Start a consumer at the current end offsets of the partitions."""
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
        """Wait for unconfirmed events, `STOP_SECONDS` at most, and disconnect."""
        if self._unacknowledged:
            await asyncio.wait(self._unacknowledged, timeout=STOP_SECONDS)
        for client in self._started:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await client.stop()
            except (TimeoutError, KafkaError):
                pass  # the broker is away, and everything is sent

    async def play(self, stop: asyncio.Event, on_decision: Callable[[Decision], None] = lambda _: None) -> None:
        """Run the crowd until `stop` is set, and call `on_decision` with each decision that becomes visible."""
        self._crowd.start(_now())
        while not stop.is_set():
            # Without a broker the client waits for minutes; Ctrl-C must end the command sooner.
            await unless_stopped(self._publish(self._crowd.due(_now())), stop)
            due = self._crowd.next_due()
            wait = LONGEST_WAIT_MS if due is None else max(1, min(LONGEST_WAIT_MS, due - _now()))
            await self._read_decisions(wait, on_decision)

    async def end_simulation(self) -> None:
        """Close the simulated chats and log the agents out.

        Otherwise the router goes on offering chats to agents of an ended simulation. Without a broker these events are
        lost.
        """
        await self._publish(self._crowd.end(_now()), patience=STOP_SECONDS)

    async def observe_for(self, seconds: float, on_decision: Callable[[Decision], None] = lambda _: None) -> None:
        """Read decisions for some seconds more; the crowd takes no further action."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await self._read_decisions(max(1, min(LONGEST_WAIT_MS, int(left * 1000))), on_decision)

    async def _read_decisions(self, wait_ms: int, on_decision: Callable[[Decision], None]) -> None:
        read = await self._consumer.getmany(timeout_ms=wait_ms)
        seen = time.time() * 1000
        for records in read.values():
            for record in records:
                decision = orjson.loads(record.value)
                self._tally.note_seen(decision, seen)
                self._crowd.observe(decision, int(seen))
                on_decision(decision)

    async def _publish(self, events: Iterable[Outgoing], patience: float | None = None) -> None:
        """Publish events; an event not accepted within `patience` seconds is dropped together with all later events."""
        for event in events:
            self._count += 1
            self._tally.note_sent(event, time.time() * 1000)
            try:
                async with asyncio.timeout(patience):
                    acknowledgement = await self._producer.send(
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
            self._unacknowledged.add(acknowledgement)
            acknowledgement.add_done_callback(self._acknowledged)

    def _acknowledged(self, acknowledgement: asyncio.Future[Any]) -> None:
        self._unacknowledged.discard(acknowledgement)
        if acknowledgement.cancelled() or acknowledgement.exception() is not None:
            self._tally.unsent += 1

    def _headers(self, event: Outgoing) -> list[tuple[str, bytes]]:
        """Return the headers of a CloudEvent in binary mode."""
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{self._crowd.scene.label}/{self._count}".encode()),
            ("ce_source", SOURCE),
            ("ce_type", event.type.encode()),
            ("ce_time", format_ms(event.at).encode()),
            ("content-type", b"application/json"),
        ]


def _now() -> int:
    """Return the wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000
