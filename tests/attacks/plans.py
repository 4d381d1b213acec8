"""What an attack is: batches to send and when, or a course of its own; and what is looked at afterwards."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from tests.attacks.batches import Batch, Codec, batch_of_values
from tests.attacks.others import ATTACKED

Stamp = Callable[[int], int]
"""The timestamp of a batch's records (ms) from the time at which it is sent (ms)."""

MINUTE_MS: Final = 60_000


def current(now: int) -> int:
    """As an honest producer stamps."""
    return now


def at_epoch(_: int) -> int:
    """1 ms after 1970 began: before every honest record."""
    return 1


def twenty_minutes_old(now: int) -> int:
    """Older than all that the others send, and no older than an outage leaves behind."""
    return now - 20 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Shot:
    """One batch that an attack sends."""

    at: float
    """Seconds after the attack's begin."""
    topic: str
    """Plain name of a source topic."""
    batch: Batch
    stamp: Stamp = current
    partition: int = ATTACKED


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack of the catalogue."""

    name: str
    point: int
    """Of the issue that named it."""
    what: str
    """What is sent, in words."""
    shots: Callable[[], list[Shot]] = list
    """Builds what is sent; called before the router is started."""
    course: Callable[[str, str], Awaitable[None]] | None = None
    """In place of shots: runs the attack with (bootstrap, topic prefix)."""
    most_seconds: float = 25.0
    """The observation ends so long after the attack's begin, or before once all is answered and drained."""
    restart: bool = False
    """Also restart the router afterwards and measure how long that takes."""
    monitor: bool = False
    """Also run a monitor on the same topics."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Commands run afterwards on the same topics; `{log}` stands for a file."""


def flood(
    topic: str,
    bodies: Iterator[bytes],
    *,
    rate: int,
    seconds: float,
    stamp: Stamp = current,
    parts: int = 20,
    codec: Codec = Codec.LZ4,
) -> list[Shot]:
    """Records at a steady rate, in `parts` batches a second."""
    size = rate // parts
    return [
        Shot(number / parts, topic, batch_of_values([next(bodies) for _ in range(size)], codec), stamp)
        for number in range(int(seconds * parts))
    ]


def repeated(topic: str, batch: Batch, *, parts: int, seconds: float, stamp: Stamp = current) -> list[Shot]:
    """The same batch `parts` times a second."""
    return [Shot(number / parts, topic, batch, stamp) for number in range(int(seconds * parts))]


def one_after_another(topic: str, batches: Iterable[Batch], *, partition: int = ATTACKED) -> list[Shot]:
    """Batches a tenth of a second apart."""
    return [Shot(number / 10, topic, batch, partition=partition) for number, batch in enumerate(batches)]


def bodies(template: dict[str, object], field: str) -> Iterator[bytes]:
    """JSON bodies without end, each with another text in one field."""
    head, _, tail = orjson.dumps(template | {field: "\x1a"}).partition(b"\\u001a")
    number = 0
    while True:
        yield b"%bmade-up-%d%b" % (head, number, tail)
        number += 1
