"""Rows of queues and agents, and their pages."""

from datetime import UTC, datetime
from typing import Any

from switchboard.monitor.figures import Figures
from switchboard.monitor.overview import Overviews, overview, page_of
from switchboard.monitor.public_rows import ChatRow
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import Page, PageRequest, Views, queue_rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

IDLE: dict[str, Any] = {"profile": "all", "status": "absent", "free": 0, "request": None}
"""The other fields of the rows of these agents."""


def at(second: float) -> datetime:
    """The time `second` s after noon."""
    return datetime.fromtimestamp(NOON.timestamp() + second, UTC)


async def agents_view(tables: Tables, pool: str | None) -> list[dict[str, Any]]:
    """The agents, of one pool or of all."""
    return (await Views(tables, Overviews(tables)).agents(PageRequest(pool, None, 1_000))).rows


async def queues_view(tables: Tables, pool: str | None, now: datetime) -> list[dict[str, Any]]:
    """The queues at a time, of one pool or of all."""
    taken = await overview(tables, now.timestamp())
    keys = page_of(taken.queues, pool, None, 1_000)
    return await queue_rows(taken, keys, tables.history.outcomes.windows, now)


def chat(queue: str, stage: str, arrived: float, pool: str = "default") -> ChatRow:
    """A chat that arrived `arrived` s after noon."""
    return ChatRow(pool=pool, queue=queue, stage=stage, arrived_at=at(arrived))


async def test_agents_come_by_pool_and_id_of_one_pool_or_all() -> None:
    """The order does not depend on the order in the tables."""
    keys = [("b", "1"), ("a", "2"), ("b", "0"), ("a", "10")]
    tables = Tables(agents={f"{pool}/{agent}": {"pool": pool, "agent_id": agent, **IDLE} for pool, agent in keys})
    assert [(row["pool"], row["agent_id"]) for row in await agents_view(tables, None)] == sorted(keys)
    assert [row["agent_id"] for row in await agents_view(tables, "b")] == ["0", "1"]
    assert await agents_view(tables, "nowhere") == []


async def test_a_queue_counts_its_chats_by_stage_and_has_the_oldest_waiting_one() -> None:
    """Older chats in other stages do not count as waiting."""
    rows = [
        chat("sales", "waiting", 30),
        chat("sales", "waiting", 20.25),
        chat("sales", "offered", 10),
        chat("sales", "active", 5),
        chat("sales", "active", 6),
        chat("sales", "wrapping", 1),
    ]
    tables = Tables(chats={str(number): row for number, row in enumerate(rows)})
    (row,) = await queues_view(tables, None, at(60))
    assert row.pop("now") == row.pop("today") == Figures().as_json()
    assert row == {
        "pool": "default",
        "queue": "sales",
        "waiting": 2,
        "oldest_arrived_at": "2024-05-01T12:00:20.250Z",
        "oldest_wait_seconds": 39.75,
        "offered": 1,
        "active": 2,
        "wrapping": 1,
        "agents_requesting": 0,
        "sessions_free": 0,
        "agents_available": 0,
    }


async def test_a_configured_queue_has_a_row_when_it_is_empty() -> None:
    """Queues come by pool and name, those in use without a configuration included."""
    tables = Tables(
        chats={"x": chat("gone", "active", 0, pool="shop")}, queues={"shop": ("support", "sales"), "bank": ("loans",)}
    )
    view = await queues_view(tables, None, NOON)
    assert [(row["pool"], row["queue"]) for row in view] == [
        ("bank", "loans"),
        ("shop", "gone"),
        ("shop", "sales"),
        ("shop", "support"),
    ]
    assert view[0]["waiting"] == 0
    assert view[0]["oldest_arrived_at"] is None
    assert view[0]["oldest_wait_seconds"] is None
    assert [row["queue"] for row in await queues_view(tables, "bank", NOON)] == ["loans"]


async def test_a_wait_is_never_negative() -> None:
    """The router's clock may be ahead of the monitor's."""
    tables = Tables(chats={"x": chat("sales", "waiting", 5)})
    assert (await queues_view(tables, None, NOON))[0]["oldest_wait_seconds"] == 0.0


async def test_agents_count_in_the_queues_that_their_profiles_serve() -> None:
    """Available agents, their requests and free sessions count. Without a configuration all serve each queue."""

    def agent(name: str, profile: str, free: int, *, asking: bool, status: str = "available") -> dict[str, object]:
        request = {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z"} if asking else None
        row = {"pool": "default", "agent_id": name, "profile": profile, "status": status, "free": free}
        return row | {"request": request}

    rows = [
        agent("ann", "both", 2, asking=True),
        agent("bob", "sales", 1, asking=False),
        agent("cid", "both", 3, asking=False, status="absent"),
        agent("dan", "none", 4, asking=True),
        agent("eve", "both", 0, asking=True),
    ]
    tables = Tables(
        agents={str(row["agent_id"]): row for row in rows},
        queues={"default": ("sales", "help")},
        profiles={"default": {"both": ("sales", "help"), "sales": ("sales",), "none": ()}},
    )

    async def counted() -> dict[str, tuple[int, int, int]]:
        return {
            row["queue"]: (row["agents_requesting"], row["sessions_free"], row["agents_available"])
            for row in await queues_view(tables, None, NOON)
        }

    assert await counted() == {"sales": (1, 3, 3), "help": (1, 2, 2)}
    tables.profiles.clear()
    assert await counted() == {"sales": (2, 7, 4), "help": (2, 7, 4)}


async def test_a_pool_that_was_never_configured_has_its_default_queue_once_an_agent_logs_in() -> None:
    """The router has that queue too, and every agent serves it.

    Other queues, or agents with another profile than the default one, show that the pool was configured.
    """
    row = {"profile": "default", "status": "available", "free": 2, "request": None}
    tables = Tables(
        agents={pool: row | {"pool": pool, "agent_id": "ann"} for pool in ("new", "shop", "old")},
        queues={"shop": ("sales",)},
        profiles={"shop": {"default": ("sales",)}},
        chats={"x": chat("help", "waiting", 0, pool="old")},
    )

    async def counted(pool: str | None) -> dict[tuple[str, str], tuple[int, int]]:
        view = await queues_view(tables, pool, NOON)
        return {(row["pool"], row["queue"]): (row["agents_available"], row["sessions_free"]) for row in view}

    assert await counted(None) == {
        ("new", "default"): (1, 2),
        ("old", "help"): (1, 2),
        ("shop", "sales"): (1, 2),
    }
    assert await counted("new") == {("new", "default"): (1, 2)}
    assert await counted("nowhere") == {}
    tables.agents["new"] |= {"profile": "all"}
    assert await counted("new") == {}


async def test_pages_have_each_row_once() -> None:
    """Also with unusual ids, and of one pool."""
    keys = [(pool, agent) for pool in ("a", "a/b", "é") for agent in ("", "/", "1", "10", "2")]
    tables = Tables(agents={f"{pool}/{agent}": {"pool": pool, "agent_id": agent, **IDLE} for pool, agent in keys})
    views = Views(tables, Overviews(tables))
    for pool, wanted in ((None, sorted(keys)), ("a", sorted(key for key in keys if key[0] == "a"))):
        page, found = Page([], ("", "")), []
        while page.next_after is not None:
            page = await views.agents(PageRequest(pool, page.next_after, 2))
            assert len(page.rows) <= 2
            found += [(row["pool"], row["agent_id"]) for row in page.rows]
        assert found == wanted


async def test_a_page_after_a_row_that_is_gone_begins_with_the_next() -> None:
    """A page is named by the last row of the previous one, which may be gone."""
    tables = Tables(agents={f"p/{n}": {"pool": "p", "agent_id": str(n), **IDLE} for n in range(5)})
    views = Views(tables, Overviews(tables))
    del tables.agents["p/2"]
    page = await views.agents(PageRequest(None, ("p", "2"), 1))
    assert ([row["agent_id"] for row in page.rows], page.next_after) == (["3"], ("p", "3"))
