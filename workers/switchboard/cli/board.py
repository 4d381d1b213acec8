"""What is on the floor now, from the router's committed rows: the same that any consumer of those topics sees."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from switchboard.domain.rfc3339 import parse_ms
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.reading import partitions_of
from switchboard.kafka.topics import Topic, TopicNames

SHOWN_ASSIGNMENTS: Final = 8


@dataclass(slots=True, frozen=True)
class QueueLine:
    """One queue as it stands."""

    pool: str
    queue: str
    waiting: int
    oldest_seconds: float | None
    """How long the chat that came first has waited; None if none waits."""


@dataclass(slots=True)
class Board:
    """The rows as they stand, and the last assignments."""

    queues: Sequence[tuple[str, str]]
    """(pool, queue) of those that are shown, in order."""
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of `agent-capacity` by their key, POOL/AGENT."""
    chats: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rows of `open-chats` by their key, POOL/CHAT."""
    assignments: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=SHOWN_ASSIGNMENTS))
    """The last first."""

    def take(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        """A row has changed, or has gone."""
        rows = self.agents if topic is Topic.AGENT_CAPACITY else self.chats
        if value is None:
            rows.pop(key.decode(), None)
        else:
            rows[key.decode()] = orjson.loads(value)

    def note(self, decision: Mapping[str, Any]) -> None:
        """A decision became visible."""
        if decision["type"] == "chat-assigned":
            self.assignments.appendleft(decision)

    def lines(self, now: int) -> Iterator[QueueLine]:
        """The queues; `now` is in ms since 1970."""
        for pool, queue in self.queues:
            since = [
                parse_ms(chat["arrived_at"])
                for chat in self.chats.values()
                if chat["stage"] == "waiting" and chat["pool"] == pool and chat["queue"] == queue
            ]
            yield QueueLine(pool, queue, len(since), max(0, now - min(since)) / 1000 if since else None)


async def follow_rows(conn: Connection, names: TopicNames, board: Board) -> None:
    """Keep the board as the rows are, until cancelled."""
    topics = {names.of(topic): topic for topic in (Topic.AGENT_CAPACITY, Topic.OPEN_CHATS)}
    tps = await partitions_of(conn, topics)
    consumer = reader(conn)
    await consumer.start()
    try:
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, 0)
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    board.take(topics[tp.topic], record.key, record.value)
            await asyncio.sleep(0)
    finally:
        await consumer.stop()


def now_ms() -> int:
    """Wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000
