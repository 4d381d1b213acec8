"""Overviews of many rows: the event loop runs while they are made, and concurrent callers share them."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Self

import pytest

from switchboard.monitor.overview import Overviews, overview
from switchboard.monitor.page_rows import page_rows
from switchboard.monitor.public_rows import ChatRow
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import agents_with_id, pools_of_chat
from switchboard.web.answers import SLICE_ROWS, first, in_order
from tests.floors import Floor

MANY = 20 * SLICE_ROWS
NOW = 1_700_000_000.0


class Beside:
    """Counts the turns of the event loop while the block under test runs."""

    def __init__(self) -> None:
        self.turns = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._count())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _count(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


def agent(number: int) -> dict[str, Any]:
    """An agent of one of ten pools."""
    return {
        "pool": f"p{number % 10}", "agent_id": f"a{number}", "profile": "default",
        "status": "available", "free": 1, "request": None,
    }  # fmt: skip


def floor() -> Tables:
    """Tables with MANY chats, each in a pool of its own, and as many agents."""
    tables = Tables()
    arrived = datetime.fromtimestamp(NOW, UTC)
    for number in range(MANY):
        tables.chats[f"made-up-{number}/c{number}"] = ChatRow(f"made-up-{number}", "default", "waiting", arrived)
        tables.agents[f"p{number % 10}/a{number}"] = agent(number)
    return tables


async def test_the_event_loop_runs_while_an_overview_of_many_rows_is_made() -> None:
    """No step handles more than some thousand rows: not for an overview, a page, an agent or a chat."""
    tables = floor()
    async with Beside() as beside:
        taken = await overview(tables, NOW)
        assert beside.turns >= 3 * MANY / SLICE_ROWS
    assert len(taken.queues) == MANY + 10
    async with Beside() as beside:
        seen = await page_rows(tables, taken, NOW)
        assert beside.turns >= MANY / SLICE_ROWS
    assert (len(seen.queues), len(seen.agents)) == (1_000, 10_000)
    async with Beside() as beside:
        assert len(await agents_with_id(tables, "a7", None)) == 1
        assert await pools_of_chat(tables, "c7") == ["made-up-7"]
        assert beside.turns >= 2 * (MANY / SLICE_ROWS - 1)


async def test_rows_may_change_while_they_are_counted() -> None:
    """Chats and agents come and go in each turn of the event loop."""
    tables = floor()

    async def change() -> None:
        for number in range(MANY):
            del tables.chats[f"made-up-{number}/c{number}"], tables.agents[f"p{number % 10}/a{number}"]
            tables.agents[f"new/a{number}"] = agent(number)
            tables.history.add(0, Floor("new").queued(number, f"c{number}"))
            await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    for _ in range(3):
        await overview(tables, NOW)
        await agents_with_id(tables, "a7", None)
        await pools_of_chat(tables, "c7")
    changing.cancel()


async def test_concurrent_callers_share_one_overview_and_a_large_one_is_reused() -> None:
    """The rows are counted once for all callers."""
    shared = Overviews(floor(), reuse_seconds_per_row=1.0)
    made = await asyncio.gather(*(shared.latest() for _ in range(50)))
    made.append(await shared.latest())
    assert len({id(each) for each in made}) == 1


async def test_an_overview_of_few_rows_is_never_reused() -> None:
    """A row that was just applied is in the next overview."""
    tables = Tables()
    shared = Overviews(tables)
    for number in range(3):
        tables.agents[f"p/{number}"] = agent(number)
        assert len((await shared.latest()).agents) == number + 1


@pytest.mark.parametrize("length", [0, 1, SLICE_ROWS, SLICE_ROWS + 1, 3 * SLICE_ROWS + 7])
async def test_sorting_in_slices_equals_sorting_at_once(length: int) -> None:
    """The rows come in no order."""
    rows = [number * 7_919 % 10_007 for number in range(length)]
    assert await in_order(rows) == sorted(rows)
    assert sorted(await first(rows, 5, lambda row: -row)) == sorted(rows, reverse=True)[:5][::-1]
