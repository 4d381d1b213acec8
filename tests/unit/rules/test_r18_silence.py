"""R18: an agent who gives no sign for long is absent, and then lost, by itself; any sign shows that it is there."""

import pytest

from switchboard.domain.events import Event
from tests.unit.rules.story import Story, Tell, event, pull, push

SIGNS = {
    "heartbeat": event("agent-heartbeat", agent_id="a"),
    "login": event("agent-logged-in", agent_id="a"),
    "status": event("agent-status-changed", agent_id="a", status="available"),
    "capacity": event("agent-capacity-changed", agent_id="a", max_sessions=2),
    "request": event("request-chat", agent_id="a"),
    "cancelling nothing": event("request-cancelled", agent_id="a"),
    "accept refused": event("chat-accepted", agent_id="a", chat_id="unknown"),
    "decline ignored": event("chat-declined", agent_id="a", chat_id="unknown"),
    "release ignored": event("chat-released", agent_id="a", chat_id="unknown"),
    "conclusion": event("chat-concluded", agent_id="a", chat_id="unknown"),
    "conclusion by the agent": event("chat-concluded", agent_id="a", chat_id="unknown", by="agent"),
}
NO_SIGNS = {
    "conclusion by the customer": event("chat-concluded", agent_id="a", chat_id="c1", by="customer"),
    "conclusion by the system": event("chat-concluded", agent_id="a", chat_id="c1", by="system"),
    "transfer to the agent": event("chat-transferred", to_agent="a", chat_id="c1"),
    "arrival": event("chat-arrival", chat_id="c2"),
    "another's heartbeat": event("agent-heartbeat", agent_id="b"),
    "another pool's": event("agent-heartbeat", "other", agent_id="a"),
}


def _status(s: Story) -> str:
    return str(s.agent("a")["status"])


def test_a_silent_agent_becomes_absent(tell: Tell) -> None:
    """R18: its request is withdrawn and its undecided offer goes to another, as with any absence."""
    s = tell(push(offer_timeout=285), absent_after=60)
    s.logs_in("a")
    s.at(10).arrives("c1")
    s.logs_in("b")
    assert s.until(59.999) == []
    assert s.until(60) == [
        "assignment-ended c1 a agent-absent",
        "chat-requeued c1 q agent-absent",
        "chat-assigned c1 b",
    ]
    assert _status(s) == "absent"


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
def test_any_sign_starts_the_silence_anew(tell: Tell, sign: Event) -> None:
    """R18: any event whose `agent_id` is the agent, whatever comes of it."""
    s = tell(pull(), absent_after=60)
    s.logs_in("a")
    s.at(50).frame(sign)
    s.until(109.999)
    assert _status(s) == "available"
    s.until(110)
    assert _status(s) == "absent"


@pytest.mark.parametrize("other", NO_SIGNS.values(), ids=NO_SIGNS)
def test_what_others_do_is_no_sign(tell: Tell, other: Event) -> None:
    """R18: a customer's ending names the agent, a transfer goes to it; neither shows that it is there."""
    s = tell(pull(), absent_after=60)
    s.frame(event("agent-logged-in", agent_id="b"), event("agent-logged-in", agent_id="a"))
    s.arrives("c1")
    s.at(50).frame(other)
    s.until(60)
    assert _status(s) == "absent"


def test_an_absence_that_is_told_is_no_sign(tell: Tell) -> None:
    """R18: `agent-absent` tells of the agent, not from it: it is lost in its time."""
    s = tell(pull(), lost_after=60)
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(50).says("agent-absent", agent_id="a")
    assert s.until(59.999) == []
    assert s.until(60) == ["chat-requeued c1 q agent-lost"]


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
def test_a_sign_of_an_agent_absent_by_silence_brings_it_back(tell: Tell, sign: Event) -> None:
    """R18: it is an `agent-present`: the status before holds again, and a push agent asks at once."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.until(60)
    s.frame(sign)
    assert _status(s) == "available"
    assert s.agent("a")["request"] is not None
    s.until(120)
    assert _status(s) == "absent"


def test_an_agent_present_brings_a_silent_agent_back(tell: Tell) -> None:
    """R18, R21: it is a sign itself, and not counted as said in vain."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.until(60)
    assert s.says("agent-present", agent_id="a") == ["chat-requested a"]
    assert s.says("agent-present", agent_id="a") == ["(ignored agent-present)"]


@pytest.mark.parametrize("other", list(NO_SIGNS.values())[:3], ids=list(NO_SIGNS)[:3])
def test_what_others_do_brings_nobody_back(tell: Tell, other: Event) -> None:
    """R18: only a sign does."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.until(60)
    s.frame(other)
    assert _status(s) == "absent"


def test_a_silent_agent_comes_back_with_the_status_that_it_had(tell: Tell) -> None:
    """R18: who was unavailable is so again; its sign does not make it available."""
    s = tell(push(), absent_after=60)
    s.logs_in("a", status="unavailable")
    s.until(60)
    assert _status(s) == "absent"
    assert s.says("agent-heartbeat", agent_id="a") == []
    assert _status(s) == "unavailable"


def test_a_sign_does_not_end_an_absence_that_was_told(tell: Tell) -> None:
    """R18: the console beats on while its agent is away."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.says("agent-absent", agent_id="a")
    s.at(30).says("agent-heartbeat", agent_id="a")
    assert _status(s) == "absent"
    assert s.says("agent-present", agent_id="a") == ["chat-requested a"]


def test_silence_changes_nothing_about_an_absence_that_was_told(tell: Tell) -> None:
    """R18: also after `absent_after` a sign does not bring back who said that it would be away."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.at(10).says("agent-absent", agent_id="a")
    s.until(70)
    assert s.says("agent-heartbeat", agent_id="a") == []
    assert _status(s) == "absent"


def test_an_absence_told_of_a_silent_agent_is_ignored(tell: Tell) -> None:
    """R18: it stays absent by silence, so its next sign brings it back."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.until(60)
    assert s.says("agent-absent", agent_id="a") == ["(ignored agent-absent)"]
    assert s.says("agent-heartbeat", agent_id="a") == ["chat-requested a"]


def test_a_request_of_a_silent_agent_counts(tell: Tell) -> None:
    """R18, R12: it is back before its request is looked at."""
    s = tell(pull(), absent_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.until(60)
    assert s.asks("a") == ["chat-assigned c1 a"]


def test_a_silent_agents_late_accept_is_refused_but_brings_it_back(tell: Tell) -> None:
    """R18, R10: the offer was rescinded; what comes of a sign does not matter."""
    s = tell(push(offer_timeout=285), absent_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.until(60)
    assert s.accepts("a", "c1") == ["accept-rejected c1 a not-offered", "chat-requested a", "chat-assigned c1 a"]


def test_a_silent_agent_is_lost_in_the_end(tell: Tell) -> None:
    """R18: `lost_after` counts from the same last sign; then its chats wait again."""
    s = tell(pull(), absent_after=60, lost_after=150)
    s.asks("a")
    s.arrives("c1")
    s.at(10).accepts("a", "c1")
    assert s.until(159.999) == []
    assert _status(s) == "absent"
    assert s.until(160) == ["chat-requeued c1 q agent-lost"]
    assert s.says("agent-heartbeat", agent_id="a") == ["(ignored agent-heartbeat)"]


def test_an_agent_can_be_lost_without_being_absent_before(tell: Tell) -> None:
    """R18: with `lost_after` alone; signs count all the same."""
    s = tell(push(offer_timeout=285), lost_after=60)
    s.logs_in("a")
    s.arrives("c1")
    s.at(30).says("agent-heartbeat", agent_id="a")
    assert s.until(89.999) == []
    assert s.until(90) == ["assignment-ended c1 a agent-lost", "chat-requeued c1 q agent-lost"]


def test_silence_is_service_time(tell: Tell) -> None:
    """R18, R1: an outage of the router makes nobody absent."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    s.until(3600, run=0)
    assert _status(s) == "available"


def test_silence_does_not_matter_unless_it_is_set(tell: Tell) -> None:
    """R18, defaults: 0 is off."""
    s = tell(push())
    s.logs_in("a")
    s.until(86_400)
    assert _status(s) == "available"


def test_a_first_request_is_a_first_sign(tell: Tell) -> None:
    """R18, R12: an agent logged in by asking is watched like any other."""
    s = tell(pull(), absent_after=60)
    s.at(30).asks("a")
    s.until(89.999)
    assert _status(s) == "available"
    s.until(90)
    assert _status(s) == "absent"


def test_many_signs_make_no_timers(tell: Tell) -> None:
    """R18: heartbeats cost nothing but themselves; the next look is when the first silence would have been over."""
    s = tell(push(), absent_after=60)
    s.logs_in("a")
    for second in range(1, 50):
        s.at(second).says("agent-heartbeat", agent_id="a")
    assert s.engine.next_due() is not None
    s.until(108.999)
    assert _status(s) == "available"
    s.until(109)
    assert _status(s) == "absent"
