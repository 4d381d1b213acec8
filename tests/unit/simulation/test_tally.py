"""What is counted, and how long things are said to have taken."""

from typing import Any

from switchboard.simulation.scene import Outgoing
from switchboard.simulation.tally import Delays, Tally, rank


def event(kind: str, chat_id: str) -> Outgoing:
    """An event about a chat."""
    return Outgoing("any", chat_id, kind, {"chat_id": chat_id}, at=0)


def decision(kind: str, chat_id: str, frame: int = 0, **fields: Any) -> dict[str, Any]:
    """A decision about a chat, made in this frame."""
    return {"type": kind, "id": f"default/0/{frame}/0", "chat_id": chat_id, **fields}


def test_delays_run_from_publishing_the_cause_to_seeing_the_decision() -> None:
    """An arrival that is queued and assigned at once, and an accept."""
    tally = Tally()
    tally.note_sent(event("chat-arrival", "c"), 100.0)
    tally.note_seen(decision("chat-queued", "c"), 110.0)
    tally.note_seen(decision("chat-assigned", "c"), 112.0)
    tally.note_sent(event("chat-accepted", "c"), 2000.0)
    tally.note_seen(decision("assignment-confirmed", "c", 7), 2030.0)
    assert tally.delay_of("chat-queued") == Delays(1, 10.0, 10.0)
    assert tally.delay_of("chat-assigned") == Delays(1, 12.0, 12.0)
    assert tally.delay_of("assignment-confirmed") == Delays(1, 30.0, 30.0)


def test_the_wait_of_a_chat_is_no_delay_of_ours() -> None:
    """Assigned in a later frame than it arrived in, it waited for an agent."""
    tally = Tally()
    tally.note_sent(event("chat-arrival", "c"), 100.0)
    tally.note_seen(decision("chat-queued", "c", 1), 110.0)
    tally.note_seen(decision("chat-assigned", "c", 2), 9000.0)
    assert tally.delay_of("chat-assigned") is None


def test_other_peoples_chats_are_counted_and_not_timed() -> None:
    """Their events were published by somebody else."""
    tally = Tally()
    tally.note_seen(decision("chat-queued", "theirs"), 5.0)
    tally.note_seen(decision("chat-closed", "theirs", reason="abandoned"), 6.0)
    assert tally.seen == {"chat-queued": 1, "chat-closed": 1}
    assert tally.reasons == {("chat-closed", "abandoned"): 1}
    assert tally.delay_of("chat-queued") is None


def test_nothing_is_kept_of_a_chat_that_is_closed() -> None:
    """A simulation may run for days."""
    tally = Tally()
    for kind in ("chat-arrival", "chat-accepted"):
        tally.note_sent(event(kind, "c"), 1.0)
    tally.note_seen(decision("chat-queued", "c"), 2.0)
    tally.note_seen(decision("chat-closed", "c", reason="abandoned"), 3.0)
    assert not tally.published
    assert not tally.last_queued


def test_ranks_are_of_values_that_were_seen() -> None:
    """Nearest rank: of a hundred values the 99th."""
    values = [float(number) for number in range(1, 101)]
    assert (rank(values, 0.5), rank(values, 0.99), rank([7.0], 0.99)) == (50.0, 99.0, 7.0)
