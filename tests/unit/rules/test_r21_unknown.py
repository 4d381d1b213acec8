"""R21: what is said of an unknown chat does no harm, and whatever is ignored is counted."""

from collections import Counter

import pytest

from switchboard.domain.events import Event
from tests.unit.rules.story import Tell, event, pull


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        (event("chat-accepted", chat_id="c1", agent_id="a"), ["accept-rejected c1 a unknown-chat"]),
        (event("chat-transferred", chat_id="c1", to_queue="q"), ["transfer-rejected c1 unknown-chat"]),
        (event("chat-transferred", chat_id="c1", to_agent="a"), ["transfer-rejected c1 unknown-chat"]),
        (event("chat-declined", chat_id="c1", agent_id="a"), ["(ignored chat-declined)"]),
        (event("chat-released", chat_id="c1"), ["(ignored chat-released)"]),
    ],
    ids=lambda value: value.type if isinstance(value, Event) else None,
)
@pytest.mark.parametrize("known", ["never heard of", "closed"])
def test_what_is_said_of_an_unknown_chat_is_ignored_or_answered(
    tell: Tell, known: str, told: Event, answer: list[str]
) -> None:
    """R21: accepts and transfers are answered with unknown-chat, all else is ignored."""
    s = tell(pull())
    s.logs_in("a")
    if known == "closed":
        s.arrives("c1")
        s.abandons("c1")
    assert s.frame(told) == answer


@pytest.mark.parametrize("ending", ["chat-abandoned", "chat-concluded"])
def test_an_ending_that_is_remembered_is_not_ignored(tell: Tell, ending: str) -> None:
    """R21, R13: the ending of a chat never heard of has an effect, so it is not counted as said in vain."""
    s = tell(pull())
    assert s.says(ending, chat_id="c1") == []


def test_every_ignored_event_is_counted_by_type_and_why(tell: Tell) -> None:
    """R21: an operator sees what the bus says in vain, and why it was in vain."""
    s = tell(pull())
    s.asks("a", request_id="r1")
    s.arrives("c1")
    s.frame(
        event("chat-arrival", chat_id="c1"),
        event("chat-arrival", chat_id="c1"),
        event("request-chat", agent_id="a", request_id="r1"),
        event("chat-declined", chat_id="c9", agent_id="a"),
        event("chat-declined", chat_id="c1", agent_id="b"),
        event("agent-heartbeat", agent_id="b"),
        event("chat-accepted", chat_id="c1", agent_id="a"),
    )
    assert s.outcome.ignored == Counter(
        {
            ("chat-arrival", "already-open"): 2,
            ("request-chat", "repeated"): 1,
            ("chat-declined", "unknown-chat"): 1,
            ("chat-declined", "wrong-agent"): 1,
            ("agent-heartbeat", "not-logged-in"): 1,
        }
    )


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (event("chat-arrival", chat_id="open"), "already-open"),
        (event("chat-arrival", chat_id="closed"), "already-closed"),
        (event("chat-accepted", chat_id="active", agent_id="a"), "repeated"),
        (event("chat-declined", chat_id="open", agent_id="a"), "not-offered"),
        (event("chat-declined", chat_id="active", agent_id="a"), "not-offered"),
        (event("chat-declined", chat_id="offered", agent_id="b"), "wrong-agent"),
        (event("chat-declined", chat_id="offered", agent_id="a", offer_id="stale"), "stale-offer"),
        (event("chat-abandoned", chat_id="closed"), "already-over"),
        (event("chat-abandoned", chat_id="wrapping"), "already-over"),
        (event("chat-concluded", chat_id="wrapping"), "already-over"),
        (event("chat-concluded", chat_id="active", agent_id="b"), "wrong-agent"),
        (event("chat-concluded", chat_id="open", by="agent"), "not-active"),
        (event("chat-released", chat_id="open"), "not-active"),
        (event("chat-released", chat_id="active", agent_id="b"), "wrong-agent"),
        (event("request-chat", agent_id="a"), "already-requested"),
        (event("request-cancelled", agent_id="b"), "no-request"),
        (event("request-cancelled", agent_id="z"), "not-logged-in"),
        (event("agent-present", agent_id="a"), "not-absent"),
        (event("agent-absent", agent_id="away"), "already-absent"),
    ],
    ids=lambda value: f"{value.type} {value.data.get('chat_id', '')}" if isinstance(value, Event) else value,
)
def test_the_reason_tells_what_was_wrong(tell: Tell, told: Event, why: str) -> None:
    """R21: one word an operator can act on; and an ignored event decides nothing."""
    s = tell(pull(max_sessions=9), queues=["q", "apart"])
    for chat_id in ("active", "wrapping", "closed", "offered"):
        s.asks("a")
        s.arrives(chat_id)
        if chat_id != "offered":
            s.accepts("a", chat_id)
    s.releases("closed")
    s.concludes("wrapping")
    s.asks("a")
    s.logs_in("b")
    s.logs_in("away")
    s.says("agent-absent", agent_id="away")
    s.configures(pull(max_sessions=9, queues=["q"]), queues=["q", "apart"])
    s.arrives("open", queue="apart")
    assert s.frame(told) == [f"(ignored {told.type})"]
    assert s.outcome.ignored == {(told.type, why): 1}
