"""R16: a chat is sent to another queue, or to a certain agent."""

from typing import Any

import pytest

from switchboard.domain.decisions import ChatAssigned, TransferRejected, Why
from tests.unit.rules.story import Story, Tell, moment, pull, push

STAGES = ["waiting", "offered", "active", "wrapping"]


def _at_stage(tell: Tell, stage: str, **profile: Any) -> Story:
    """`c1` is in a stage, with `a` unless it waits; `b` is there as well and serves queue `r` only."""
    s = tell(pull("near", queues=["q"], **profile), pull("far", queues=["r"], **profile), queues=["q", "r"])
    s.logs_in("b", profile="far")
    s.logs_in("a")
    s.arrives("c1")
    if stage != "waiting":
        s.asks("a")
    if stage in ("active", "wrapping"):
        s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    return s


def _ended(stage: str) -> list[str]:
    return ["assignment-ended c1 a chat-transferred"] if stage == "offered" else []


@pytest.mark.parametrize("stage", STAGES)
def test_a_chat_is_sent_to_a_queue_from_any_stage(tell: Tell, stage: str) -> None:
    """R16: it waits there, the session that it held is free, and an offer that stood has ended before."""
    s = _at_stage(tell, stage)
    assert s.transfers("c1", to_queue="r") == [*_ended(stage), "chat-requeued c1 r transferred"]
    assert s.agent("a")["sessions"] == []
    assert s.asks("b") == ["chat-assigned c1 b"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_chat_is_sent_to_an_agent_from_any_stage(tell: Tell, stage: str) -> None:
    """R16: it is offered there at once, whatever its queue."""
    s = _at_stage(tell, stage)
    assert s.transfers("c1", to_agent="b") == [*_ended(stage), "chat-assigned c1 b"]
    assert s.agent("a")["sessions"] == []
    assert (s.offer("c1").queue, s.offer("c1").profile) == ("q", "far")


def test_an_unknown_queue_is_the_default_one(tell: Tell) -> None:
    """R16: the chat is not lost for a name that nobody knows."""
    s = tell(pull(), queues=["q", "r"], default_queue="r")
    s.arrives("c1", queue="q")
    assert s.transfers("c1", to_queue="gone") == ["chat-requeued c1 r transferred"]


def test_a_chat_keeps_its_arrival(tell: Tell) -> None:
    """R16: it stands in the other queue where it would have stood."""
    s = _at_stage(tell, "active")
    s.at(5).arrives("c2", queue="r")
    s.at(10).transfers("c1", to_queue="r")
    assert s.asks("b") == ["chat-assigned c1 b"]
    assert s.offer("c1").arrived_at == moment(0)


def test_the_free_session_is_used_at_once(tell: Tell) -> None:
    """R16, R11: a push agent who sends a chat on asks for the next."""
    s = tell(push(max_sessions=1, queues=["q"]), queues=["q", "r"])
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    assert s.transfers("c1", to_queue="r") == [
        "chat-requeued c1 r transferred",
        "chat-requested a",
        "chat-assigned c2 a",
    ]


def test_an_offer_by_transfer_says_so(tell: Tell) -> None:
    """R16: origin and agent order are `transfer`, there is no request, and nothing waited if the chat did not."""
    s = _at_stage(tell, "active")
    s.at(4).transfers("c1", to_agent="b")
    assert s.offer("c1") == ChatAssigned(
        id="default/0/6/0",
        type="chat-assigned",
        pool="default",
        at=moment(4),
        offer_id="default/0/6/0",
        chat_id="c1",
        agent_id="b",
        queue="q",
        profile="far",
        mode="pull",
        origin="transfer",
        arrived_at=moment(0),
        requested_at=None,
        expires_at=moment(19),
        waited_seconds=4.0,
        attempt=2,
        sessions=1,
        max_sessions=3,
        why=Why(policy="first-due", agent_order="transfer", waiting=0, requests=0),
    )


def test_the_receivers_delay_does_not_matter(tell: Tell) -> None:
    """R16: nor does the queue; a colleague sends it to somebody on purpose. But the delay starts with it."""
    s = tell(push(delay_between_chats=30))
    s.logs_in("b")
    s.arrives("c0")
    s.accepts("b", "c0")
    s.at(5).arrives("c1")
    assert s.transfers("c1", to_agent="b") == ["chat-assigned c1 b"]
    s.accepts("b", "c1")
    s.arrives("c2")
    assert s.until(34.999) == []
    assert s.until(35) == ["chat-assigned c2 b"]


def test_a_receiver_who_declined_the_chat_gets_it_all_the_same(tell: Tell) -> None:
    """R16: who was passed over does not matter."""
    s = _at_stage(tell, "offered")
    s.declines("a", "c1")
    assert s.transfers("c1", to_agent="a") == ["chat-assigned c1 a"]


def test_the_receivers_request_is_not_spent(tell: Tell) -> None:
    """R16: it stands, at its place, and gets the next chat."""
    s = _at_stage(tell, "active")
    s.at(1).asks("b")
    s.at(2).transfers("c1", to_agent="b")
    s.at(3).arrives("c2", queue="r")
    assert (s.offer("c2").agent_id, s.offer("c2").requested_at) == ("b", moment(1))


def test_an_offer_by_transfer_ends_like_any_other(tell: Tell) -> None:
    """R16, R9: declined or missed, the chat waits in its own queue again."""
    s = _at_stage(tell, "active", offer_timeout=15)
    s.transfers("c1", to_agent="b")
    assert s.declines("b", "c1") == ["assignment-ended c1 b declined", "chat-requeued c1 q declined"]
    s.transfers("c1", to_agent="b")
    assert s.until(15) == ["assignment-ended c1 b missed", "chat-requeued c1 q missed"]


def test_a_chat_can_be_sent_to_its_holder(tell: Tell) -> None:
    """R16: where there is room for it; its own session counts until it is done."""
    s = _at_stage(tell, "offered", max_sessions=2)
    assert s.transfers("c1", to_agent="a") == ["assignment-ended c1 a chat-transferred", "chat-assigned c1 a"]
    s.says("agent-capacity-changed", agent_id="a", max_sessions=1)
    assert s.transfers("c1", to_agent="a") == ["transfer-rejected c1 at-capacity"]


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [
        ("stranger", "unknown-agent"),
        ("unavailable", "not-available"),
        ("absent", "not-available"),
        ("unavailable and full", "not-available"),
        ("full", "at-capacity"),
    ],
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_transfer_that_cannot_be_is_refused_and_changes_nothing(
    tell: Tell, stage: str, receiver: str, reason: str
) -> None:
    """R16: unknown-agent, not-available, at-capacity, tested in that order before anything changes."""
    s = _at_stage(tell, stage)
    if receiver != "stranger":
        s.logs_in("x", profile="far", max_sessions=1)
    if "full" in receiver:
        s.arrives("c9", queue="r")
        s.transfers("c9", to_agent="x")
        s.accepts("x", "c9")
    if "unavailable" in receiver:
        s.turns("x", "unavailable")
    if receiver == "absent":
        s.says("agent-absent", agent_id="x")
    before = [row for row in s.engine.rows() if row.key != "clock"]
    to = "nobody" if receiver == "stranger" else "x"
    assert s.transfers("c1", to_agent=to) == [f"transfer-rejected c1 {reason}"]
    refusal = s.made[-1]
    assert isinstance(refusal, TransferRejected)
    assert (refusal.to_agent, refusal.to_queue) == (to, None)
    assert [row for row in s.engine.rows() if row.key != "clock"] == before


@pytest.mark.parametrize("to", [{"to_queue": "r"}, {"to_agent": "stranger"}], ids=["queue", "agent"])
@pytest.mark.parametrize("known", ["never heard of", "closed"])
def test_a_transfer_of_an_unknown_chat_is_answered(tell: Tell, known: str, to: dict[str, str]) -> None:
    """R16, R21: unknown-chat, before all else, to whomever it was to go."""
    s = tell(pull(), queues=["q", "r"])
    if known == "closed":
        s.arrives("c1")
        s.abandons("c1")
    assert s.transfers("c1", **to) == ["transfer-rejected c1 unknown-chat"]


@pytest.mark.parametrize("to", ["queue", "agent"])
def test_the_queue_limits_start_anew(tell: Tell, to: str) -> None:
    """R16: `max_wait` and `overflow_after` count from the transfer, also where the chat was offered at once."""
    s = tell(pull(), queues=["p", {"name": "q", "max_wait": 60, "overflow_after": 40, "overflow_to": "p"}])
    s.arrives("c1", queue="q")
    s.at(30)
    if to == "queue":
        s.transfers("c1", to_queue="q")
    else:
        s.logs_in("a")
        s.transfers("c1", to_agent="a")
        s.at(31).declines("a", "c1")
    assert s.until(69.999) == []
    assert s.until(70) == ["chat-requeued c1 p overflow"]
    assert s.until(89.999) == []
    assert s.until(90) == ["chat-closed c1 - queue-timed-out"]


@pytest.mark.parametrize("to", ["queue", "agent"])
def test_who_passed_the_chat_over_is_forgotten(tell: Tell, to: str) -> None:
    """R16: the agent who declined it may get it again at once."""
    s = tell(push(), pull(), queues=["q", "r"])
    s.logs_in("a")
    s.logs_in("b", profile="pull")
    s.arrives("c1")
    s.declines("a", "c1")
    if to == "queue":
        assert s.transfers("c1", to_queue="r") == ["chat-requeued c1 r transferred", "chat-assigned c1 a"]
    else:
        s.transfers("c1", to_agent="b")
        assert s.declines("b", "c1")[2:] == ["chat-assigned c1 a"]


def test_an_agent_who_passed_the_chat_over_may_ask_for_it_after_a_transfer(tell: Tell) -> None:
    """R16: forgotten is forgotten, whether the chat or the agent comes later."""
    s = _at_stage(tell, "offered")
    s.declines("a", "c1")
    s.transfers("c1", to_queue="q")
    assert s.asks("a") == ["chat-assigned c1 a"]


@pytest.mark.parametrize("to", ["queue", "agent"])
def test_a_wrapping_chat_that_is_sent_on_is_not_released_by_its_old_limit(tell: Tell, to: str) -> None:
    """R16: with the session went its wrap-up; the next agent talks as long as it takes."""
    s = _at_stage(tell, "wrapping", wrap_up_limit=10)
    if to == "queue":
        s.transfers("c1", to_queue="r")
    else:
        s.transfers("c1", to_agent="b")
        s.accepts("b", "c1")
    assert s.until(60) == []
