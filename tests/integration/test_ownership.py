"""Routers share the shards between them, take over from those who die, and stand back when they are fenced."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from switchboard.dev.local_broker import LocalBroker
from switchboard.errors import FencedError, FencedTooOftenError
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection
from switchboard.kafka.ledger import Ledger
from switchboard.kafka.ownership import Ownership
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan, shard_id
from tests.integration.conftest import ReadAll, journaled
from tests.waiting import eventually

SESSION_MS = 2_000

MEMBER = """
import asyncio, sys
from switchboard.kafka.clients import Connection
from switchboard.kafka.ownership import Ownership
from switchboard.kafka.topics import TopicNames

class Told:
    def take(self, shards):
        print("take", *sorted(shards), flush=True)
    async def give_up(self, shards):
        print("give up", *sorted(shards), flush=True)

bootstrap, prefix, session = sys.argv[1:]
member = Ownership(Connection(bootstrap), prefix, TopicNames(prefix), Told(), session_timeout_ms=int(session))
asyncio.run(member.run())
"""


class Told:
    """What a member was told, in order."""

    def __init__(self) -> None:
        self.held: frozenset[int] = frozenset()
        self.heard: list[tuple[str, frozenset[int]]] = []

    def take(self, shards: frozenset[int]) -> None:
        """Remember that these were assigned."""
        assert not self.held, "what was held before is given up first"
        self.held = shards
        self.heard.append(("take", shards))

    async def give_up(self, shards: frozenset[int]) -> None:
        """Remember that these were taken back."""
        self.held -= shards
        self.heard.append(("give up", shards))


@asynccontextmanager
async def member(conn: Connection, names: TopicNames, told: Told, **options: Any) -> AsyncIterator[Ownership]:
    """A member in this process, which leaves at the end, or as a static one only ends."""
    ownership = Ownership(conn, names.prefix, names, told, session_timeout_ms=SESSION_MS, **options)
    running = asyncio.create_task(ownership.run())
    try:
        yield ownership
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def other_process(conn: Connection, names: TopicNames) -> AsyncIterator[Process]:
    """A member in a process of its own, which may be killed and stopped."""
    arguments = ["-c", MEMBER, conn.bootstrap, names.prefix, str(SESSION_MS)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def holds(told: Told, count: int) -> frozenset[int]:
    """Wait until so many shards are held."""

    async def held() -> frozenset[int]:
        return told.held

    return await eventually(held, lambda shards: len(shards) == count, 30)


async def divided(*told: Told) -> None:
    """Wait until each of them holds one of the two shards; looked at together, since a rebalance may exchange them."""

    async def held() -> list[frozenset[int]]:
        return sorted((each.held for each in told), key=sorted)

    await eventually(held, lambda shards: shards == [frozenset({0}), frozenset({1})], 30)


async def test_members_share_the_shards_and_take_over_from_one_that_leaves(
    conn: Connection,
    names: TopicNames,
) -> None:
    """Two members have a shard each; one that leaves in order is followed at once, without waiting for its session."""
    first, second = Told(), Told()
    async with member(conn, names, first):
        assert await holds(first, 2) == {0, 1}
        async with member(conn, names, second):
            await divided(first, second)
            assert first.heard[1] == ("give up", frozenset({0, 1}))
            left_at = time.monotonic()
        assert second.held == frozenset()
        await holds(first, 2)
        assert time.monotonic() - left_at < SESSION_MS / 1000 + 1


async def test_a_static_member_that_comes_back_has_its_shards_and_disturbs_nobody(
    conn: Connection, names: TopicNames
) -> None:
    """Restarted within its session, under its own name: the other member is never told to give anything up."""
    first, second, again = Told(), Told(), Told()
    async with member(conn, names, first, instance_id="router-0"):
        await holds(first, 2)
        async with member(conn, names, second, instance_id="router-1"):
            await divided(first, second)
            held = second.held
            heard = len(first.heard)
        async with member(conn, names, again, instance_id="router-1"):
            assert await holds(again, 1) == held
            assert len(first.heard) == heard


async def test_a_static_member_that_does_not_come_back_is_followed_after_its_session(
    conn: Connection, names: TopicNames
) -> None:
    """Its shards wait for it, but not for ever."""
    first, second = Told(), Told()
    async with member(conn, names, first, instance_id="router-0"):
        await holds(first, 2)
        async with member(conn, names, second, instance_id="router-1"):
            await divided(first, second)
        assert await holds(first, 2) == {0, 1}


async def test_a_third_member_stands_by(conn: Connection, names: TopicNames) -> None:
    """With more members than shards one has none, and gets one when another leaves."""
    told = [Told(), Told(), Told()]
    async with member(conn, names, told[0]), member(conn, names, told[1]):
        async with member(conn, names, told[2]):

            async def shared() -> list[int]:
                return sorted(len(each.held) for each in told)

            await eventually(shared, lambda counts: counts == [0, 1, 1])
        await divided(told[0], told[1])


async def test_the_shards_of_a_killed_member_pass_to_another(conn: Connection, names: TopicNames) -> None:
    """SIGKILL: after the session timeout, which it could not renew, its shards are the other's."""
    told = Told()
    async with other_process(conn, names) as other:
        assert await line(other) == "take 0 1"
        async with member(conn, names, told):
            await holds(told, 1)
            killed_at = time.monotonic()
            other.kill()
            await holds(told, 2)
            assert time.monotonic() - killed_at < SESSION_MS / 1000 + 5


async def test_a_member_that_slept_past_its_session_learns_it(conn: Connection, names: TopicNames) -> None:
    """SIGSTOP and SIGCONT: what it held is another's meanwhile; awake, it gives all up before it takes anything."""
    told = Told()
    async with other_process(conn, names) as other:
        assert await line(other) == "take 0 1"
        async with member(conn, names, told):
            await holds(told, 1)
            assert await line(other) == "give up 0 1"
            before = await line(other)
            assert before in {"take 0", "take 1"}
            other.send_signal(signal.SIGSTOP)
            await holds(told, 2)
            other.send_signal(signal.SIGCONT)
            assert await line(other) == before.replace("take", "give up")
            assert await line(other) in {"take 0", "take 1"}
            await holds(told, 1)


async def test_the_journal_is_never_fetched(conn: Connection, names: TopicNames) -> None:
    """Membership alone is wanted: frames committed while a member is there do not reach it."""
    told = Told()
    async with member(conn, names, told) as ownership:
        await holds(told, 2)
        ledger = Ledger(conn, shard_id(names.prefix, 0), names, 0)
        await ledger.open()
        for number in range(20):
            await ledger.commit(journaled(number))
        await ledger.close()
        consumer = ownership._consumer
        assert consumer is not None
        assert consumer.paused() == consumer.assignment()
        assert consumer._fetcher._records == {}


async def test_a_fenced_shard_is_taken_again_after_a_heartbeat(
    conn: Connection,
    names: TopicNames,
    read_all: ReadAll,
) -> None:
    """Fenced by one whom the group does not know: a heartbeat shows that the shard is ours, so it is opened again."""
    told = Told()
    async with member(conn, names, told) as ownership:
        await holds(told, 2)
        ours = Ledger(conn, shard_id(names.prefix, 0), names, 0)
        await ours.open()
        intruder = Ledger(conn, shard_id(names.prefix, 0), names, 0)
        await intruder.open()
        with pytest.raises(FencedError):
            await ours.commit(journaled(0))
        asked_at = time.monotonic()
        assert await asyncio.wait_for(ownership.may_retake(0), 10)
        assert ownership.heartbeat_at > asked_at
        again = Ledger(conn, shard_id(names.prefix, 0), names, 0)
        await again.open()
        await again.commit(journaled(1))
        await again.close()
        await intruder.close()
    assert [each.value for each in await read_all(Topic.JOURNAL)] == [b'{"n":1}']


async def test_a_fenced_shard_that_is_anothers_is_left(conn: Connection, names: TopicNames) -> None:
    """A shard that the group took back while we asked is not opened again."""
    told, second = Told(), Told()
    async with member(conn, names, told) as ownership:
        await holds(told, 2)
        asking = [asyncio.create_task(ownership.may_retake(shard)) for shard in (0, 1)]
        async with member(conn, names, second):
            await holds(second, 1)
            # Either a heartbeat got through before the rebalance, or the shard was seen to be taken back.
            await asyncio.wait(asking, timeout=10)
            lost = next(iter(second.held))
            assert not await asyncio.wait_for(ownership.may_retake(lost), 10)
        for each in asking:
            assert each.done()


async def test_a_shard_that_is_fenced_again_and_again_ends_the_process(conn: Connection, names: TopicNames) -> None:
    """For the third time within a minute it is an error that says what to look for; another shard is not counted in."""
    told = Told()
    async with member(conn, names, told) as ownership:
        await holds(told, 2)
        assert await asyncio.wait_for(ownership.may_retake(0), 10)
        assert await asyncio.wait_for(ownership.may_retake(1), 10)
        assert await asyncio.wait_for(ownership.may_retake(0), 10)
        with pytest.raises(FencedTooOftenError, match="shard 0 was fenced 3 times within 60 s"):
            await ownership.may_retake(0)


async def test_a_shard_that_will_not_close_does_not_hold_up_the_group(conn: Connection, names: TopicNames) -> None:
    """Giving up is bounded: a member whose close hangs is waited for no longer than that."""

    class Hangs(Told):
        async def give_up(self, shards: frozenset[int]) -> None:
            await super().give_up(shards)
            await asyncio.Event().wait()

    first, second = Hangs(), Told()
    async with member(conn, names, first, give_up_seconds=0.5):
        await holds(first, 2)
        async with member(conn, names, second):
            await divided(first, second)


async def test_shards_are_kept_while_the_broker_is_away(private_broker: LocalBroker) -> None:
    """A broker that restarts takes no shard from anybody: the member waits, and heartbeats succeed again."""
    conn, names = Connection(private_broker.bootstrap), TopicNames("x.")
    await create_topics(conn, TopicPlan(names, shards=2, replication=1, min_insync=1))
    told = Told()
    async with member(conn, names, told) as ownership:
        await holds(told, 2)
        await asyncio.to_thread(private_broker.restart)
        back_at = time.monotonic()

        async def heartbeat_at() -> float:
            return ownership.heartbeat_at

        await eventually(heartbeat_at, lambda at: at > back_at, 30)
        assert await holds(told, 2) == {0, 1}
