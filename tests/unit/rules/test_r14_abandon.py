"""R14: the customer goes; what that means depends on how far the chat has come."""

import pytest

from switchboard.domain.decisions import ChatClosed
from tests.unit.rules.story import Tell, moment, pull, push


def test_a_waiting_chat_is_closed(tell: Tell) -> None:
    """R14: nobody held it, so `agent_id` is null; and nobody is offered it after."""
    s = tell(pull())
    s.arrives("c1")
    s.at(3).abandons("c1")
    assert s.made[-1] == ChatClosed(
        "default/0/2/0",
        "chat-closed",
        "default",
        moment(3),
        chat_id="c1",
        queue="q",
        agent_id=None,
        reason="abandoned",
    )
    assert s.asks("a") == []


def test_an_offered_chat_is_taken_back_and_closed(tell: Tell) -> None:
    """R14: the offer is rescinded first; its agent is free for the next."""
    s = tell(push(max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.arrives("c2")
    assert s.abandons("c1") == [
        "assignment-ended c1 a chat-abandoned",
        "chat-closed c1 - abandoned",
        "chat-requested a",
        "chat-assigned c2 a",
    ]


@pytest.mark.parametrize(
    ("wrap_up", "decided"), [(True, ["chat-wrapping c1 a"]), (False, ["chat-closed c1 a concluded"])]
)
def test_an_active_chat_is_concluded(tell: Tell, wrap_up: bool, decided: list[str]) -> None:
    """R14: a customer who goes in mid-conversation has concluded it."""
    s = tell(pull(wrap_up=wrap_up))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    assert s.abandons("c1") == decided


def test_a_wrapping_chat_is_over_already(tell: Tell) -> None:
    """R14: ignored; the agent wraps up in peace."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.concludes("c1")
    assert s.abandons("c1") == ["(ignored chat-abandoned)"]
    assert s.releases("c1") == ["chat-closed c1 a concluded"]
