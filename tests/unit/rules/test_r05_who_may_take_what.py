"""R5: which agents' requests count, and which chats they may take."""

import pytest

from tests.unit.rules.story import Tell, pull, push


def test_an_agent_gets_chats_of_its_profiles_queues_only(tell: Tell) -> None:
    """R5: a chat of another queue waits, however long the agent has been asking."""
    s = tell(pull("sales", queues=["sales"]), pull("help", queues=["help"]), queues=["sales", "help"])
    s.logs_in("a", profile="sales")
    s.logs_in("b", profile="help")
    s.asks("a")
    assert s.arrives("c1", queue="help") == ["chat-queued c1 help"]
    assert s.asks("b") == ["chat-assigned c1 b"]


def test_a_profile_without_queues_of_its_own_serves_all(tell: Tell) -> None:
    """R5, defaults: `queues` is all of the pool's unless given; an empty list serves nothing."""
    s = tell(pull("all"), pull("none", queues=[]), queues=["q", "r"])
    s.logs_in("a", profile="none")
    s.asks("a")
    s.logs_in("b", profile="all")
    s.asks("b")
    assert s.arrives("c1", queue="r")[1:] == ["chat-assigned c1 b"]


@pytest.mark.parametrize("how", ["declined", "missed"])
def test_a_chat_passed_over_is_not_offered_to_the_same_agent_again_at_once(tell: Tell, how: str) -> None:
    """R5: who declined or missed a chat is offered it again only when `reoffer_after` has passed since."""
    s = tell(push(reoffer_after=30, offer_timeout=15))
    s.logs_in("a")
    s.arrives("c1")
    over = s.declines("a", "c1") if how == "declined" else s.until(15)
    assert over[-1] == "chat-requested a"
    passed = 0 if how == "declined" else 15
    assert s.until(passed + 29.999) == []
    assert s.until(passed + 30) == ["chat-assigned c1 a"]


def test_another_agent_gets_the_chat_that_one_passed_over(tell: Tell) -> None:
    """R5: a passing holds for the agent who did it and nobody else."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.asks("a")
    assert s.asks("b") == ["chat-assigned c1 b"]


def test_a_chat_passed_over_is_remembered_though_the_agent_logged_out_since(tell: Tell) -> None:
    """R5: logging out and in again is no way to be offered the same chat at once."""
    s = tell(push(reoffer_after=30))
    s.logs_in("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.at(5).says("agent-logged-out", agent_id="a")
    assert s.at(10).logs_in("a") == ["chat-requested a"]
    assert s.until(29.999) == []
    assert s.until(30) == ["chat-assigned c1 a"]


def test_with_no_pause_the_chat_may_be_offered_again_at_once(tell: Tell) -> None:
    """R5: `reoffer_after` of 0 never keeps a chat from an agent."""
    s = tell(push(reoffer_after=0))
    s.logs_in("a")
    s.arrives("c1")
    assert s.declines("a", "c1")[2:] == ["chat-requested a", "chat-assigned c1 a"]


def test_a_rescinded_offer_is_no_passing(tell: Tell) -> None:
    """R5: only declines and misses count; an agent that was away gets the chat again when it is back."""
    s = tell()
    s.logs_in("a")
    s.arrives("c1")
    s.turns("a", "unavailable")
    assert s.turns("a", "available") == ["chat-requested a", "chat-assigned c1 a"]


def test_an_agent_steps_over_the_chat_it_passed_and_gets_the_next(tell: Tell) -> None:
    """R5: one chat that an agent may not take never hides those behind it."""
    s = tell(pull())
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id)
    s.asks("a")
    s.declines("a", "c1")
    assert s.asks("a") == ["chat-assigned c2 a"]
    s.declines("a", "c2")
    assert s.asks("a") == ["chat-assigned c3 a"]


@pytest.mark.parametrize("status", ["unavailable", "absent"])
def test_only_an_available_agents_request_counts(tell: Tell, status: str) -> None:
    """R5: who is unavailable or absent is offered nothing."""
    s = tell()
    s.logs_in("a")
    if status == "absent":
        s.says("agent-absent", agent_id="a")
    else:
        s.turns("a", "unavailable")
    assert s.arrives("c1") == ["chat-queued c1 q"]


def test_an_agent_with_all_sessions_in_use_is_offered_nothing(tell: Tell) -> None:
    """R5: offered, active and wrapping chats all use capacity; a standing request waits until it is below the limit."""
    s = tell(pull(max_sessions=3))
    s.asks("a")
    s.arrives("c1")
    s.asks("a")
    s.says("agent-capacity-changed", agent_id="a", max_sessions=1)
    assert s.arrives("c2") == ["chat-queued c2 q"]
    s.accepts("a", "c1")
    s.concludes("c1")
    assert s.arrives("c3") == ["chat-queued c3 q"]
    assert s.releases("c1") == ["chat-closed c1 a concluded", "chat-assigned c2 a"]


def test_a_request_waits_for_the_delay_between_chats(tell: Tell) -> None:
    """R5: the delay counts from the last offer, whatever became of it, and is over when service time reaches it."""
    s = tell(push(delay_between_chats=30))
    s.logs_in("a")
    s.at(2).arrives("c1")
    s.at(10).accepts("a", "c1")
    s.at(11).arrives("c2")
    assert s.until(31.999) == []
    assert s.until(32) == ["chat-assigned c2 a"]


def test_a_delay_is_a_pending_timer_though_the_agent_does_not_ask(tell: Tell) -> None:
    """R5, R1: service time moves on only while some timer is pending; a click must not wait for it all over again."""
    s = tell(pull(delay_between_chats=30))
    s.asks("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.until(20)
    assert s.engine.next_due() == 30_000


def test_a_new_login_has_no_delay_to_wait_for(tell: Tell) -> None:
    """R5, R18: who logs in again is new; the delay is of the login's last offer."""
    s = tell(push(delay_between_chats=30))
    s.logs_in("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.arrives("c2")
    s.says("agent-logged-out", agent_id="a")
    assert s.at(1).logs_in("a") == ["chat-requested a", "chat-assigned c2 a"]


def test_a_passing_is_over_before_its_timer_has_had_its_turn(tell: Tell) -> None:
    """R5: at the moment it ends, an expiry that fires first already sees the agent who may take the chat again."""
    s = tell(pull(offer_timeout=30, reoffer_after=30))
    s.asks("d")
    s.arrives("c0")
    s.accepts("d", "c0")
    s.asks("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.asks("a")
    assert s.asks("b") == ["chat-assigned c1 b"]
    s.at(5).asks("d")
    assert s.until(30) == ["assignment-ended c1 b missed", "chat-requeued c1 q missed", "chat-assigned c1 a"]


def test_a_delay_is_over_before_its_timer_has_had_its_turn(tell: Tell) -> None:
    """R5: at the moment it ends, an expiry that fires first already sees the agent whose request counts again."""
    s = tell(pull("slow", delay_between_chats=30), pull("quick", offer_timeout=30), queues=["q"])
    for agent_id, profile in (("a", "slow"), ("d", "quick"), ("b", "quick")):
        s.logs_in(agent_id, profile=profile)
        s.asks(agent_id)
        s.arrives(f"of-{agent_id}")
        if agent_id != "b":
            s.accepts(agent_id, f"of-{agent_id}")
    s.asks("a")
    s.at(5).asks("d")
    s.at(30).frame()
    assert s.stamped()[2:] == ["30 chat-assigned of-b a"]


def test_a_delay_ends_at_its_own_moment_while_another_offer_stands(tell: Tell) -> None:
    """R5, R1: in one long frame the delayed agent is served at 30 s, before the other's offer expires at 40 s."""
    s = tell(push(delay_between_chats=30), pull(offer_timeout=40))
    s.logs_in("b", profile="pull")
    s.asks("b")
    s.arrives("c0")
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    s.until(40)
    assert s.stamped() == ["30 chat-assigned c2 a", "40 assignment-ended c0 b missed", "40 chat-requeued c0 q missed"]


def test_a_delay_and_a_timeout_of_one_moment_leave_the_chat_served(tell: Tell) -> None:
    """R5, R1: delay-over sorts before queue-timeout, so a chat due for both is offered."""
    s = tell(push(delay_between_chats=30), queues=[{"name": "q", "max_wait": 30}])
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    assert s.until(30) == ["chat-assigned c2 a"]


def test_a_passing_and_a_timeout_of_one_moment_leave_the_chat_served(tell: Tell) -> None:
    """R5, R1: reoffer sorts before queue-timeout, so a chat due for both is offered again."""
    s = tell(push(reoffer_after=30), queues=[{"name": "q", "max_wait": 30}])
    s.logs_in("a")
    s.arrives("c1")
    s.declines("a", "c1")
    assert s.until(30) == ["chat-assigned c1 a"]
