"""R10: an offer is accepted by its agent while it stands; every other accept is answered and changes nothing."""

import pytest

from switchboard.domain.decisions import AcceptRejected, AssignmentConfirmed
from tests.unit.rules.story import Story, Tell, moment, pull, push


def _offered(tell: Tell) -> Story:
    """`c1` is offered to `a` (the offer is default/0/2/1); `b` is there as well."""
    s = tell(pull(offer_timeout=15))
    s.asks("a")
    s.arrives("c1")
    s.logs_in("b")
    return s


def test_an_accept_confirms_the_offer(tell: Tell) -> None:
    """R10: the chat is active, and the confirmation says how long the agent took."""
    s = _offered(tell)
    assert s.at(7.5).accepts("a", "c1") == ["assignment-confirmed c1 a"]
    assert s.made[-1] == AssignmentConfirmed(
        "default/0/4/0",
        "assignment-confirmed",
        "default",
        moment(7.5),
        offer_id="default/0/2/1",
        chat_id="c1",
        agent_id="a",
        queue="q",
        automatic=False,
        seconds_to_accept=7.5,
    )
    assert s.agent("a")["sessions"] == [{"chat_id": "c1", "stage": "active", "offer_id": "default/0/2/1"}]


def test_an_accept_may_name_the_offer(tell: Tell) -> None:
    """R10: with the id of the standing offer it is the same as without."""
    assert _offered(tell).accepts("a", "c1", offer_id="default/0/2/1") == ["assignment-confirmed c1 a"]


def test_an_accepted_offer_does_not_expire(tell: Tell) -> None:
    """R10, I3: an offer ends once."""
    s = _offered(tell)
    s.accepts("a", "c1")
    assert s.until(60) == []


@pytest.mark.parametrize("named", [None, "default/0/2/1"], ids=["without offer", "with the offer"])
@pytest.mark.parametrize("stage", ["active", "wrapping", "accepted by itself"])
def test_a_repeated_accept_is_ignored(tell: Tell, stage: str, named: str | None) -> None:
    """R10: a bus that says it twice gets no refusal, while the chat is with that agent, however it was accepted."""
    s = tell(pull(offer_timeout=15, auto_decline=stage != "accepted by itself"))
    s.asks("a")
    s.arrives("c1")
    if stage == "accepted by itself":
        s.until(15)
    else:
        s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    data = {} if named is None else {"offer_id": named}
    assert s.accepts("a", "c1", **data) == ["(ignored chat-accepted)"]


@pytest.mark.parametrize(
    ("agent_id", "chat_id", "offer_id", "reason"),
    [
        ("a", "nobody", None, "unknown-chat"),
        ("a", "closed", None, "unknown-chat"),
        ("a", "waiting", None, "not-offered"),
        ("b", "active", None, "not-offered"),
        ("a", "active", "default/0/9/9", "not-offered"),
        ("b", "wrapping", None, "not-offered"),
        ("b", "offered", None, "wrong-agent"),
        ("stranger", "offered", None, "wrong-agent"),
        ("b", "offered", "default/0/9/9", "wrong-agent"),
        ("a", "offered", "default/0/9/9", "stale-offer"),
        ("stranger", "waiting", "default/0/9/9", "not-offered"),
        ("stranger", "nobody", "default/0/9/9", "unknown-chat"),
    ],
)
def test_any_other_accept_is_refused_with_the_first_reason_that_holds(
    tell: Tell, agent_id: str, chat_id: str, offer_id: str | None, reason: str
) -> None:
    """R10: unknown-chat, not-offered, wrong-agent, stale-offer, tested in that order; and nothing changes."""
    s = tell(pull(max_sessions=9), queues=["q", "apart"])
    s.logs_in("b")
    for open_chat in ("closed", "active", "wrapping", "offered"):
        s.asks("a")
        s.arrives(open_chat)
        if open_chat != "offered":
            s.accepts("a", open_chat)
    s.releases("closed")
    s.concludes("wrapping")
    s.arrives("waiting", queue="apart")
    before = list(s.engine.rows())
    named = {} if offer_id is None else {"offer_id": offer_id}
    assert s.accepts(agent_id, chat_id, **named) == [f"accept-rejected {chat_id} {agent_id} {reason}"]
    refusal = s.made[-1]
    assert isinstance(refusal, AcceptRejected)
    assert refusal.offer_id == offer_id
    assert [row for row in s.engine.rows() if row.key != "clock"] == [row for row in before if row.key != "clock"]


def test_the_offer_stands_after_a_refused_accept(tell: Tell) -> None:
    """R10: a wrong accept neither ends the offer nor stops the right one."""
    s = _offered(tell)
    s.accepts("b", "c1")
    s.accepts("a", "c1", offer_id="stale")
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]


def test_the_accept_of_an_earlier_offer_of_the_same_chat_is_stale(tell: Tell) -> None:
    """R10: offered to the same agent once more, the chat is accepted by the new offer's id only."""
    s = tell(push(reoffer_after=0))
    s.logs_in("a")
    s.arrives("c1")
    first = s.offer("c1").offer_id
    s.declines("a", "c1")
    assert s.accepts("a", "c1", offer_id=first) == ["accept-rejected c1 a stale-offer"]
    assert s.accepts("a", "c1", offer_id=s.offer("c1").offer_id)[0] == "assignment-confirmed c1 a"


def test_an_accept_forgives_the_offers_missed(tell: Tell) -> None:
    """R10: `missed` counts in a row; accepting sets it to 0."""
    s = tell(push(offer_timeout=15, reoffer_after=0, max_missed_offers=2))
    s.logs_in("a")
    s.arrives("c1")
    s.until(15)
    s.accepts("a", "c1")
    s.at(20).arrives("c2")
    assert "agent-made-unavailable a missed-offers" not in s.until(35)
    assert s.agent("a")["status"] == "available"
