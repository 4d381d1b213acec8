"""Rows out: what the capacity table and the table of open chats show."""

from typing import Any

from tests.unit.rules.story import Story, Tell, moment, pull


def _public(s: Story, table: str, key: str) -> dict[str, Any] | None:
    """A row as users see it; None: there is none."""
    found = [row.value for row in s.engine.rows() if (row.table, row.key) == (table, key)]
    return {name: value for name, value in (found[0] or {}).items() if name != "engine"} if found else None


def test_the_capacity_table_shows_an_agent(tell: Tell) -> None:
    """Contract `agent-capacity`: who it is, what it may do, what it holds and what it asks for."""
    s = tell(pull(max_sessions=3))
    for chat_id in ("c1", "c2"):
        s.asks("a")
        s.arrives(chat_id)
    s.accepts("a", "c1")
    s.at(5).asks("a")
    assert _public(s, "agent-capacity", "default/a") == {
        "agent_id": "a",
        "pool": "default",
        "profile": "pull",
        "mode": "pull",
        "status": "available",
        "max_sessions": 3,
        "sessions": [
            {"chat_id": "c1", "stage": "active", "offer_id": "default/0/2/1"},
            {"chat_id": "c2", "stage": "offered", "offer_id": "default/0/4/1"},
        ],
        "free": 1,
        "request": {"origin": "manual", "requested_at": moment(5)},
    }


def test_the_row_of_an_agent_who_left_ends(tell: Tell) -> None:
    """Contract `agent-capacity`: a row that ends is a tombstone."""
    s = tell(pull())
    s.logs_in("a")
    s.says("agent-logged-out", agent_id="a")
    assert _public(s, "agent-capacity", "default/a") is None


def test_the_table_of_open_chats_shows_a_chat(tell: Tell) -> None:
    """Contract `open-chats`: where it stands, with whom, since when, and how often it was offered."""
    s = tell(pull())
    s.asks("a")
    s.at(3).arrives("c1", arrived_at=moment(1))
    offered = _public(s, "open-chats", "default/c1")
    assert offered == {
        "chat_id": "c1",
        "pool": "default",
        "queue": "q",
        "stage": "offered",
        "arrived_at": moment(1),
        "agent_id": "a",
        "offer_id": "default/0/2/1",
        "attempt": 1,
    }
    s.declines("a", "c1")
    assert _public(s, "open-chats", "default/c1") == {**offered, "stage": "waiting", "agent_id": None, "offer_id": None}


def test_a_closed_chat_is_shown_until_it_is_forgotten(tell: Tell) -> None:
    """Contract `open-chats`: one row a chat that is open or still remembered (R13)."""
    s = tell(pull())
    s.arrives("c1")
    s.abandons("c1")
    closed = _public(s, "open-chats", "default/c1")
    assert closed is not None
    assert (closed["stage"], closed["agent_id"]) == ("closed", None)
    s.until(600)
    assert _public(s, "open-chats", "default/c1") is None


def test_a_frame_changes_the_rows_of_what_it_touched_only(tell: Tell) -> None:
    """Rows of agents and chats that nothing happened to are not written again."""
    s = tell(pull())
    for number in range(5):
        s.logs_in(f"a{number}")
        s.arrives(f"c{number}")
    s.says("agent-absent", agent_id="a1")
    assert {(row.table, row.key) for row in s.changed} == {
        ("agent-capacity", "default/a1"),
        ("shard-progress", "clock"),
    }
