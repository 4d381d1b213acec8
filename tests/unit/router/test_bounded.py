"""Waiting that ends whatever is waited for."""

import asyncio

import pytest

from switchboard.router.background_work import BrokenOffError, bounded


async def test_work_that_ends_in_time_is_waited_for() -> None:
    """What it raises is raised."""

    async def fails() -> None:
        raise ValueError("as told")

    await bounded(asyncio.sleep(0), 5, "nothing")
    with pytest.raises(ValueError, match="as told"):
        await bounded(fails(), 5, "failing")


async def test_work_that_ignores_its_cancellation_holds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The wait ends, and the log says where the work stands."""
    release = asyncio.Event()
    left = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        left.set()

    with pytest.raises(TimeoutError, match="closing it did not end within"):
        await bounded(stubborn(), 0.05, "closing it")
    assert "locks.py" in caplog.text
    release.set()
    await asyncio.wait_for(left.wait(), 5)


async def test_a_cancellation_reaches_the_work() -> None:
    """Giving a shard up ends what it is about."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(bounded(work(), 60, "work"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_a_cancellation_from_within_is_an_error() -> None:
    """A library that lets its own cancellation out does not end who called it: a shard is then opened again."""

    async def cancelled_by_nobody() -> None:
        raise asyncio.CancelledError

    with pytest.raises(BrokenOffError, match="closing it was cancelled from within"):
        await bounded(cancelled_by_nobody(), None, "closing it")
