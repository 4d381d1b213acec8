"""R15: a conversation ends, the agent wraps up, the session is free: three moments, and only the last one frees."""

from typing import Any

import pytest

from switchboard.domain.decisions import ChatWrapping
from tests.unit.rules.story import Story, Tell, moment, pull, push

IGNORED = ["(ignored chat-concluded)"]
WRAPPING = ["chat-wrapping c1 a"]
LEFT = ["chat-closed c1 - abandoned"]
RESCINDED = ["assignment-ended c1 a chat-abandoned", *LEFT]


def _at_stage(tell: Tell, stage: str, **profile: Any) -> Story:
    """`c1` is in a stage, with `a` unless it waits; `b` is there as well."""
    s = tell(pull(**profile))
    s.logs_in("b")
    s.arrives("c1")
    if stage != "waiting":
        s.asks("a")
    if stage in ("active", "wrapping"):
        s.accepts("a", "c1")
    if stage == "wrapping":
        s.concludes("c1")
    return s


@pytest.mark.parametrize(
    ("stage", "data", "decided"),
    [
        ("waiting", {}, LEFT),
        ("waiting", {"by": "customer"}, LEFT),
        ("waiting", {"by": "system"}, LEFT),
        ("waiting", {"by": "agent"}, IGNORED),
        ("waiting", {"agent_id": "a"}, IGNORED),
        ("offered", {}, RESCINDED),
        ("offered", {"by": "customer"}, RESCINDED),
        ("offered", {"by": "system"}, RESCINDED),
        ("offered", {"agent_id": "a"}, RESCINDED),
        ("offered", {"by": "customer", "agent_id": "a"}, RESCINDED),
        ("offered", {"by": "agent"}, IGNORED),
        ("offered", {"by": "agent", "agent_id": "a"}, IGNORED),
        ("offered", {"agent_id": "b"}, IGNORED),
        ("active", {}, WRAPPING),
        ("active", {"by": "agent"}, WRAPPING),
        ("active", {"by": "customer"}, WRAPPING),
        ("active", {"by": "system"}, WRAPPING),
        ("active", {"agent_id": "a"}, WRAPPING),
        ("active", {"agent_id": "b"}, IGNORED),
        ("active", {"agent_id": "stranger", "by": "customer"}, IGNORED),
        ("wrapping", {}, IGNORED),
        ("wrapping", {"agent_id": "a"}, IGNORED),
        ("wrapping", {"agent_id": "b", "by": "customer"}, IGNORED),
    ],
)
def test_a_conclusion_does_what_the_stage_allows(
    tell: Tell, stage: str, data: dict[str, str], decided: list[str]
) -> None:
    """R15: active chats wrap up; waiting and offered ones are abandoned, though never by an agent; else ignored."""
    assert _at_stage(tell, stage).concludes("c1", **data) == decided


def test_wrapping_is_told(tell: Tell) -> None:
    """R15: the decision names the agent who wraps up and the queue of the chat."""
    s = _at_stage(tell, "active")
    s.at(9).concludes("c1")
    assert s.made[-1] == ChatWrapping(
        "default/0/5/0", "chat-wrapping", "default", moment(9), chat_id="c1", agent_id="a", queue="q"
    )


def test_without_wrap_up_a_conclusion_closes(tell: Tell) -> None:
    """R15: `wrap_up=false`: the session is free at once, and the holder is named."""
    s = _at_stage(tell, "active", wrap_up=False)
    assert s.concludes("c1") == ["chat-closed c1 a concluded"]


@pytest.mark.parametrize("named", [{}, {"agent_id": "a"}], ids=["nobody", "the holder"])
@pytest.mark.parametrize("stage", ["active", "wrapping"])
def test_a_release_closes_a_chat_that_an_agent_talks_in_or_wraps_up(
    tell: Tell, stage: str, named: dict[str, str]
) -> None:
    """R15: closed as concluded, with its holder."""
    assert _at_stage(tell, stage).releases("c1", **named) == ["chat-closed c1 a concluded"]


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("waiting", {}),
        ("waiting", {"agent_id": "a"}),
        ("offered", {}),
        ("offered", {"agent_id": "a"}),
        ("active", {"agent_id": "b"}),
        ("wrapping", {"agent_id": "b"}),
        ("wrapping", {"agent_id": "stranger"}),
    ],
)
def test_any_other_release_is_ignored(tell: Tell, stage: str, named: dict[str, str]) -> None:
    """R15: there is nothing to release before the accept, and nobody releases another's chat."""
    assert _at_stage(tell, stage).releases("c1", **named) == ["(ignored chat-released)"]


def test_a_chat_is_closed_once(tell: Tell) -> None:
    """R15, I4: whatever is said of it after."""
    s = _at_stage(tell, "active")
    s.releases("c1")
    assert s.releases("c1") == ["(ignored chat-released)"]
    assert s.concludes("c1") == IGNORED
    assert s.abandons("c1") == ["(ignored chat-abandoned)"]


def test_only_closing_frees_the_session(tell: Tell) -> None:
    """R15: an agent at its limit gets the next chat at the release, not at the conclusion."""
    s = tell(push(max_sessions=1))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    assert s.concludes("c1", by="customer") == ["chat-wrapping c1 a"]
    assert s.releases("c1") == ["chat-closed c1 a concluded", "chat-requested a", "chat-assigned c2 a"]


def test_wrap_up_ends_by_itself_at_its_limit(tell: Tell) -> None:
    """R15: `wrap_up_limit` counts from the conclusion."""
    s = _at_stage(tell, "active", wrap_up_limit=60)
    s.at(100).concludes("c1")
    assert s.until(159.999) == []
    assert s.until(160) == ["chat-closed c1 a concluded"]


def test_wrap_up_has_no_limit_unless_set(tell: Tell) -> None:
    """R15, defaults: 0 is none."""
    s = _at_stage(tell, "wrapping")
    assert s.until(86_400) == []


def test_a_release_in_time_leaves_nothing_for_the_limit_to_do(tell: Tell) -> None:
    """R15: a chat that is new under the same id is not released by its predecessor's limit."""
    s = _at_stage(tell, "active", wrap_up_limit=700, offer_timeout=285)
    s.concludes("c1")
    s.releases("c1")
    s.at(600).asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(601).concludes("c1")
    assert s.until(1300.999) == []
    assert s.until(1301) == ["chat-closed c1 a concluded"]
