"""Each fault is found: by its rule, in its frame, with the names of those whom it is about."""

from typing import Any

import pytest

from switchboard.audit.findings import differences
from tests.unit.audit.day import Plant, add, audited, change, double, drop, move, swap

OFFER = "chat-assigned"
REQUEST = "chat-requested"
CONFIRMED = "assignment-confirmed"
ENDED = "assignment-ended"
REQUEUED = "chat-requeued"
CLOSED = "chat-closed"
WHY = {"policy": "first-due", "agent_order": "oldest-request", "waiting": 4, "requests": 1}

PLANTED: list[tuple[Plant, str, int, str | None, str | None]] = [
    # I1: an offer to one who is full: bob may hold one session, and holds c3
    (add(9, (5, OFFER, "bob"), chat_id="c2"), "I1", 9, "c2", "bob"),
    # I1: the offer itself says that it is beyond the limit
    (change(7, OFFER, "c4", sessions=3), "I1", 7, "c4", "ana"),
    # I2: a chat in two offers
    (add(6, (4, OFFER, "c2"), agent_id="bob"), "I2", 6, "c2", "bob"),
    # I2: a chat that is active with one is offered to another
    (add(6, (5, OFFER, "bob"), chat_id="c1"), "I2", 6, "c1", "bob"),
    # I2: another agent's acceptance is confirmed
    (change(4, CONFIRMED, "c1", agent_id="bob"), "I2", 4, "c1", "bob"),
    # I2: closed as if another held it
    (change(18, CLOSED, "c1", agent_id="bob"), "I2", 18, "c1", "bob"),
    # I3: accepted twice
    (double(4, CONFIRMED, "c1"), "I3", 4, "c1", "ana"),
    # I3: accepted, and ended as well
    (add(4, (7, ENDED, "c2"), chat_id="c1"), "I3", 4, "c1", "ana"),
    # I3: the accept came while the offer stood, and was not confirmed
    (drop(12, CONFIRMED, "c3"), "I3", 12, "c3", "bob"),
    # I3: the offer ended by its abandonment is not told
    (drop(10, ENDED, "c4"), "I3", 10, "c4", "ana"),
    # I3: another offer is confirmed than stands
    (change(4, CONFIRMED, "c1", offer_id="default/0/2/9"), "I3", 4, "c1", "ana"),
    # I3: the chat waits again before its offer has ended
    (swap(7, ENDED, "c2"), "R3", 7, "c2", None),
    # I4: an arrival without an answer
    (drop(3, "chat-queued", "c2"), "I4", 3, "c2", None),
    # I4: queued twice
    (double(3, "chat-queued", "c2"), "I4", 3, "c2", None),
    # I4: closed twice
    (double(18, CLOSED, "c1"), "I4", 18, "c1", "ana"),
    # I4: never closed, though released
    (drop(18, CLOSED, "c1"), "I4", 18, "c1", "ana"),
    # I4: the declined offer's chat does not wait again
    (drop(7, REQUEUED, "c2"), "I4", 7, "c2", None),
    # I4: it waits again twice
    (double(7, REQUEUED, "c2"), "I4", 7, "c2", None),
    # I4: the conversation's end is not told
    (drop(9, "chat-wrapping", "c1"), "I4", 9, "c1", "ana"),
    # I4: a chat that waits is wrapped up
    (add(9, (9, "chat-wrapping", "c1"), chat_id="c2"), "I4", 9, "c2", "ana"),
    # I4: the chat of an agent who has gone does not wait again
    (drop(19, REQUEUED, "c3"), "I4", 19, "c3", None),
    # I4: an overflow that did not happen
    (drop(17, REQUEUED, "c6"), "I4", 17, "c6", None),
    # I4: a chat that waits too long is not closed
    (drop(21, CLOSED, "c5"), "I4", 21, "c5", None),
    # I4: another chat is closed
    (change(18, CLOSED, "c1", chat_id="c2"), "I2", 18, "c2", "ana"),
    # I5: an offer that should have been made
    (drop(7, OFFER, "c4"), "I5", 7, "c4", "ana"),
    # I5: it is made a frame late
    (move(7, OFFER, "c4", to=8), "I5", 7, "c4", "ana"),
    # I6: the younger of two chats of one queue
    (change(7, OFFER, "c4", chat_id="c5"), "I6", 7, "c5", "ana"),
    # R5: a chat that the agent has just declined
    (change(7, OFFER, "c4", chat_id="c2"), "R5", 7, "c2", "ana"),
    # R6: an offer to one who has not asked
    (add(3, (2, OFFER, "c1"), chat_id="c2"), "R6", 3, "c2", "ana"),
    # I7: a second request while one is outstanding
    (double(1, REQUEST, "ana"), "I7", 1, None, "ana"),
    # I8: an agent in push mode with a free session who does not request
    (drop(4, REQUEST, "ana"), "I8", 4, None, "ana"),
    # I8: one in pull mode who does
    (add(19, (1, REQUEST, "ana"), agent_id="bob"), "I8", 19, None, "bob"),
    # R1: stamped with another time than the timer's
    (change(17, REQUEUED, "c6", at="2026-02-02T02:40:00.000Z"), "R1", 17, "c6", None),
    # R9: an offer that expires at another time
    (change(7, OFFER, "c4", expires_at="2026-02-02T02:40:00.000Z"), "R9", 7, "c4", "ana"),
    # R9: an offer that counts its requests wrongly
    (change(7, OFFER, "c4", why=WHY), "R9", 7, "c4", "ana"),
    # R10: the reason is another
    (change(7, ENDED, "c2", reason="missed"), "I3", 7, "c2", "ana"),
    # R10: an accept that can't be is not answered
    (drop(11, "accept-rejected", "c4"), "R10", 11, "c4", "ana"),
    # R10: it is answered wrongly
    (change(11, "accept-rejected", "c4", reason="stale-offer"), "R10", 11, "c4", "ana"),
    # R10: a decline that is not allowed goes unanswered
    (drop(8, "decline-rejected", "c3"), "R10", 8, "c3", "bob"),
    # R10: one miss too many, and the agent stays available
    (drop(16, "agent-made-unavailable", "ana"), "R10", 16, None, "ana"),
    # R10: the miss comes before its time
    (move(16, ENDED, "c5", to=15), "I3", 15, "c5", "ana"),
    # R12: a request that could not stand is not refused
    (drop(13, "request-rejected", "bob"), "R12", 13, None, "bob"),
    # R16: neither is a transfer
    (drop(14, "transfer-rejected", "c9"), "R16", 14, "c9", None),
    # R17: it overflows into another queue
    (change(17, REQUEUED, "c6", queue="o"), "R17", 17, "c6", None),
]


@pytest.mark.parametrize(
    ("fault", "rule", "frame", "chat_id", "agent_id"), PLANTED, ids=[str(number) for number in range(len(PLANTED))]
)
def test_a_planted_fault_is_found(
    fault: Plant, rule: str, frame: int, chat_id: str | None, agent_id: str | None
) -> None:
    """The first finding names rule, frame, place, chat and agent, though the ids don't give it away."""
    report = audited(fault)
    assert report.found, "nothing was found"
    first = report.findings[0]
    told: tuple[Any, ...] = (rule in first.rules, first.frame, first.place, first.chat_id, first.agent_id)
    assert told == (True, frame, f"day:{frame + 1}", chat_id, agent_id), first.line()


def test_nothing_is_found_in_the_day_as_it_was() -> None:
    """Else no test here would mean anything; the figures say what was looked at."""
    report = audited()
    assert report.findings == []
    assert (report.frames, report.offers, report.chats, report.logins) == (22, 6, 6, 2)


def test_a_gap_in_the_ids_is_found_where_nothing_else_is() -> None:
    """The contract of ids: N counts a frame's decisions from 0."""
    report = audited(change(9, "chat-wrapping", "c1", id="default/0/9/1"), anew=False)
    assert [(each.rules, each.frame, each.expected) for each in report.findings] == [(("ids",), 9, "id default/0/9/0")]


def test_a_finding_can_be_read() -> None:
    """Rule, who, when, what was expected and what the log has."""
    report = audited(change(7, "chat-assigned", "c4", chat_id="c5"))
    assert report.findings[0].line() == (
        "I6 R8: pool default, chat c5, agent ana\n"
        "  when      frame 7 of shard 0, decision default/0/7/3, 2026-02-02T02:40:06.000Z (day:8)\n"
        "  expected  chat-assigned with chat_id c4\n"
        "  found     chat-assigned with chat_id c5; chat c4 is older in queue q, and the agent may take it"
    )


def test_two_faults_apart_are_two_findings() -> None:
    """The auditor goes on after a finding, and what it says later is not of its own making."""
    report = audited(drop(9, "chat-wrapping", "c1"), drop(14, "transfer-rejected", "c9"))
    assert [each.frame for each in report.findings] == [9, 14]


def test_a_field_that_differs_is_told_as_json() -> None:
    """As it stands in the log, not as Python has it; one that is not there at all in words."""
    want = {"type": "chat-assigned", "why": {"lot": None}, "by_itself": True}
    found = {"type": "chat-assigned", "why": {"lot": "a"}, "origin": "push"}
    assert differences(want, found) == (
        'chat-assigned with why {"lot":null}, by_itself true, no origin',
        'chat-assigned with why {"lot":"a"}, no by_itself, origin push',
    )
