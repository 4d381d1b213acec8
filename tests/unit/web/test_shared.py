"""Many who ask for one costly result."""

import asyncio

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from switchboard.web.answers import Shared, metrics_handler
from switchboard.web.connections import Limits
from tests.sockets import an_app, ask
from tests.waiting import eventually


async def test_who_asks_meanwhile_gets_the_result_that_is_being_made() -> None:
    """One at a time; who asks after it is made gets a new one."""
    made, ready = 0, asyncio.Event()

    async def make() -> int:
        nonlocal made
        made += 1
        await ready.wait()
        return made

    shared = Shared(make, lambda _: 0)
    asking = [asyncio.create_task(shared.get()) for _ in range(50)]
    await eventually(lambda: asyncio.sleep(0, made), lambda count: count == 1)
    asking[0].cancel()  # who leaves takes it from nobody
    ready.set()
    assert await asyncio.gather(*asking[1:]) == [1] * 49
    assert await shared.get() == 2


async def test_a_costly_result_is_given_out_for_a_while() -> None:
    """So that all who ask, one after another, can't have it made all the time."""
    made: list[int] = []

    async def make() -> int:
        made.append(1)
        return len(made)

    shared = Shared(make, lambda result: 0.2 if result == 1 else 0)
    assert [await shared.get() for _ in range(100)] == [1] * 100
    await eventually(shared.get, lambda result: result > 1)


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    """The next one tries again."""
    failing = True

    async def make() -> int:
        await asyncio.sleep(0)
        if failing:
            raise ValueError("once")
        return 1

    shared = Shared(make, lambda _: 60)
    found = await asyncio.gather(*(shared.get() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [ValueError] * 3
    failing = False
    assert await shared.get() == 1


async def test_50_who_scrape_at_once_share_one_rendering() -> None:
    """60,000 lines take 0.4 s of a processor: 50 at once took 20 s, in which the router had a 50th of it."""
    registry, rendered = CollectorRegistry(), 0
    gauge = Gauge("switchboard_of_a_test", "A figure of many.", ["number"], registry=registry)
    for number in range(20_000):
        gauge.labels(str(number)).set(number)

    def count() -> None:
        nonlocal rendered
        rendered += 1

    app = web.Application()
    app.router.add_get("/metrics", metrics_handler(registry, prepare=count))
    async with an_app(Limits(100, 100), app) as port:
        replies = await asyncio.gather(*(ask(port, "/metrics") for _ in range(50)))
    assert {status for status, _ in replies} == {200}
    assert all(b'switchboard_of_a_test{number="19999"} 19999.0\n' in body for _, body in replies)
    assert rendered == 1
