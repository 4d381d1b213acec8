"""Whether the bus can be reached: tables that nothing can reach look like a quiet day."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from switchboard.kafka.clients import Connection
from switchboard.monitor.asking import asking

EVERY_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 4.0


@dataclass(slots=True)
class Pulse:
    """When the bus last answered."""

    answered_at: float | None = None
    """In seconds since 1970; None before the first answer."""


async def feel(conn: Connection, places: Sequence[TopicPartition], pulse: Pulse) -> None:
    """Ask for the ends of these partitions every EVERY_SECONDS, until cancelled."""
    while True:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await _ask(conn, places, pulse)
        await asyncio.sleep(EVERY_SECONDS)


async def _ask(conn: Connection, places: Sequence[TopicPartition], pulse: Pulse) -> None:
    async with asking(conn, ANSWER_SECONDS) as consumer:
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                await consumer.end_offsets(places)
            pulse.answered_at = time.time()
            await asyncio.sleep(EVERY_SECONDS)
