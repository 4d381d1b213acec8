"""R10: an offer that is not accepted ends once: declined, missed or rescinded."""

import pytest

from tests.unit.rules.story import Tell, pull, push


def test_a_declined_chat_waits_again(tell: Tell) -> None:
    """R10: the offer ends and the chat waits, both with the reason."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.declines("a", "c1") == ["assignment-ended c1 a declined", "chat-requeued c1 q declined"]
    assert s.until(60) == []


def test_a_decline_may_name_the_offer(tell: Tell) -> None:
    """R10: with the id of the standing offer it declines, with another it is ignored."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.declines("a", "c1", offer_id="stale") == ["(ignored chat-declined)"]
    assert s.declines("a", "c1", offer_id=s.offer("c1").offer_id)[0] == "assignment-ended c1 a declined"


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("stage", ["unknown", "waiting", "offered to another", "active", "wrapping", "closed"])
def test_any_other_decline_is_ignored(tell: Tell, stage: str, allowed: bool) -> None:
    """R10: there is nothing to decline but a standing offer of that agent's."""
    s = tell(pull(allow_decline=allowed))
    if stage != "unknown":
        s.arrives("c1")
    if stage == "offered to another":
        s.asks("b")
    s.logs_in("a")
    if stage in ("active", "wrapping", "closed"):
        s.asks("a")
        s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    if stage == "closed":
        s.releases("c1")
    assert s.declines("a", "c1") == ["(ignored chat-declined)"]


def test_a_decline_that_is_not_allowed_is_refused_and_the_offer_stands(tell: Tell) -> None:
    """R10: with `allow_decline=false` the agent can accept the chat or let it expire."""
    s = tell(pull(allow_decline=False))
    s.asks("a")
    s.arrives("c1")
    assert s.declines("a", "c1") == ["decline-rejected c1 a not-allowed"]
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]


def test_declines_are_not_misses(tell: Tell) -> None:
    """R10: who declines is there; only missed offers are counted against an agent."""
    s = tell(push(reoffer_after=0, max_missed_offers=1))
    s.logs_in("a")
    s.arrives("c1")
    for _ in range(3):
        assert s.declines("a", "c1")[2:] == ["chat-requested a", "chat-assigned c1 a"]


def test_a_missed_chat_waits_again(tell: Tell) -> None:
    """R10: an offer that nobody decided ends after `offer_timeout`, and the chat waits."""
    s = tell(pull(offer_timeout=15))
    s.asks("a")
    s.arrives("c1")
    assert s.until(15) == ["assignment-ended c1 a missed", "chat-requeued c1 q missed"]
    assert s.accepts("a", "c1") == ["accept-rejected c1 a not-offered"]


def test_every_offer_has_its_whole_time(tell: Tell) -> None:
    """R10, R9: the expiry of an offer that was declined does not end the next offer of the same chat."""
    s = tell(pull(offer_timeout=15))
    s.asks("a")
    s.arrives("c1")
    s.at(5).declines("a", "c1")
    s.asks("b")
    assert s.until(19.999) == []
    assert s.until(20) == ["assignment-ended c1 b missed", "chat-requeued c1 q missed"]


def test_who_misses_too_many_in_a_row_is_made_unavailable(tell: Tell) -> None:
    """R10: at `max_missed_offers` the agent gets no more chats; the count starts at 0 when it is back."""
    s = tell(push(offer_timeout=10, reoffer_after=0, max_missed_offers=2))
    s.logs_in("a")
    s.arrives("c1")
    miss = ["assignment-ended c1 a missed", "chat-requeued c1 q missed"]
    again = ["chat-requested a", "chat-assigned c1 a"]
    assert s.until(10) == miss + again
    assert s.until(20) == [*miss, "agent-made-unavailable a missed-offers"]
    assert s.turns("a", "available") == again
    assert s.until(30) == miss + again
    assert s.until(40) == [*miss, "agent-made-unavailable a missed-offers"]


def test_misses_can_be_left_uncounted(tell: Tell) -> None:
    """R10, defaults: with `max_missed_offers` of 0 nobody is made unavailable."""
    s = tell(push(offer_timeout=10, reoffer_after=0, max_missed_offers=0))
    s.logs_in("a")
    s.arrives("c1")
    for turn in range(1, 10):
        assert s.until(turn * 10)[2:] == ["chat-requested a", "chat-assigned c1 a"]


def test_a_limit_lowered_below_the_count_acts_with_the_next_miss(tell: Tell) -> None:
    """R10: it is enough that the count is at the limit or above it."""
    s = tell(push(offer_timeout=10, reoffer_after=0, max_missed_offers=5))
    s.logs_in("a")
    s.arrives("c1")
    s.until(20)
    assert s.configures(push(offer_timeout=10, reoffer_after=0, max_missed_offers=1)) == []
    assert s.until(30)[2:] == ["agent-made-unavailable a missed-offers"]


def test_a_miss_is_told_in_order_before_the_agents_other_offers_end(tell: Tell) -> None:
    """R10: ended, requeued, agent-made-unavailable, then the agent's other offers, pair by pair as they were made."""
    s = tell(pull(offer_timeout=15, max_missed_offers=1))
    s.logs_in("a")
    for second, chat_id in enumerate(("c3", "c2", "c1")):
        s.at(second).arrives(chat_id)
        s.transfers(chat_id, to_agent="a")
    assert s.until(15) == [
        "assignment-ended c3 a missed",
        "chat-requeued c3 q missed",
        "agent-made-unavailable a missed-offers",
        "assignment-ended c2 a agent-unavailable",
        "chat-requeued c2 q agent-unavailable",
        "assignment-ended c1 a agent-unavailable",
        "chat-requeued c1 q agent-unavailable",
    ]


def test_without_auto_decline_expiry_accepts(tell: Tell) -> None:
    """R10: `auto_decline=false` is for desks where the chat simply opens: confirmed, marked as automatic."""
    s = tell(push(offer_timeout=15, auto_decline=False))
    s.logs_in("a")
    s.arrives("c1")
    assert s.until(15) == ["assignment-confirmed c1 a automatic", "chat-requested a"]
    assert s.agent("a")["sessions"][0]["stage"] == "active"


def test_an_automatic_accept_forgives_nothing(tell: Tell) -> None:
    """R10: `missed` stays as it was, for nobody was seen at the desk."""
    s = tell(push(offer_timeout=10, max_missed_offers=2))
    s.logs_in("a")
    s.arrives("c1")
    s.until(10)
    s.configures(push(offer_timeout=10, max_missed_offers=2, auto_decline=False))
    s.arrives("c2")
    assert s.until(20)[0] == "assignment-confirmed c2 a automatic"
    s.configures(push(offer_timeout=10, max_missed_offers=2))
    s.arrives("c3")
    assert "agent-made-unavailable a missed-offers" in s.until(30)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"kind": "agent-status-changed", "agent_id": "a", "status": "unavailable"}, "agent-unavailable"),
        ({"kind": "agent-logged-in", "agent_id": "a", "status": "unavailable"}, "agent-unavailable"),
        ({"kind": "agent-absent", "agent_id": "a"}, "agent-absent"),
        ({"kind": "agent-lost", "agent_id": "a"}, "agent-lost"),
        ({"kind": "agent-logged-out", "agent_id": "a"}, "agent-logged-out"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value,
)
def test_an_offer_is_rescinded_when_its_agent_is_gone(tell: Tell, event: dict[str, str], reason: str) -> None:
    """R10: the offer ends and the chat waits again, each with the reason, at once and not at expiry."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.says(**event) == [f"assignment-ended c1 a {reason}", f"chat-requeued c1 q {reason}"]
    assert s.until(60) == []


def test_an_offer_is_rescinded_when_the_customer_goes(tell: Tell) -> None:
    """R10: after an abandonment the chat does not wait again."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.abandons("c1") == ["assignment-ended c1 a chat-abandoned", "chat-closed c1 - abandoned"]


def test_an_offer_is_rescinded_when_the_chat_is_transferred(tell: Tell) -> None:
    """R10: after a transfer it is the transfer that says where the chat goes (R16)."""
    s = tell(pull(), queues=["q", "r"])
    s.asks("a")
    s.arrives("c1")
    assert s.transfers("c1", to_queue="r") == [
        "assignment-ended c1 a chat-transferred",
        "chat-requeued c1 r transferred",
    ]


@pytest.mark.parametrize("kind", ["agent-absent", "agent-lost", "agent-logged-out"])
def test_several_offers_of_one_agent_end_pair_by_pair_as_they_were_made(tell: Tell, kind: str) -> None:
    """R10: not by chat id, nor by arrival."""
    s = tell(pull())
    s.logs_in("a")
    s.arrives("c1")
    for chat_id in ("c3", "c2"):
        s.arrives(chat_id)
        s.transfers(chat_id, to_agent="a")
    s.transfers("c1", to_agent="a")
    assert s.says(kind, agent_id="a") == [
        said
        for chat_id in ("c3", "c2", "c1")
        for said in (f"assignment-ended {chat_id} a {kind}", f"chat-requeued {chat_id} q {kind}")
    ]
