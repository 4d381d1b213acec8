"""Commits in the background on a real broker: one at a time, in order, and a lost commit is reported."""

from collections.abc import AsyncIterator

import pytest

from switchboard.errors import FencedError
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import CommitBatch, Ledger
from switchboard.kafka.topics import Topic, TopicNames
from switchboard.router.background_work import Committer
from switchboard.router.commits import CommitQueue, Visible
from tests.integration.conftest import ReadAll, journaled


@pytest.fixture
async def ledger(conn: Connection, names: TopicNames) -> AsyncIterator[Ledger]:
    """The ledger of shard 0, open."""
    opened = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await opened.open()
    yield opened
    await opened.close()


class Commits:
    """A committer with its queue, as a shard's loop uses them."""

    def __init__(self, ledger: Ledger) -> None:
        self.queue = CommitQueue()
        self.seen: list[Visible] = []
        self.number = 0
        """Of commits that were made."""
        self._committer = Committer(ledger, self._made, self.queue.failed)

    def _made(self, _: float) -> CommitBatch | None:
        self.number += 1
        visible, following = self.queue.made()
        self.seen += visible
        return following

    def put(self, n: int, records: int = 0) -> Visible:
        """Put frame `n`."""
        part = Visible({("t", 0): n}, [], None)
        ready = self.queue.put(journaled(n), records, part)
        if ready is not None:
            self._committer.start(ready)
        return part

    async def settle(self) -> None:
        """Wait for all that was put."""
        while self.queue.is_under_way:
            await self._committer.wait(10)


async def test_what_is_put_while_a_commit_is_under_way_goes_together_into_the_next(
    ledger: Ledger, read_all: ReadAll
) -> None:
    """Two transactions for three frames, in order: the marker of the first stands between, and none in the second."""
    commits = Commits(ledger)
    parts = [commits.put(n) for n in range(3)]
    assert (commits.queue.is_settled, commits.seen) == (False, [])
    await commits.settle()
    assert (commits.queue.is_settled, commits.seen) == (True, parts)
    assert [(each.offset, each.value) for each in await read_all(Topic.JOURNAL)] == [
        (0, b'{"n":0}'),
        (2, b'{"n":1}'),
        (3, b'{"n":2}'),
    ]
    assert commits.number == 2


async def test_a_lost_commit_is_reported_and_nothing_after_it_is_visible(
    ledger: Ledger, conn: Connection, names: TopicNames, read_all: ReadAll
) -> None:
    """Fenced in mid-work: the error is reported, and what was put behind the lost commit is not written."""
    commits = Commits(ledger)
    first = commits.put(0)
    await commits.settle()
    usurper = Ledger(conn, f"{names.prefix}shard-0", names, 0)
    await usurper.open()
    commits.put(1)
    commits.put(2)
    await commits.settle()
    assert isinstance(commits.queue.error, FencedError)
    assert (commits.queue.is_settled, commits.seen) == (False, [first])
    await usurper.close()
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":0}']
