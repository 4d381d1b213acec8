"""An agent's day: what happened, how it then stood, and the totals."""

from pathlib import Path

from switchboard.journal.log_frames import Tally
from switchboard.tools.explanation import explain_agent
from tests.unit.replay.logs import Told, journal
from tests.unit.replay.telling import agent_told, part
from tests.unit.rules.story import config, event, pull

DAY: list[Told] = [
    (0, [event("pool-configured", config=config(pull(max_sessions=1, wrap_up=False)))]),
    (10, [event("agent-logged-in", agent_id="ana", status="unavailable"), event("request-chat", agent_id="ana")]),
    (20, [event("agent-status-changed", agent_id="ana", status="available")]),
    (30, [event("request-chat", agent_id="ana")]),
    (40, [event("chat-arrival", chat_id="c1")]),
    (42, [event("chat-accepted", chat_id="c1", agent_id="ana"), event("request-chat", agent_id="ana")]),
    (50, [event("chat-concluded", chat_id="c1")]),
    (51, [event("agent-heartbeat", agent_id="ana"), event("request-chat", agent_id="ana")]),
    (52, [event("chat-arrival", chat_id="c2")]),
    (80, []),
    (110, [event("agent-logged-out", agent_id="ana")]),
]


def test_the_totals_are_those_of_the_day(tmp_path: Path) -> None:
    """Time by the log's clock; offers by what came of them; refused requests by why."""
    (story,) = explain_agent(journal(tmp_path / "journal.jsonl", *DAY), "ana", None, Tally(), lambda: None)
    totals = story.totals
    assert (totals.logged_in, totals.available) == (100, 90)
    assert (totals.occupied, totals.full, totals.sessions) == (25, 25, 25)
    assert totals.asking == 11
    assert (totals.offers, totals.accepted, totals.seconds_to_accept) == (2, 1, 2)
    assert totals.ended == {"missed": 1}
    assert totals.chats_closed == 1
    assert totals.rejected_requests == {"not-available": 1, "at-capacity": 1}


def test_each_change_is_told_with_how_the_agent_then_stood(tmp_path: Path) -> None:
    """Heartbeats that change nothing are left out."""
    told = agent_told(tmp_path, "ana", *DAY)
    assert part(told, "00:40.000") == [
        "Chat c1 arrived.",
        "Chat c1 was offered to ana at once (first offer), to be answered by 08:00:55.000. [R9]",
        "Now available, 1 of 1 chats.",
    ]
    assert part(told, "00:50.000") == [
        "The conversation of chat c1 was ended; chat c1 was closed, and ana is free for another in its",
        "place. [R15]",
        "Now available, 0 of 1 chats.",
    ]
    assert part(told, "01:07.000")[0] == "ana did not answer the offer of chat c2 in time. [R10]"
    assert part(told, "01:50.000") == ["ana logged out.", "Now logged out."]
    assert "gave a sign" not in told


def test_an_absence_by_silence_is_told_though_no_event_says_it(tmp_path: Path) -> None:
    """And the return from it, by any sign."""
    told = agent_told(
        tmp_path,
        "ana",
        (0, [event("pool-configured", config=config(pull(), absent_after=60))]),
        (1, [event("agent-logged-in", agent_id="ana")]),
        (90, []),
        (100, [event("agent-heartbeat", agent_id="ana")]),
    )
    assert part(told, "01:01.000") == [
        "The agent gave no sign for too long, and counts as absent. [R18]",
        "Now absent, 0 of 3 chats.",
    ]
    assert part(told, "01:40.000")[1] == "Now available, 0 of 3 chats."
