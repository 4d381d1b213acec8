"""R12: an agent clicks Request Chat; what then is tested step by step, in the rule's order."""

import pytest

from switchboard.domain.decisions import RequestRejected
from tests.unit.rules.story import Tell, moment, pull, push


def test_a_request_is_made_at_the_clock(tell: Tell) -> None:
    """R12: what the event says of its time stays in the journal; the offer carries the clock."""
    s = tell(pull())
    s.logs_in("a")
    s.at(5).asks("a", requested_at=moment(1))
    s.at(9).arrives("c1")
    assert (s.offer("c1").origin, s.offer("c1").requested_at) == ("manual", moment(5))


def test_a_push_agent_may_ask_as_well(tell: Tell) -> None:
    """R12: in either mode; a push agent with an undecided offer gets a second one by asking."""
    s = tell(push())
    s.logs_in("a")
    s.arrives("c1")
    s.arrives("c2")
    assert s.asks("a") == ["chat-assigned c2 a"]
    assert s.offer("c2").origin == "manual"


@pytest.mark.parametrize(
    ("named", "meant"), [({"profile": "second"}, "second"), ({"profile": "gone"}, "first"), ({}, "first")]
)
def test_an_agent_who_is_not_logged_in_is_logged_in_first(tell: Tell, named: dict[str, str], meant: str) -> None:
    """R12: with the profile that the event names, or the default; so a bus without presence events is served."""
    s = tell(pull("first"), push("second"))
    assert s.asks("a", **named) == []
    assert (s.agent("a")["profile"], s.agent("a")["request"]["origin"]) == (meant, "manual")
    assert s.arrives("c1") == ["chat-queued c1 q", "chat-assigned c1 a"]


def test_the_profile_of_a_request_is_for_a_first_login_only(tell: Tell) -> None:
    """R12: an agent who is logged in keeps its profile."""
    s = tell(pull("first"), pull("second"))
    s.logs_in("a", profile="second")
    s.asks("a", profile="first")
    assert s.agent("a")["profile"] == "second"


def test_without_implicit_login_a_stranger_is_refused(tell: Tell) -> None:
    """R12: `implicit_login=false`: not-logged-in, with the request's id; and it leaves no trace."""
    s = tell(pull(), implicit_login=False)
    assert s.asks("a", request_id="r1") == ["request-rejected a not-logged-in"]
    refusal = s.made[-1]
    assert isinstance(refusal, RequestRejected)
    assert refusal.request_id == "r1"
    s.logs_in("a")
    s.arrives("c1")
    assert s.asks("a", request_id="r1") == ["chat-assigned c1 a"]


def test_a_repeated_request_is_ignored(tell: Tell) -> None:
    """R12: a bus that says it twice gets one chat, even when the first has been served meanwhile."""
    s = tell(pull())
    s.asks("a", request_id="r1")
    s.arrives("c1")
    s.arrives("c2")
    assert s.asks("a", request_id="r1") == ["(ignored request-chat)"]
    assert s.asks("a", request_id="r2") == ["chat-assigned c2 a"]


def test_requests_without_an_id_are_never_repeats(tell: Tell) -> None:
    """R12: only an id tells a repeat from a second wish."""
    s = tell(pull())
    s.arrives("c1")
    s.arrives("c2")
    assert s.asks("a") == ["chat-assigned c1 a"]
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_the_last_eight_ids_are_remembered(tell: Tell) -> None:
    """R12: the ninth pushes the first out; a repeat that was ignored does not renew its place."""
    s = tell(pull())
    for number in range(1, 9):
        s.asks("a", request_id=f"r{number}")
    assert s.asks("a", request_id="r1") == ["(ignored request-chat)"]
    s.asks("a", request_id="r9")
    s.arrives("c1")
    s.arrives("c2")
    assert s.asks("a", request_id="r2") == ["(ignored request-chat)"]
    assert s.asks("a", request_id="r1") == ["chat-assigned c2 a"]


@pytest.mark.parametrize("outcome", ["ignored", "not-available", "at-capacity"])
def test_an_id_is_remembered_whatever_came_of_it(tell: Tell, outcome: str) -> None:
    """R12: a request refused or ignored is not served when it is said again later."""
    s = tell(pull(max_sessions=1))
    s.logs_in("a")
    if outcome == "ignored":
        s.asks("a")
    elif outcome == "not-available":
        s.turns("a", "unavailable")
    else:
        s.asks("a")
        s.arrives("c0")
    s.asks("a", request_id="r1")
    s.turns("a", "available")
    s.says("request-cancelled", agent_id="a")
    s.abandons("c0")
    s.arrives("c1")
    assert s.asks("a", request_id="r1") == ["(ignored request-chat)"]


def test_request_ids_are_remembered_for_each_agent_apart(tell: Tell) -> None:
    """R12: two agents may use the same id; and who logs in again is new (R18)."""
    s = tell(pull())
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id)
    assert s.asks("a", request_id="r1") == ["chat-assigned c1 a"]
    assert s.asks("b", request_id="r1") == ["chat-assigned c2 b"]
    s.says("agent-logged-out", agent_id="b")
    assert s.asks("b", request_id="r1") == ["chat-assigned c2 b"]


def test_an_agent_whom_missed_offers_made_unavailable_is_back_by_asking(tell: Tell) -> None:
    """R12: the click shows that somebody is there."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1))
    s.asks("a")
    s.arrives("c1")
    assert "agent-made-unavailable a missed-offers" in s.until(15)
    s.arrives("c2")
    assert s.asks("a") == ["chat-assigned c2 a"]
    assert s.agent("a")["status"] == "available"


def test_a_repeat_brings_nobody_back(tell: Tell) -> None:
    """R12: the id is looked at first."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1))
    s.asks("a", request_id="r1")
    s.arrives("c1")
    s.until(15)
    assert s.asks("a", request_id="r1") == ["(ignored request-chat)"]
    assert s.agent("a")["status"] == "unavailable"


def test_asking_brings_an_agent_back_who_has_no_free_session(tell: Tell) -> None:
    """R12: it becomes available first; that its request is refused comes after."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1, max_sessions=2))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.asks("a")
    s.arrives("c2")
    s.until(15)
    s.says("agent-capacity-changed", agent_id="a", max_sessions=1)
    assert s.asks("a") == ["request-rejected a at-capacity"]
    assert s.agent("a")["status"] == "available"


def test_asking_brings_an_absent_agent_back_to_its_status_but_not_to_its_desk(tell: Tell) -> None:
    """R12, R18: it becomes available, but is absent still, so the request is refused."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1))
    s.asks("a")
    s.arrives("c1")
    s.until(15)
    s.says("agent-absent", agent_id="a")
    assert s.asks("a") == ["request-rejected a not-available"]
    s.says("agent-present", agent_id="a")
    assert s.agent("a")["status"] == "available"


@pytest.mark.parametrize("kind", ["agent-status-changed", "agent-logged-in"])
def test_a_status_set_since_ends_the_return_by_asking(tell: Tell, kind: str) -> None:
    """R12, R18: who was set unavailable by an event or a login is not brought back by asking."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1))
    s.asks("a")
    s.arrives("c1")
    s.until(15)
    s.says(kind, agent_id="a", status="unavailable")
    assert s.asks("a") == ["request-rejected a not-available"]


def test_with_a_request_outstanding_another_is_ignored(tell: Tell) -> None:
    """R12: the first keeps its place and its time."""
    s = tell(pull())
    for agent_id in ("a", "b"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    s.at(1).asks("a")
    s.at(2).asks("b")
    assert s.at(3).asks("a") == ["(ignored request-chat)"]
    assert s.arrives("c1")[1] == "chat-assigned c1 a"
    assert s.offer("c1").requested_at == moment(1)


def test_a_request_made_for_a_push_agent_is_not_doubled_by_its_own(tell: Tell) -> None:
    """R12: outstanding is outstanding, whoever made it."""
    s = tell(push())
    s.logs_in("a")
    assert s.asks("a") == ["(ignored request-chat)"]
    assert s.agent("a")["request"]["origin"] == "push"


@pytest.mark.parametrize("how", ["unavailable", "absent"])
def test_an_agent_who_is_not_available_is_refused(tell: Tell, how: str) -> None:
    """R12: not-available, also where there is no free session: that is tested after."""
    s = tell(pull(max_sessions=1))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    if how == "absent":
        s.says("agent-absent", agent_id="a")
    else:
        s.turns("a", "unavailable")
    assert s.asks("a", request_id="r1") == ["request-rejected a not-available"]


def test_an_agent_without_a_free_session_is_refused(tell: Tell) -> None:
    """R12: at-capacity; the request does not stand for later."""
    s = tell(pull(max_sessions=1))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    assert s.asks("a") == ["request-rejected a at-capacity"]
    assert s.releases("c1") == ["chat-closed c1 a concluded"]
