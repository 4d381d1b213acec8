"""The load of everybody else: chats, and agents who take them, in four pools; and how long each chat takes."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

PARTITIONS: Final = 4
"""Of each source topic; each pool has one of them for all its records."""
ATTACKED: Final = PARTITIONS - 1
"""The partition that attacks write to; the chats of its pool are the attacker's neighbours."""
AGENTS: Final = 40
"""In each pool, three sessions each."""
PREFIX: Final = "other-"

_CONFIG: Final = {
    "queues": [{"name": "default", "max_wait": 0}],
    "profiles": [
        {
            "name": "default",
            "mode": "pull",
            "max_sessions": 3,
            "offer_timeout": 285,
            "wrap_up": False,
            "reoffer_after": 0,
        }
    ],
}


@dataclass(slots=True)
class Chat:
    """One chat of the load; times are monotonic, s."""

    partition: int
    sent: float
    queued: float | None = None
    """When its chat-queued became visible to a reader of committed records."""
    assigned: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How long chats took to be seen queued, ms; one not seen counts with the time that it had waited by the end."""

    chats: int
    unanswered: int
    p50: float
    p99: float
    longest: float


class Others:
    """The load and its measurement.

    Args:
        bootstrap: the broker.
        prefix: of all topics.
        rate: chats a second, over all pools.
        shards: partitions of the topic of assignments.
    """

    def __init__(self, bootstrap: str, prefix: str, rate: float, shards: int = 1) -> None:
        self._shards = shards
        self._prefix = prefix
        self._rate = rate
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0, acks=1)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        self.chats: dict[str, Chat] = {}
        self.decisions: Counter[str] = Counter()
        """Decisions seen of the others, by type."""
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = count()

    async def start(self) -> None:
        """Configure the pools, have the agents ask, and begin with the chats."""
        await self._producer.start()
        await self._consumer.start()
        tps = [TopicPartition(f"{self._prefix}assignment", shard) for shard in range(self._shards)]
        self._consumer.assign(tps)
        for tp in tps:
            self._consumer.seek(tp, 0)
        for pool in range(PARTITIONS):
            await self._producer.send_and_wait(
                f"{self._prefix}routing-config",
                orjson.dumps({"pool": f"{PREFIX}{pool}", "config": _CONFIG}),
                key=f"{PREFIX}{pool}".encode(),
                headers=[("ce_type", b"pool-configured")],
            )
        for pool in range(PARTITIONS):
            for agent in range(AGENTS):
                await self._send("request-chat", pool, agent_id=f"{PREFIX}agent-{pool}-{agent}")
        self._tasks = [asyncio.create_task(self._watch())]
        await asyncio.sleep(0)
        self._tasks.append(asyncio.create_task(self._arrive()))

    async def quiet(self) -> None:
        """Send no more chats."""
        self._tasks[1].cancel()
        await asyncio.wait([self._tasks[1]])

    async def stop(self) -> None:
        """End, and raise what failed in the load itself."""
        for task in self._tasks:
            task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()
        for each in done:
            if isinstance(each, Exception):
                raise each

    def spread(self, begin: float, end: float, now: float, *, neighbours: bool) -> Spread:
        """Of the chats sent from `begin` to `end` (monotonic, s), as they stand at `now`."""
        sent = [
            chat
            for chat in self.chats.values()
            if begin <= chat.sent < end and (chat.partition == ATTACKED) is neighbours
        ]
        waits = sorted(((chat.queued or now) - chat.sent) * 1000 for chat in sent)
        if not waits:
            return Spread(0, 0, float("nan"), float("nan"), float("nan"))
        return Spread(
            len(waits),
            sum(chat.queued is None for chat in sent),
            waits[int(len(waits) * 0.5)],
            waits[min(len(waits) - 1, int(len(waits) * 0.99))],
            waits[-1],
        )

    def all_answered(self, before: float) -> bool:
        """Whether each chat sent before this time (monotonic, s) was seen queued."""
        return all(chat.queued is not None for chat in self.chats.values() if chat.sent < before)

    async def _arrive(self) -> None:
        began = time.monotonic()
        for number in self._numbers:
            wait = began + number / self._rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            pool = number % PARTITIONS
            chat = f"{PREFIX}chat-{number}"
            self.chats[chat] = Chat(pool, time.monotonic())
            await self._send("chat-arrival", pool, chat_id=chat)

    async def _send(self, topic: str, pool: int, **body: Any) -> None:
        await self._producer.send(
            f"{self._prefix}{topic}", orjson.dumps({"pool": f"{PREFIX}{pool}", **body}), partition=pool
        )

    async def _watch(self) -> None:
        while True:
            try:
                got = await self._consumer.getmany(timeout_ms=200)
            except KafkaError:
                continue
            now = time.monotonic()
            for records in got.values():
                for record in records:
                    if record.key is not None and record.key.startswith(PREFIX.encode()):
                        await self._see(record, now)

    async def _see(self, record: Any, now: float) -> None:
        kind = next(value for name, value in record.headers if name == "ce_type").decode()
        self.decisions[kind] += 1
        chat = self.chats.get(record.key.decode())
        if chat is None:
            return
        if kind == "chat-queued" and chat.queued is None:
            chat.queued = now
        elif kind == "chat-assigned":
            chat.assigned = chat.assigned or now
            told = orjson.loads(record.value)
            ids = {"chat_id": told["chat_id"], "agent_id": told["agent_id"]}
            await self._send("chat-accepted", chat.partition, **ids)
            await self._send("chat-lifecycle", chat.partition, type="chat-concluded", **ids)
            await self._send("request-chat", chat.partition, agent_id=told["agent_id"])
