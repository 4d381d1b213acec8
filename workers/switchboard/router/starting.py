"""Where a shard begins to read on a bus that it has never read (`--from`)."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition

from switchboard.domain.rfc3339 import parse_ms
from switchboard.errors import NoStartError
from switchboard.kafka.clients import Connection, reader
from switchboard.kafka.partitions import partitions_of
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.router.gone import Offsets

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
