"""R11: a push agent with a free session and nothing undecided is asking, always."""

import pytest

from switchboard.domain.decisions import ChatRequested
from tests.unit.rules.story import Tell, event, moment, pull, push


def test_a_push_agent_asks_at_login(tell: Tell) -> None:
    """R11: the request is published with its own decision id, made at the clock, of push origin."""
    s = tell(push())
    s.at(3).logs_in("a")
    assert s.made == [
        ChatRequested(
            "default/0/1/0", "chat-requested", "default", moment(3), "a", "default/0/1/0", moment(3), origin="push"
        )
    ]
    assert s.agent("a")["request"] == {"origin": "push", "requested_at": moment(3)}


def test_the_follow_ups_offer_says_that_it_was_pushed(tell: Tell) -> None:
    """R11: origin and request time of the offer are those of the follow-up."""
    s = tell(push())
    s.at(3).logs_in("a")
    s.at(9).arrives("c1")
    assert (s.offer("c1").origin, s.offer("c1").requested_at) == ("push", moment(3))


def test_a_push_agent_asks_on_accepting(tell: Tell) -> None:
    """R11: the first of three accepted, the second is requested at that moment (8178)."""
    s = tell(push(max_sessions=3))
    s.logs_in("a")
    s.arrives("c1")
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a", "chat-requested a"]


def test_a_push_agent_does_not_ask_while_an_offer_is_undecided(tell: Tell) -> None:
    """R11: of several undecided offers the last one decided makes the request."""
    s = tell(push(max_sessions=3))
    s.logs_in("a")
    s.arrives("c1")
    s.arrives("c2")
    s.transfers("c2", to_agent="a")
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]
    assert s.accepts("a", "c2") == ["assignment-confirmed c2 a", "chat-requested a"]


def test_a_push_agent_asks_once(tell: Tell) -> None:
    """R11, I7: with a request outstanding there is no second one, whatever else happens to the agent."""
    s = tell(push())
    s.logs_in("a")
    assert s.logs_in("a") == []
    assert s.turns("a", "available") == []
    assert s.says("agent-capacity-changed", agent_id="a", max_sessions=9) == []


def test_a_full_agent_does_not_ask_until_a_session_is_free(tell: Tell) -> None:
    """R11: wrapping keeps the session; the release frees it and makes the request."""
    s = tell(push(max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]
    assert s.concludes("c1") == ["chat-wrapping c1 a"]
    assert s.releases("c1") == ["chat-closed c1 a concluded", "chat-requested a"]


@pytest.mark.parametrize("ending", ["declined", "missed", "abandoned", "transferred"])
def test_a_push_agent_asks_after_an_offer_ends(tell: Tell, ending: str) -> None:
    """R11: whatever ended it, the agent is free again and asks."""
    s = tell(push(), queues=["q", "r"])
    s.logs_in("a", profile="push")
    s.arrives("c1")
    s.configures(push(queues=["q"]), queues=["q", "r"])
    lines = {
        "declined": lambda: s.declines("a", "c1"),
        "missed": lambda: s.until(15),
        "abandoned": lambda: s.abandons("c1"),
        "transferred": lambda: s.transfers("c1", to_queue="r"),
    }[ending]()
    assert lines[-1] == "chat-requested a"


def test_a_push_agent_asks_when_a_chat_is_taken_from_it(tell: Tell) -> None:
    """R11: a transfer frees the session of a full agent, who then asks."""
    s = tell(push(max_sessions=1, queues=["q"]), queues=["q", "r"])
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    assert s.transfers("c1", to_queue="r") == ["chat-requeued c1 r transferred", "chat-requested a"]


@pytest.mark.parametrize(
    ("away", "back"),
    [
        (
            {"kind": "agent-status-changed", "status": "unavailable"},
            {"kind": "agent-status-changed", "status": "available"},
        ),
        ({"kind": "agent-absent"}, {"kind": "agent-present"}),
        ({"kind": "agent-absent"}, {"kind": "agent-status-changed", "status": "available"}),
        ({"kind": "agent-status-changed", "status": "unavailable"}, {"kind": "agent-logged-in"}),
    ],
    ids=["status", "present", "absent, then status", "login"],
)
def test_a_push_agent_asks_when_it_is_back(tell: Tell, away: dict[str, str], back: dict[str, str]) -> None:
    """R11: made available, in whichever way, it asks at once; while it was away it did not."""
    s = tell(push())
    s.logs_in("a")
    assert s.says(**away, agent_id="a") == []
    assert s.says(**back, agent_id="a") == ["chat-requested a"]


def test_a_push_agent_asks_when_its_capacity_grows(tell: Tell) -> None:
    """R11: one more session than those in use is enough."""
    s = tell(push(max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    assert s.says("agent-capacity-changed", agent_id="a", max_sessions=2) == ["chat-requested a"]


def test_a_pull_agent_asks_when_it_turns_to_push(tell: Tell) -> None:
    """R11: the mode counts at each moment."""
    s = tell(pull())
    assert s.logs_in("a") == []
    assert s.says("agent-capacity-changed", agent_id="a", mode="push") == ["chat-requested a"]


def test_a_pull_agent_asks_by_itself_only(tell: Tell) -> None:
    """R11: neither login, accepting, release nor a decline makes a request for a pull agent."""
    s = tell(pull())
    assert s.logs_in("a") == []
    s.asks("a")
    s.arrives("c1")
    assert s.declines("a", "c1")[2:] == []
    s.until(30)
    s.asks("a")
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]
    assert s.releases("c1") == ["chat-closed c1 a concluded"]


def test_a_push_agent_asks_after_its_own_request_was_served(tell: Tell) -> None:
    """R11: while a push agent's own request stands none is made for it; once it is served, all goes on as ever."""
    s = tell(push())
    assert s.asks("a") == []
    s.arrives("c1")
    assert s.offer("c1").origin == "manual"
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a", "chat-requested a"]


def test_a_push_agent_whose_own_request_is_cancelled_asks_at_once(tell: Tell) -> None:
    """R11, R12: withdrawing it makes room for the one that is made for the agent."""
    s = tell(push())
    s.asks("a")
    assert s.says("request-cancelled", agent_id="a") == ["chat-requested a"]


def test_follow_ups_are_made_in_order_of_agent_ids(tell: Tell) -> None:
    """R11: by code point, where one event concerns several agents."""
    s = tell(pull())
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in ("é", "a10", "B", "a9")])
    assert s.configures(push("pull")) == [f"chat-requested {agent_id}" for agent_id in ("B", "a10", "a9", "é")]


def test_follow_ups_are_made_in_the_settle_only(tell: Tell) -> None:
    """R11: an agent of whom two offers end in one event asks after both have ended."""
    s = tell(push())
    s.logs_in("a")
    s.arrives("c1")
    s.arrives("c2")
    s.transfers("c2", to_agent="a")
    s.turns("a", "unavailable")
    assert s.logs_in("a") == ["chat-requested a", "chat-assigned c1 a"]
    assert s.declines("a", "c1") == [
        "assignment-ended c1 a declined",
        "chat-requeued c1 q declined",
        "chat-requested a",
        "chat-assigned c2 a",
    ]
