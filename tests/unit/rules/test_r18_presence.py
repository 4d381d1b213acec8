"""R18: agents come, go, and are away; their chats are never forgotten."""

from typing import Any

import pytest

from tests.unit.rules.story import Story, Tell, event, moment, pull, push


def test_an_agent_who_logs_in_is_available(tell: Tell) -> None:
    """R18: with the profile that the login names."""
    s = tell(pull("first"), push("second", max_sessions=5))
    assert s.logs_in("a", profile="second") == ["chat-requested a"]
    row = s.agent("a")
    assert (row["profile"], row["mode"], row["max_sessions"], row["status"]) == ("second", "push", 5, "available")


def test_an_agent_may_log_in_unavailable(tell: Tell) -> None:
    """R18: then it gets nothing until it says that it is available."""
    s = tell(push())
    assert s.logs_in("a", status="unavailable") == []
    assert s.turns("a", "available") == ["chat-requested a"]


@pytest.mark.parametrize("data", [{}, {"profile": "gone"}], ids=["no profile", "unknown profile"])
def test_a_login_with_no_known_profile_gets_the_default_one(tell: Tell, data: dict[str, str]) -> None:
    """R18: nobody is turned away for the profile that the login names."""
    s = tell(pull("first"), push("second"), default_profile="second")
    s.logs_in("a", **data)
    assert s.agent("a")["profile"] == "second"


def test_a_login_may_override_mode_and_sessions(tell: Tell) -> None:
    """R18, defaults: for this agent, while it is logged in."""
    s = tell(push())
    assert s.logs_in("a", mode="pull", max_sessions=1) == []
    s.asks("a")
    s.arrives("c1")
    assert s.asks("a") == ["request-rejected a at-capacity"]


def test_a_login_while_logged_in_sets_profile_and_overrides_as_a_first_one_would(tell: Tell) -> None:
    """R18: overrides that it does not name are gone."""
    s = tell(push("first", max_sessions=4), push("second", max_sessions=5))
    s.logs_in("a", profile="second", mode="pull", max_sessions=1)
    assert s.logs_in("a") == ["chat-requested a"]
    row = s.agent("a")
    assert (row["profile"], row["mode"], row["max_sessions"]) == ("first", "push", 4)


@pytest.mark.parametrize("away", ["unavailable", "absent", "unavailable and absent"])
def test_a_login_while_logged_in_sets_the_status_as_a_first_one_would(tell: Tell, away: str) -> None:
    """R18: available unless it says otherwise, whatever was before."""
    s = tell(push())
    s.logs_in("a")
    if "unavailable" in away:
        s.turns("a", "unavailable")
    if "absent" in away:
        s.says("agent-absent", agent_id="a")
    assert s.logs_in("a") == ["chat-requested a"]
    assert s.logs_in("a", status="unavailable") == []
    assert s.agent("a")["status"] == "unavailable"


def test_a_login_while_logged_in_keeps_sessions_and_request(tell: Tell) -> None:
    """R18: a console that reconnects takes nothing from anybody."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.at(1).asks("a")
    assert s.at(5).logs_in("a") == []
    row = s.agent("a")
    assert [session["stage"] for session in row["sessions"]] == ["active"]
    assert row["request"] == {"origin": "manual", "requested_at": moment(1)}


def test_a_login_while_logged_in_keeps_an_undecided_offer(tell: Tell) -> None:
    """R18: the offer stands, and may be accepted after."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.logs_in("a") == []
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]


def test_a_login_while_logged_in_keeps_the_lot(tell: Tell) -> None:
    """R18, R7: nobody draws again by logging in again."""
    s, once = tell(pull()), tell(pull())
    agents = [f"a{number}" for number in range(6)]
    for story in (s, once):
        story.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in agents])
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in reversed(agents)])
    for story in (s, once):
        story.frame(*[event("request-chat", agent_id=agent_id) for agent_id in agents])
    order = [[story.arrives(f"c{turn}")[1] for turn in range(6)] for story in (s, once)]
    assert order[0] == order[1]


def test_a_login_while_logged_in_keeps_the_history(tell: Tell) -> None:
    """R18: the last offer's delay, request ids and misses go on counting, and the agent is no newcomer."""
    s = tell(pull(delay_between_chats=30, max_missed_offers=2, offer_timeout=15))
    s.asks("a", request_id="r1")
    s.arrives("c1")
    s.until(15)
    s.logs_in("a")
    assert s.asks("a", request_id="r1") == ["(ignored request-chat)"]
    s.asks("a")
    s.arrives("c2")
    assert s.until(29.999) == []
    assert s.until(30)[-1] == "chat-assigned c2 a"
    assert s.offer("c2").why.agent_order == "oldest-request"
    assert s.until(45)[-1] == "agent-made-unavailable a missed-offers"


def test_a_status_ends_an_absence(tell: Tell) -> None:
    """R18: either status; a later `agent-present` then has nothing to end."""
    s = tell(push())
    s.logs_in("a")
    s.says("agent-absent", agent_id="a")
    assert s.turns("a", "unavailable") == []
    assert s.agent("a")["status"] == "unavailable"
    assert s.says("agent-present", agent_id="a") == ["(ignored agent-present)"]
    s.says("agent-absent", agent_id="a")
    assert s.turns("a", "available") == ["chat-requested a"]


@pytest.mark.parametrize("before", ["available", "unavailable"])
def test_present_restores_the_status_before(tell: Tell, before: str) -> None:
    """R18: absence covers the status and does not change it."""
    s = tell(push())
    s.logs_in("a", status=before)
    s.says("agent-absent", agent_id="a")
    assert s.agent("a")["status"] == "absent"
    assert s.says("agent-present", agent_id="a") == (["chat-requested a"] if before == "available" else [])
    assert s.agent("a")["status"] == before


def test_an_absence_told_twice_is_one(tell: Tell) -> None:
    """R18: the second is ignored, and so is a second return."""
    s = tell(push())
    s.logs_in("a")
    s.says("agent-absent", agent_id="a")
    assert s.says("agent-absent", agent_id="a") == ["(ignored agent-absent)"]
    s.says("agent-present", agent_id="a")
    assert s.says("agent-present", agent_id="a") == ["(ignored agent-present)"]


@pytest.mark.parametrize("how", ["unavailable", "absent"])
def test_who_is_away_keeps_active_and_wrapping_chats(tell: Tell, how: str) -> None:
    """R18: the request is withdrawn and undecided offers go back; the conversations stay and can be ended."""
    s = _busy(tell)
    gone = s.says("agent-absent", agent_id="a") if how == "absent" else s.turns("a", "unavailable")
    assert gone == _offers_end(f"agent-{how}")
    row = s.agent("a")
    assert [session["stage"] for session in row["sessions"]] == ["active", "active", "wrapping", "wrapping"]
    assert row["request"] is None
    assert s.concludes("x1") == ["chat-wrapping x1 a"]
    assert s.releases("x1") == ["chat-closed x1 a concluded"]


@pytest.mark.parametrize("kind", ["agent-lost", "agent-logged-out"])
def test_who_is_gone_leaves_everything_in_order(tell: Tell, kind: str) -> None:
    """R18: offers as made, then active chats as accepted wait again, then wrapping ones as concluded are closed."""
    s = _busy(tell)
    assert s.says(kind, agent_id="a") == [
        *_offers_end(kind),
        f"chat-requeued x2 q {kind}",
        f"chat-requeued x1 q {kind}",
        "chat-closed w2 a concluded",
        "chat-closed w1 a concluded",
    ]
    assert not [row for row in s.engine.rows() if row.table == "agent-capacity"]


def test_chats_accepted_by_themselves_count_in_the_order_of_acceptance(tell: Tell) -> None:
    """R18: an automatic accept is an accept."""
    s = tell(pull(auto_decline=False, offer_timeout=15))
    for chat_id in ("c1", "c2"):
        s.asks("a")
        s.arrives(chat_id)
    s.at(10).accepts("a", "c2")
    s.until(15)
    assert s.says("agent-lost", agent_id="a") == ["chat-requeued c2 q agent-lost", "chat-requeued c1 q agent-lost"]


def test_what_is_left_goes_to_others_at_once(tell: Tell) -> None:
    """R18, R3: offered and active chats wait again and are matched when all is left."""
    s = tell(push())
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    s.logs_in("b")
    assert s.says("agent-lost", agent_id="a") == [
        "assignment-ended c2 a agent-lost",
        "chat-requeued c2 q agent-lost",
        "chat-requeued c1 q agent-lost",
        "chat-assigned c1 b",
    ]


def test_who_logs_in_again_is_new(tell: Tell) -> None:
    """R18: overrides, misses and sessions are gone with the row."""
    s = tell(push(max_missed_offers=2, offer_timeout=15, reoffer_after=0))
    s.logs_in("a", max_sessions=1)
    s.arrives("c1")
    s.until(15)
    s.says("agent-logged-out", agent_id="a")
    assert s.logs_in("a") == ["chat-requested a", "chat-assigned c1 a"]
    assert s.offer("c1").why.agent_order == "lot"
    assert s.agent("a")["max_sessions"] == 3
    assert "agent-made-unavailable a missed-offers" not in s.until(30)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("agent-logged-out", {}),
        ("agent-status-changed", {"status": "available"}),
        ("agent-absent", {}),
        ("agent-present", {}),
        ("agent-lost", {}),
        ("agent-heartbeat", {}),
        ("agent-capacity-changed", {"max_sessions": 2}),
        ("request-cancelled", {}),
    ],
)
def test_presence_of_an_agent_who_is_not_logged_in_is_ignored(tell: Tell, kind: str, data: dict[str, Any]) -> None:
    """R18: only a login or a request makes an agent."""
    s = tell(push())
    assert s.says(kind, agent_id="a", **data) == [f"(ignored {kind})"]
    assert not [row for row in s.engine.rows() if row.table == "agent-capacity"]


def _busy(tell: Tell) -> Story:
    """`a` has two undecided offers (o2, o1), two active chats (x2 accepted first), two wrapping (w2 first)."""
    s = tell(pull(max_sessions=9))
    for chat_id in ("x1", "x2", "w1", "w2", "o2", "o1"):
        s.asks("a")
        s.arrives(chat_id)
    for chat_id in ("x2", "w1", "x1", "w2"):
        s.accepts("a", chat_id)
    for chat_id in ("w2", "w1"):
        s.concludes(chat_id)
    s.asks("a")
    return s


def _offers_end(reason: str) -> list[str]:
    return [
        said
        for chat_id in ("o2", "o1")
        for said in (f"assignment-ended {chat_id} a {reason}", f"chat-requeued {chat_id} q {reason}")
    ]
