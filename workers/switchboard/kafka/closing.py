"""Closing a consumer whatever its fetches are at.

aiokafka's own way awaits each fetch that it cancels. One that failed less than 100 ms ago waits to try again, and does
not hide its cancellation: out of `stop()` then came a CancelledError that nobody had asked for, and ended whoever had
called it. A broker that stops answering makes that likely: a shard's commit and its fetches run out of time together.
"""

import asyncio
from typing import Any


async def close_fetcher(fetcher: Any) -> None:
    """End a fetcher's tasks, and wake who waits for records: takes the place of aiokafka's `Fetcher.close`."""
    fetcher._closed = True  # noqa: SLF001 - there is no public way
    under_way = {fetcher._fetch_task, *fetcher._pending_tasks}  # noqa: SLF001
    for task in under_way:
        task.cancel()
    await asyncio.wait(under_way)
    for waiter in list(fetcher._fetch_waiters):  # noqa: SLF001
        fetcher._notify(waiter)  # noqa: SLF001
