"""The demo's table: what is shown of the rows and decisions."""

from io import StringIO

import orjson
from rich.console import Console

from switchboard.cli.live_board import Board, plain, render
from switchboard.kafka.topics import Topic

NOW = 1_000_000
QUEUES = [("retail", "accounts"), ("retail", "cards"), ("business", "gold")]
POLICIES = {"retail": "first-due", "business": "strict-priority"}


def a_board() -> Board:
    """A push agent with one chat of three, and two chats that wait on accounts."""
    board = Board(QUEUES)
    agent = {
        "agent_id": "ana",
        "pool": "retail",
        "mode": "push",
        "status": "available",
        "max_sessions": 3,
        "sessions": [{"chat_id": "c1", "stage": "offered"}, {"chat_id": "c0", "stage": "active"}],
        "free": 1,
        "request": {"origin": "push", "requested_at": "1970-01-01T00:00:00.000Z"},
    }
    board.take(Topic.AGENT_CAPACITY, b"retail/ana", orjson.dumps(agent))
    for chat_id, second in (("c2", 998), ("c3", 995)):
        chat = {"pool": "retail", "queue": "accounts", "stage": "waiting"}
        chat["arrived_at"] = f"1970-01-01T00:{second // 60:02}:{second % 60:02}.000Z"
        board.take(Topic.OPEN_CHATS, f"retail/{chat_id}".encode(), orjson.dumps(chat))
    return board


def test_queues_show_how_many_wait_and_since_when() -> None:
    """The oldest of two has waited five seconds; the other queues are empty."""
    lines = [(line.queue, line.waiting, line.oldest_seconds) for line in a_board().lines(NOW)]
    assert lines == [("accounts", 2, 5.0), ("cards", 0, None), ("gold", 0, None)]


def test_a_row_that_ends_is_shown_no_more() -> None:
    """Tombstones take agents and chats off the board."""
    board = a_board()
    board.take(Topic.OPEN_CHATS, b"retail/c3", None)
    board.take(Topic.AGENT_CAPACITY, b"retail/ana", None)
    assert next(board.lines(NOW)).oldest_seconds == 2.0
    assert board.agents == {}


def test_the_table_shows_sessions_as_slots_active_first() -> None:
    """One conversation, one offer, one free slot."""
    console = Console(width=120, record=True, file=StringIO())
    console.print(render(a_board(), POLICIES, "head", NOW))
    shown = console.export_text()
    assert "●◌○" in shown
    assert "Strict Priority" in shown
    assert "5.0 s" in shown


def test_the_plain_line_holds_the_same_figures() -> None:
    """Where there is no terminal."""
    assert plain(a_board(), NOW) == (
        "waiting: accounts 2 (5 s), cards 0, gold 0; 2 chats with agents, 1 agent available (3 slots in all)"
    )


def test_the_last_assignments_come_first_and_only_so_many_are_kept() -> None:
    """Other decisions are not listed."""
    board = Board(QUEUES)
    for number in range(20):
        board.note({"type": "chat-assigned", "chat_id": f"c{number}"})
        board.note({"type": "chat-queued", "chat_id": f"c{number}"})
    assert [each["chat_id"] for each in board.assignments] == [f"c{number}" for number in range(19, 11, -1)]
