"""Attacks that leave the router alive and have everybody else wait: floods, old timestamps, large configurations."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer

from tests.attacks.batches import Codec, batch_of_values
from tests.attacks.others import PARTITIONS
from tests.attacks.plans import Attack, Shot, Stamp, at_epoch, bodies, current, flood, repeated, twenty_minutes_old

FLOOD_SECONDS: Final = 15.0
TRANSACTION_SECONDS: Final = 15.0
QUEUES: Final = 2_100
PROFILES: Final = 2_000
MADE_UP: Final = 236_000
MADE_UP_SECONDS: Final = 30.0
DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def _million(stamp: Stamp) -> Callable[[], list[Shot]]:
    return lambda: [Shot(0, "agent-presence", batch_of_values([b"{}"] * 1_000_000, Codec.ZSTD), stamp)]


def _fifth_of_a_million(stamp: Stamp) -> Callable[[], list[Shot]]:
    """Five batches that stay below a bound on the records of one."""

    def shots() -> list[Shot]:
        batch = batch_of_values([b"{}"] * 200_000, Codec.ZSTD)
        return [Shot(0, "agent-presence", batch, stamp) for _ in range(5)]

    return shots


def _large_arrivals(stamp: Stamp) -> Callable[[], list[Shot]]:
    attributes = {"note": "all work and no play " * 194}  # 4,085 bytes as compact JSON; 4,096 are allowed
    return lambda: flood(
        "chat-arrival", bodies({"attributes": attributes}, "chat_id"), rate=5_000, seconds=FLOOD_SECONDS, stamp=stamp
    )


def _bad_bodies() -> list[Shot]:
    body = b'{"chat_id": ' + b"x" * 60_000
    return repeated("chat-arrival", batch_of_values([body] * 100, Codec.ZSTD), parts=10, seconds=FLOOD_SECONDS)


def _unknown_accepts() -> list[Shot]:
    return flood("chat-accepted", bodies({"agent_id": "nobody"}, "chat_id"), rate=5_000, seconds=FLOOD_SECONDS)


def _configurations() -> list[Shot]:
    queues = [{"name": _short(number)} for number in range(QUEUES)]
    profiles = [{"name": _short(number)} for number in range(PROFILES)]
    whole = [
        orjson.dumps({"pool": f"made-up-{pool}", "config": {"queues": queues, "profiles": profiles}})
        for pool in range(10)
    ]
    return [Shot(0, "routing-config", batch_of_values(whole, Codec.ZSTD, key=b"made-up"), partition=0)]


def _short(number: int) -> str:
    """A name of three characters: 4,100 of them fit into the 64 KiB of a record."""
    return DIGITS[number // 1296] + DIGITS[number // 36 % 36] + DIGITS[number % 36]


def _made_up(*, pools: bool) -> list[Shot]:
    rate = int(MADE_UP / MADE_UP_SECONDS) // 20 * 20
    if pools:
        numbers = count()
        made: Iterator[bytes] = (
            b'{"type":"agent-logged-in","agent_id":"made-up","pool":"made-up-%d"}' % each for each in numbers
        )
    else:
        made = bodies({"type": "agent-logged-in"}, "agent_id")
    return flood("agent-presence", made, rate=rate, seconds=MADE_UP_SECONDS)


async def _open_transaction(bootstrap: str, prefix: str) -> None:
    """Hold a transaction open on every partition of chat-arrival, then abort it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"{prefix}stranger", transaction_timeout_ms=60_000
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for partition in range(PARTITIONS):
            body = orjson.dumps({"chat_id": f"never-committed-{partition}"})
            await producer.send_and_wait(f"{prefix}chat-arrival", body, partition=partition)
        await asyncio.sleep(TRANSACTION_SECONDS)
        await producer.abort_transaction()
    finally:
        await producer.stop()


_MILLION: Final = "1,000,000 records `{}` in one batch on agent-presence"
_BATCHES: Final = "1,000,000 records `{}` in five batches on agent-presence"
_ARRIVALS: Final = "5,000/s of arrivals with 4 KB of attributes"

LOAD_ATTACKS: Final = (
    Attack("million-ts1", 2, f"{_MILLION}, timestamp 1", _million(at_epoch), most_seconds=90),
    Attack("million-now", 2, f"{_MILLION}, current", _million(current), most_seconds=90),
    Attack("million-20min", 2, f"{_MILLION}, 20 minutes old", _million(twenty_minutes_old), most_seconds=90),
    Attack("batches-ts1", 2, f"{_BATCHES}, timestamp 1", _fifth_of_a_million(at_epoch), most_seconds=90),
    Attack("batches-now", 2, f"{_BATCHES}, current", _fifth_of_a_million(current), most_seconds=90),
    Attack("batches-20min", 2, f"{_BATCHES}, 20 minutes old", _fifth_of_a_million(twenty_minutes_old), most_seconds=90),
    Attack("arrivals-ts1", 2, f"{_ARRIVALS}, timestamp 1", _large_arrivals(at_epoch), most_seconds=40),
    Attack("arrivals-now", 2, f"{_ARRIVALS}, current", _large_arrivals(current), most_seconds=40),
    Attack("arrivals-20min", 2, f"{_ARRIVALS}, 20 minutes old", _large_arrivals(twenty_minutes_old), most_seconds=40),
    Attack("bad-bodies", 2, "1,000/s of bodies of 60 KB that are no JSON", _bad_bodies, most_seconds=40),
    Attack("unknown-accepts", 2, "5,000/s of chat-accepted for unknown chats", _unknown_accepts),
    Attack("configurations", 2, f"10 configurations of {QUEUES:,} queues x {PROFILES:,} profiles", _configurations),
    Attack(
        "open-transaction",
        2,
        f"a transaction open on all of chat-arrival for {TRANSACTION_SECONDS:.0f} s",
        course=_open_transaction,
    ),
    Attack(
        "made-up-agents",
        2,
        f"{MADE_UP:,} agents log in to one pool in {MADE_UP_SECONDS:.0f} s",
        lambda: _made_up(pools=False),
        most_seconds=45,
        restart=True,
    ),
    Attack(
        "made-up-pools",
        2,
        f"{MADE_UP:,} agents log in, each to a pool of its own, in {MADE_UP_SECONDS:.0f} s",
        lambda: _made_up(pools=True),
        most_seconds=45,
        restart=True,
    ),
)
