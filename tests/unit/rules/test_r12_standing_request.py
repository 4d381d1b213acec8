"""R12: how long a request stands, and what withdraws it."""

import pytest

from tests.unit.rules.story import Tell, moment, pull, push


def test_a_request_stands_until_it_is_served(tell: Tell) -> None:
    """R12: however long it takes."""
    s = tell(pull())
    s.asks("a")
    s.until(86_400)
    assert s.arrives("c1")[1:] == ["chat-assigned c1 a"]


def test_an_agent_may_take_its_own_request_back(tell: Tell) -> None:
    """R12: `request-cancelled` withdraws it; then there is none to cancel."""
    s = tell(pull())
    s.asks("a")
    assert s.says("request-cancelled", agent_id="a") == []
    assert s.arrives("c1") == ["chat-queued c1 q"]
    assert s.says("request-cancelled", agent_id="a") == ["(ignored request-cancelled)"]


def test_a_push_agent_who_cancels_stands_at_the_end_with_what_is_made_for_it(tell: Tell) -> None:
    """R12, R11: the cancelled request's place is gone with it."""
    s = tell(push(max_sessions=1))
    for agent_id in ("a", "b"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    s.says("agent-capacity-changed", agent_id="a", max_sessions=2)
    s.at(1).asks("a")
    s.at(2).accepts("b", "first-of-b")
    s.releases("first-of-b")
    s.accepts("a", "first-of-a")
    assert s.at(3).says("request-cancelled", agent_id="a") == ["chat-requested a"]
    assert s.arrives("c1")[1] == "chat-assigned c1 b"
    assert s.arrives("c2")[1] == "chat-assigned c2 a"


def test_a_request_made_for_the_agent_cannot_be_cancelled(tell: Tell) -> None:
    """R12: manual ones only."""
    s = tell(push())
    s.logs_in("a")
    assert s.says("request-cancelled", agent_id="a") == ["(ignored request-cancelled)"]
    assert s.arrives("c1")[1:] == ["chat-assigned c1 a"]


@pytest.mark.parametrize("how", ["unavailability", "absence", "logout"])
def test_a_request_is_withdrawn_when_its_agent_goes(tell: Tell, how: str) -> None:
    """R12: an agent that is back asks anew."""
    s = tell(pull())
    s.asks("a")
    if how == "unavailability":
        s.turns("a", "unavailable")
        s.turns("a", "available")
    elif how == "absence":
        s.says("agent-absent", agent_id="a")
        s.says("agent-present", agent_id="a")
    else:
        s.says("agent-logged-out", agent_id="a")
        s.logs_in("a")
    assert s.agent("a")["request"] is None
    assert s.arrives("c1") == ["chat-queued c1 q"]


@pytest.mark.parametrize("how", ["capacity", "login", "profile", "configuration"])
def test_turning_to_pull_withdraws_what_was_made_for_the_agent(tell: Tell, how: str) -> None:
    """R12: a request of push origin ends when the agent turns to pull, in whichever way."""
    s = tell(push("desk"), pull("quiet"))
    s.logs_in("a")
    if how == "capacity":
        s.says("agent-capacity-changed", agent_id="a", mode="pull")
    elif how == "login":
        s.logs_in("a", mode="pull")
    elif how == "profile":
        s.logs_in("a", profile="quiet")
    else:
        s.configures(pull("desk"))
    assert (s.agent("a")["mode"], s.agent("a")["request"]) == ("pull", None)


def test_turning_to_pull_leaves_the_agents_own_request(tell: Tell) -> None:
    """R12: what the agent asked for itself stands in either mode."""
    s = tell(push())
    s.asks("a")
    s.says("agent-capacity-changed", agent_id="a", mode="pull")
    assert s.arrives("c1")[1:] == ["chat-assigned c1 a"]


def test_lowering_the_sessions_leaves_a_request_standing_but_not_eligible(tell: Tell) -> None:
    """R12: it is served, from its old place, as soon as there is room again."""
    s = tell(pull(max_sessions=2))
    s.asks("a")
    s.arrives("c1")
    s.at(1).asks("a")
    s.says("agent-capacity-changed", agent_id="a", max_sessions=1)
    assert s.at(2).arrives("c2") == ["chat-queued c2 q"]
    assert s.agent("a")["request"]["requested_at"] == moment(1)
    assert s.at(3).says("agent-capacity-changed", agent_id="a", max_sessions=2) == ["chat-assigned c2 a"]
    assert s.offer("c2").requested_at == moment(1)
