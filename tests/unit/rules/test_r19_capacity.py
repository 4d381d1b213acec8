"""R19: how many chats an agent takes, and how it gets them, can be changed while it works."""

from tests.unit.rules.story import Tell, pull, push


def test_capacity_and_mode_are_set_together_or_each_alone(tell: Tell) -> None:
    """R19: what the event does not name stays."""
    s = tell(push())
    s.logs_in("a")

    def mode_and_sessions() -> tuple[str, int]:
        return s.agent("a")["mode"], s.agent("a")["max_sessions"]

    s.says("agent-capacity-changed", agent_id="a", max_sessions=5)
    assert mode_and_sessions() == ("push", 5)
    s.says("agent-capacity-changed", agent_id="a", mode="pull")
    assert mode_and_sessions() == ("pull", 5)
    s.says("agent-capacity-changed", agent_id="a", max_sessions=2, mode="push")
    assert mode_and_sessions() == ("push", 2)


def test_it_holds_for_this_login(tell: Tell) -> None:
    """R19, R18: the next login has the profile's own again."""
    s = tell(push())
    s.logs_in("a")
    s.says("agent-capacity-changed", agent_id="a", max_sessions=5, mode="pull")
    s.says("agent-logged-out", agent_id="a")
    assert s.logs_in("a") == ["chat-requested a"]
    assert s.agent("a")["max_sessions"] == 3


def test_lowering_takes_no_chat_away(tell: Tell) -> None:
    """R19: the agent drains; it asks again when it is below the new limit."""
    s = tell(push(max_sessions=3))
    s.logs_in("a")
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id)
        s.accepts("a", chat_id)
    assert s.says("agent-capacity-changed", agent_id="a", max_sessions=1) == []
    assert s.agent("a")["free"] == 0
    assert s.releases("c1") == ["chat-closed c1 a concluded"]
    assert s.releases("c2") == ["chat-closed c2 a concluded"]
    assert s.releases("c3") == ["chat-closed c3 a concluded", "chat-requested a"]


def test_lowering_leaves_undecided_offers_standing(tell: Tell) -> None:
    """R19: what was offered may still be accepted."""
    s = tell(pull(max_sessions=2))
    for chat_id in ("c1", "c2"):
        s.asks("a")
        s.arrives(chat_id)
    assert s.says("agent-capacity-changed", agent_id="a", max_sessions=1) == []
    assert s.accepts("a", "c1") == ["assignment-confirmed c1 a"]
    assert s.accepts("a", "c2") == ["assignment-confirmed c2 a"]


def test_it_is_no_change_of_status(tell: Tell) -> None:
    """R19: an agent who is away stays away."""
    s = tell(push())
    s.logs_in("a", status="unavailable")
    assert s.says("agent-capacity-changed", agent_id="a", max_sessions=9) == []
    assert s.agent("a")["status"] == "unavailable"
