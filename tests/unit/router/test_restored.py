"""A shard's engine is rebuilt row by row: without holding the event loop, and without all rows in memory twice."""

import asyncio
import random

import orjson
import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rows import OtherFormatError, Restoration, Row
from switchboard.kafka.topics import ROWS, Topic
from switchboard.router.shard import restored_engine

CONFIG = {"queues": [{"name": "default"}, {"name": "q"}], "profiles": [{"name": "default", "max_sessions": 2}]}


def an_engine(pools: int = 3, agents: int = 4, chats: int = 12) -> Engine:
    """One whose pools hold agents, chats at every stage, and chats that are remembered."""
    engine = Engine(0)
    events = [Event("pool-configured", "pool-0", {"config": CONFIG})]
    for pool in (f"pool-{number}" for number in range(pools)):
        events += [Event("agent-logged-in", pool, {"agent_id": f"a-{number}"}) for number in range(agents)]
        events += [Event("chat-arrival", pool, {"chat_id": f"c-{number}"}) for number in range(chats)]
        events += [Event("chat-abandoned", pool, {"chat_id": f"c-{number}"}) for number in (0, 5, 99)]
    engine.apply(Frame(0, 1_700_000_000_000, 0, events))
    engine.apply(Frame(1, 1_700_000_016_000, 16_000, []))  # some offers are missed
    return engine


def told(engine: Engine) -> dict[tuple[str, str], object]:
    """All its rows."""
    return {(row.table, row.key): row.value for row in engine.rows()}


def as_read(engine: Engine) -> dict[Topic, dict[bytes, bytes]]:
    """Its rows as they are read from the topics, with one that is not the engine's."""
    rows: dict[Topic, dict[bytes, bytes]] = {topic: {} for topic in ROWS}
    for row in engine.rows():
        rows[Topic(row.table)][row.key.encode()] = orjson.dumps(row.value)
    rows[Topic.SHARD_PROGRESS][b"source/chat-arrival/0"] = b'{"offset":7}'
    return rows


def test_rows_in_any_order_give_the_same_engine() -> None:
    """What a log holds first or last makes no difference."""
    engine = an_engine()
    rows = list(engine.rows())
    for seed in range(5):
        random.Random(seed).shuffle(rows)  # noqa: S311 - any order will do
        assert told(Engine.restore(0, rows)) == told(engine)


def test_row_by_row_a_pools_own_row_comes_first() -> None:
    """Its agents need its profiles."""
    restoration = Restoration(0)
    own, agent = (row for row in an_engine(chats=0).rows() if row.key in ("pool/pool-0", "pool-0/a-0"))
    restoration.add(agent)
    with pytest.raises(ValueError, match="the row of pool pool-0 comes after one of its agents or chats"):
        restoration.add(own)


def test_rows_of_another_format_are_refused() -> None:
    """By a message that says which version can read them."""
    row = Row("shard-progress", "clock", {"clock": 0, "service": 0, "frame": 0, "format": 99})
    with pytest.raises(OtherFormatError, match="the rows of shard 3 are of format 99, and this version reads"):
        Restoration(3).add(row)


async def test_others_have_their_turn_while_a_shard_is_restored_and_its_rows_are_used_up() -> None:
    """200,000 agents take longer than a session of the group, whose heartbeats must go on."""
    engine = an_engine(pools=20, agents=50, chats=10)
    rows = as_read(engine)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(take_turns())
    restored = await restored_engine(0, rows)
    other.cancel()
    assert turns > 20, "at each hundredth of 1,400 rows, and after each of 20 pools"
    assert all(not table for table in rows.values())
    assert told(restored) == told(engine)
    assert (restored.clock, restored.service, restored.frame) == (engine.clock, engine.service, engine.frame)
    assert restored.next_due() == engine.next_due()
