"""R13: a chat arrives once, though the bus says so twice, and though its ending may be told before."""

from collections.abc import Callable

import pytest

from switchboard.domain.decisions import ChatQueued
from tests.unit.rules.story import Story, Tell, moment, pull


def test_an_arrival_is_queued(tell: Tell) -> None:
    """R13: the decision tells the queue and the time of arrival."""
    s = tell(pull(), queues=["q", "r"])
    s.at(5).arrives("c1", queue="r", arrived_at=moment(2), attributes={"tier": "gold"})
    assert s.made == [
        ChatQueued("default/0/1/0", "chat-queued", "default", moment(5), chat_id="c1", queue="r", arrived_at=moment(2))
    ]


@pytest.mark.parametrize("data", [{}, {"queue": "gone"}], ids=["no queue", "unknown queue"])
def test_an_arrival_with_no_known_queue_waits_in_the_default_one(tell: Tell, data: dict[str, str]) -> None:
    """R13, words: no chat is turned away for the queue that it names."""
    s = tell(pull(), queues=["q", "r"], default_queue="r")
    assert s.arrives("c1", **data) == ["chat-queued c1 r"]


@pytest.mark.parametrize("stage", ["waiting", "offered", "active", "wrapping"])
def test_an_arrival_of_an_open_chat_is_ignored(tell: Tell, stage: str) -> None:
    """R13: whatever its stage, and whatever queue and time the repeat names."""
    s = tell(pull(), queues=["q", "r"])
    s.arrives("c1")
    if stage != "waiting":
        s.asks("a")
    if stage in ("active", "wrapping"):
        s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    assert s.at(1).arrives("c1", queue="r", arrived_at=moment(-60)) == ["(ignored chat-arrival)"]


def _abandoned(s: Story) -> None:
    s.abandons("c1")


def _concluded(s: Story) -> None:
    s.asks("a")
    s.accepts("a", "c1")
    s.releases("c1")


def _timed_out(s: Story) -> None:
    s.until(10)


@pytest.mark.parametrize("closing", [_abandoned, _concluded, _timed_out])
def test_a_closed_chat_is_remembered_for_ten_minutes(tell: Tell, closing: Callable[[Story], None]) -> None:
    """R13: until then its arrival is a repeat; after that it is a new chat."""
    s = tell(pull(), queues=[{"name": "q", "max_wait": 10}])
    s.arrives("c1")
    closing(s)
    closed = 10 if closing is _timed_out else 0
    assert s.at(closed + 599.999).arrives("c1") == ["(ignored chat-arrival)"]
    assert s.at(closed + 600).arrives("c1") == ["chat-queued c1 q"]


def test_the_ten_minutes_are_service_time(tell: Tell) -> None:
    """R13, R1: what the router could not read meanwhile does not make a repeat new."""
    s = tell(pull())
    s.arrives("c1")
    s.abandons("c1")
    assert s.at(3600, run=0).arrives("c1") == ["(ignored chat-arrival)"]


def test_a_chat_that_is_new_again_has_no_past(tell: Tell) -> None:
    """R13: only the id was remembered; attempts, arrival and passings start anew."""
    s = tell(pull(reoffer_after=3600))
    s.asks("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.abandons("c1")
    s.at(600).arrives("c1")
    assert s.asks("a") == ["chat-assigned c1 a"]
    assert (s.offer("c1").attempt, s.offer("c1").arrived_at) == (1, moment(600))


@pytest.mark.parametrize(
    "ending",
    [
        {"kind": "chat-abandoned"},
        {"kind": "chat-concluded"},
        {"kind": "chat-concluded", "by": "agent"},
        {"kind": "chat-concluded", "agent_id": "whoever"},
    ],
    ids=["abandoned", "concluded", "by an agent", "whoever it names"],
)
def test_an_ending_that_comes_first_closes_the_chat_when_it_arrives(tell: Tell, ending: dict[str, str]) -> None:
    """R13: across topics the ending can be read before the arrival; no agent is offered a chat without customer."""
    s = tell(pull())
    s.asks("a")
    assert s.says(**ending, chat_id="c1") == []
    assert s.at(59.999).arrives("c1") == ["chat-queued c1 q", "chat-closed c1 - abandoned"]


def test_an_ending_that_came_first_is_remembered_for_a_minute(tell: Tell) -> None:
    """R13: after that the chat is served."""
    s = tell(pull())
    s.abandons("c1")
    assert s.at(60).arrives("c1") == ["chat-queued c1 q"]


def test_the_minute_is_service_time(tell: Tell) -> None:
    """R13, R1: an outage between the two topics' records changes nothing."""
    s = tell(pull())
    s.abandons("c1")
    assert s.at(3600, run=1).arrives("c1") == ["chat-queued c1 q", "chat-closed c1 - abandoned"]


@pytest.mark.parametrize("repeat", ["chat-abandoned", "chat-concluded"])
def test_a_repeated_ending_does_not_prolong_the_minute(tell: Tell, repeat: str) -> None:
    """R13: the minute counts from the first."""
    s = tell(pull())
    s.abandons("c1")
    assert s.at(50).says(repeat, chat_id="c1") == [f"(ignored {repeat})"]
    assert s.at(60).arrives("c1") == ["chat-queued c1 q"]


def test_an_ending_is_remembered_once_more_after_its_minute(tell: Tell) -> None:
    """R13: then the chat is again one never heard of."""
    s = tell(pull())
    s.abandons("c1")
    s.at(60).abandons("c1")
    assert s.at(119).arrives("c1") == ["chat-queued c1 q", "chat-closed c1 - abandoned"]


def test_a_release_that_comes_first_is_not_remembered(tell: Tell) -> None:
    """R13: it is ignored, and the chat is served when it arrives."""
    s = tell(pull())
    s.asks("a")
    assert s.releases("c1") == ["(ignored chat-released)"]
    assert s.arrives("c1") == ["chat-queued c1 q", "chat-assigned c1 a"]


def test_a_chat_closed_on_arrival_is_remembered_like_any_other(tell: Tell) -> None:
    """R13: ten minutes from its closing; its arrival is not taken twice."""
    s = tell(pull())
    s.abandons("c1")
    s.at(30).arrives("c1")
    assert s.at(31).arrives("c1") == ["(ignored chat-arrival)"]
    assert s.at(629.999).arrives("c1") == ["(ignored chat-arrival)"]
    assert s.at(630).arrives("c1") == ["chat-queued c1 q"]


@pytest.mark.parametrize("ending", ["chat-abandoned", "chat-concluded"])
def test_an_ending_of_a_closed_chat_is_no_ending_of_the_next(tell: Tell, ending: str) -> None:
    """R13: it was heard of; when it is forgotten and comes again, it is served."""
    s = tell(pull())
    s.arrives("c1")
    s.abandons("c1")
    assert s.at(590).says(ending, chat_id="c1") == [f"(ignored {ending})"]
    assert s.at(600).arrives("c1") == ["chat-queued c1 q"]


def test_the_same_chat_id_in_two_pools_is_two_chats(tell: Tell) -> None:
    """R13, words: pools share nothing but time."""
    s = tell(pull())
    s.arrives("c1")
    s.abandons("c1")
    assert s.says("chat-arrival", "other", chat_id="c1") == ["chat-queued c1 default"]
