"""Attacks of valid events alone: they build up a state in which one event, or one moment, is a great deal of work."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from tests.attacks.batches import Codec, batch_of_values
from tests.attacks.plans import Attack, Shot

AGENTS: Final = 10_000
OFFERS: Final = 20
"""Of each agent."""
SETTLED_SECONDS: Final = 80.0
"""After the attack's begin: by then the offers are made, and 15 s of service time have passed."""
DECLINED: Final = 40_000
BATCH_RECORDS: Final = 2_000
BATCHES_A_SECOND: Final = 10


def _built(bodies: Iterator[bytes]) -> list[Shot]:
    """The events in order, 20,000 a second, on one partition of a topic that takes any type but pool-configured."""
    shots: list[Shot] = []
    while some := list(islice(bodies, BATCH_RECORDS)):
        shots.append(Shot(len(shots) / BATCHES_A_SECOND, "agent-presence", batch_of_values(some, Codec.LZ4)))
    return shots


def _offers() -> list[Shot]:
    """The last record only keeps the observation going until the offers have expired."""
    waited_for = batch_of_values([b"{}"], Codec.LZ4)
    return [*_built(_offers_of_one_moment()), Shot(SETTLED_SECONDS, "agent-presence", waited_for)]


def _offers_of_one_moment() -> Iterator[bytes]:
    """Service time stands still while the shard has lag, so that all offers that are made meanwhile expire at once."""
    for agent in range(AGENTS):
        yield b'{"type":"agent-logged-in","pool":"p","agent_id":"a%d","mode":"pull","max_sessions":%d}' % (
            agent,
            OFFERS,
        )
    for number in range(AGENTS * OFFERS):
        yield b'{"type":"chat-arrival","pool":"p","chat_id":"made-up-%d"}' % number
        yield b'{"type":"request-chat","pool":"p","agent_id":"a%d"}' % (number % AGENTS)


def _declines() -> Iterator[bytes]:
    """One agent declines one chat after the other; the chats that it may not be offered again are the oldest."""
    yield b'{"type":"agent-logged-in","pool":"p","agent_id":"a"}'
    for number in range(DECLINED):
        yield b'{"type":"chat-arrival","pool":"p","chat_id":"made-up-%d"}' % number
    for number in range(DECLINED):
        yield b'{"type":"chat-declined","pool":"p","chat_id":"made-up-%d","agent_id":"a"}' % number


STATE_ATTACKS: Final = (
    Attack(
        "offers",
        2,
        f"{AGENTS * OFFERS:,} offers that expire at one moment, by {AGENTS * (1 + 2 * OFFERS):,} valid events",
        _offers,
        most_seconds=130,
        restart=True,
    ),
    Attack(
        "declines",
        2,
        f"one agent declines {DECLINED:,} chats one after the other",
        lambda: _built(_declines()),
        most_seconds=90,
    ),
)
