"""Commits in the background on a real broker: one at a time, in order, and a loss is told to whoever puts the next."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from switchboard.errors import FencedError, LedgerLostError
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import Ledger
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.router.commits import GROUP_EVENTS, Committer
from tests.integration.conftest import ReadAll, journaled


@pytest.fixture
async def ledger(conn: Connection, names: TopicNames) -> AsyncIterator[Ledger]:
    """The ledger of shard 0, open."""
    opened = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await opened.open()
    yield opened
    await opened.close()


def nothing() -> None:
    """To be done once it is visible."""


async def test_what_is_put_while_a_commit_is_under_way_goes_together_into_the_next(
    ledger: Ledger, read_all: ReadAll
) -> None:
    """Two transactions for three frames, in order: the marker of the first stands between, and none in the second."""
    times: list[float] = []
    seen: list[int] = []
    committer = Committer(ledger, times.append)
    await committer.put(journaled(0), 0, partial(seen.append, 0))
    await asyncio.sleep(0)  # the first is under way
    await committer.put(journaled(1), 0, partial(seen.append, 1))
    await committer.put(journaled(2), 0, partial(seen.append, 2))
    assert (committer.is_settled, seen) == (False, [])
    await committer.settle()
    assert (committer.is_settled, seen) == (True, [0, 1, 2])
    assert [(each.offset, each.value) for each in await read_all(Topic.JOURNAL)] == [
        (0, b'{"n":0}'),
        (2, b'{"n":1}'),
        (3, b'{"n":2}'),
    ]
    assert len(times) == 2


async def test_no_more_waits_than_a_group_holds(ledger: Ledger, read_all: ReadAll) -> None:
    """Whoever puts more than that waits for the commit under way, so that what is not committed stays bounded."""
    committer = Committer(ledger, lambda _: None)
    records = GROUP_EVENTS // 2 + 1
    await committer.put(journaled(0), 0, nothing)
    await asyncio.sleep(0)
    await committer.put(journaled(1), records, nothing)
    assert committer.busy
    visible = len(await read_all(Topic.JOURNAL))
    await committer.put(journaled(2), records, nothing)
    assert len(await read_all(Topic.JOURNAL)) > visible
    await committer.settle()
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


async def test_a_lost_commit_is_told_at_the_next_step_and_nothing_after_it_is_visible(
    ledger: Ledger, conn: Connection, names: TopicNames, read_all: ReadAll
) -> None:
    """Fenced in mid-work: those who put, check or settle are told, and what was put behind it is not written."""
    committer = Committer(ledger, lambda _: None)
    seen: list[int] = []
    await committer.put(journaled(0), 0, nothing)
    await committer.settle()
    usurper = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await usurper.open()
    await committer.put(journaled(1), 0, partial(seen.append, 1))
    await asyncio.sleep(0)
    await committer.put(journaled(2), 0, partial(seen.append, 2))
    with pytest.raises(FencedError):
        await committer.settle()
    assert (committer.is_settled, seen) == (False, [])
    await committer.put(journaled(3), 0, nothing)
    with pytest.raises(LedgerLostError):
        await committer.settle()
    await usurper.close()
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}']
