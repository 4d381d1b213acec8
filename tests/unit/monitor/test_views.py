"""What the web API tells of the tables."""

from datetime import UTC, datetime
from typing import Any

from switchboard.monitor.figures import Figures
from switchboard.monitor.overview import Overviews, overview, page_of
from switchboard.monitor.public_rows import ChatRow
from switchboard.monitor.tables import Tables
from switchboard.monitor.views import Page, PageRequest, Views, queue_rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

IDLE: dict[str, Any] = {"profile": "all", "status": "absent", "free": 0, "request": None}
"""What the rows of these agents hold beside their ids."""


def at(second: float) -> datetime:
    """A moment so many seconds after noon."""
    return datetime.fromtimestamp(NOON.timestamp() + second, UTC)


async def agents_view(tables: Tables, pool: str | None) -> list[dict[str, Any]]:
    """The agents, of one pool or of all."""
    return (await Views(tables, Overviews(tables)).agents(PageRequest(pool, None, 1_000))).rows


async def queues_view(tables: Tables, pool: str | None, now: datetime) -> list[dict[str, Any]]:
    """The queues at a moment, of one pool or of all."""
    taken = await overview(tables, now.timestamp())
    keys = page_of(taken.queues, pool, None, 1_000)
    return await queue_rows(taken, keys, tables.history.outcomes.windows, now)


def chat(queue: str, stage: str, arrived: float, pool: str = "default") -> ChatRow:
    """A chat that arrived so many seconds after noon."""
    return ChatRow(pool=pool, queue=queue, stage=stage, arrived_at=at(arrived))


async def test_agents_stand_by_pool_and_id_and_one_pool_can_be_asked_for() -> None:
    """The order does not depend on that of the rows."""
    keys = [("b", "1"), ("a", "2"), ("b", "0"), ("a", "10")]
    tables = Tables(agents={f"{pool}/{agent}": {"pool": pool, "agent_id": agent, **IDLE} for pool, agent in keys})
    assert [(row["pool"], row["agent_id"]) for row in await agents_view(tables, None)] == sorted(keys)
    assert [row["agent_id"] for row in await agents_view(tables, "b")] == ["0", "1"]
    assert await agents_view(tables, "nowhere") == []


async def test_a_queue_counts_its_chats_by_stage_and_tells_the_oldest_that_waits() -> None:
    """An older chat that is being served is not one that waits."""
    rows = [
        chat("sales", "waiting", 30),
        chat("sales", "waiting", 20.25),
        chat("sales", "offered", 10),
        chat("sales", "active", 5),
        chat("sales", "active", 6),
        chat("sales", "wrapping", 1),
    ]
    tables = Tables(chats={str(number): row for number, row in enumerate(rows)})
    (told,) = await queues_view(tables, None, at(60))
    assert told.pop("now") == told.pop("today") == Figures().as_json()
    assert told == {
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


async def test_a_configured_queue_is_told_of_even_when_it_is_empty() -> None:
    """Nobody waiting is news, too; the queues stand by pool and name, with those that are in use but not configured."""
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


async def test_who_can_take_a_chat_is_told_by_the_queues_that_the_agents_profiles_serve() -> None:
    """Of the available ones: who asks, and the sessions free. Without a configuration each agent serves each queue."""

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

    async def told() -> dict[str, tuple[int, int, int]]:
        return {
            row["queue"]: (row["agents_requesting"], row["sessions_free"], row["agents_available"])
            for row in await queues_view(tables, None, NOON)
        }

    assert await told() == {"sales": (1, 3, 3), "help": (1, 2, 2)}
    tables.profiles.clear()
    assert await told() == {"sales": (2, 7, 4), "help": (2, 7, 4)}


async def test_a_pool_that_was_never_configured_has_its_default_queue_once_an_agent_is_there() -> None:
    """The router has one too, and every agent there serves it; nothing is guessed where a configuration must have been.

    There are queues then, or agents of a profile that only a configuration gives.
    """
    row = {"profile": "default", "status": "available", "free": 2, "request": None}
    tables = Tables(
        agents={pool: row | {"pool": pool, "agent_id": "ann"} for pool in ("new", "shop", "old")},
        queues={"shop": ("sales",)},
        profiles={"shop": {"default": ("sales",)}},
        chats={"x": chat("help", "waiting", 0, pool="old")},
    )

    async def told(pool: str | None) -> dict[tuple[str, str], tuple[int, int]]:
        view = await queues_view(tables, pool, NOON)
        return {(row["pool"], row["queue"]): (row["agents_available"], row["sessions_free"]) for row in view}

    assert await told(None) == {
        ("new", "default"): (1, 2),
        ("old", "help"): (1, 2),
        ("shop", "sales"): (1, 2),
    }
    assert await told("new") == {("new", "default"): (1, 2)}
    assert await told("nowhere") == {}
    tables.agents["new"] |= {"profile": "all"}
    assert await told("new") == {}


async def test_pages_follow_each_other_without_a_gap_or_a_repetition() -> None:
    """Whatever the ids are, and where one pool is asked for."""
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


async def test_a_page_behind_a_row_that_is_gone_begins_with_the_next() -> None:
    """A page names the last row of the one before, which may have left since."""
    tables = Tables(agents={f"p/{n}": {"pool": "p", "agent_id": str(n), **IDLE} for n in range(5)})
    views = Views(tables, Overviews(tables))
    del tables.agents["p/2"]
    page = await views.agents(PageRequest(None, ("p", "2"), 1))
    assert ([row["agent_id"] for row in page.rows], page.next_after) == (["3"], ("p", "3"))
