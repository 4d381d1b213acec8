"""R6: no chat waits while an agent who may take it is asking, and nobody who can't be served stands in the way."""

from tests.unit.rules.story import Tell, event, pull, push


def test_a_chat_goes_to_an_agent_who_is_asking_at_once(tell: Tell) -> None:
    """R6: an arrival that can be served is offered in the frame that brings it."""
    s = tell(pull())
    s.asks("a")
    assert s.arrives("c1") == ["chat-queued c1 q", "chat-assigned c1 a"]


def test_an_agent_who_asks_gets_a_waiting_chat_at_once(tell: Tell) -> None:
    """R6: a request that can be served is served in the frame that brings it."""
    s = tell(pull())
    s.arrives("c1")
    assert s.asks("a") == ["chat-assigned c1 a"]


def test_an_agent_who_cannot_be_served_blocks_nobody(tell: Tell) -> None:
    """R6: the first in agent order may find nothing to take; then the next one is served."""
    s = tell(pull("sales", queues=["sales"]), pull("help", queues=["help"]), queues=["sales", "help"])
    s.logs_in("first", profile="sales")
    s.asks("first")
    s.logs_in("second", profile="help")
    s.at(60).asks("second")
    assert s.arrives("c1", queue="help")[1:] == ["chat-assigned c1 second"]


def test_a_chat_that_nobody_may_take_blocks_no_other(tell: Tell) -> None:
    """R6: the oldest chat may wait for a queue without agents; the younger ones are served."""
    s = tell(pull(queues=["r"]), queues=["q", "r"])
    s.arrives("c1", queue="q")
    s.at(60).arrives("c2", queue="r")
    assert s.asks("a") == ["chat-assigned c2 a"]


def test_the_first_agent_gets_its_own_next_chat_and_then_comes_the_second(tell: Tell) -> None:
    """R6: agents choose in agent order, each by its own policy; it is not the chats that choose."""
    s = tell(pull("strict", queues=[]), pull("due", queues=[]), queues=["q", "r"])
    for second, (agent_id, profile) in enumerate((("a", "strict"), ("b", "due"))):
        s.logs_in(agent_id, profile=profile)
        s.arrives(f"first-of-{agent_id}")
        s.transfers(f"first-of-{agent_id}", to_agent=agent_id)
        s.at(second).asks(agent_id)
    s.arrives("c1", queue="q")
    s.arrives("c2", queue="r")
    strict = pull("strict", queues=["r", "q"], pull_policy="strict-priority")
    assert s.configures(strict, pull("due"), queues=["q", "r"]) == ["chat-assigned c2 a", "chat-assigned c1 b"]


def test_all_that_can_be_served_is_served(tell: Tell) -> None:
    """R6: matching is repeated until no eligible request can be served."""
    s = tell(pull("q-only", queues=["q"]), pull("r-only", queues=["r"]), pull("both"), queues=["q", "r"])
    for chat_id, queue in (("q1", "q"), ("q2", "q"), ("r1", "r")):
        s.arrives(chat_id, queue=queue)
    asking = [("a", "q-only"), ("b", "r-only"), ("c", "both")]
    logins = [event("agent-logged-in", agent_id=agent_id, profile=profile, mode="pull") for agent_id, profile in asking]
    s.frame(*logins)
    lines = s.frame(*[event("request-chat", agent_id=agent_id) for agent_id, _ in asking])
    assert lines == ["chat-assigned q1 a", "chat-assigned r1 b", "chat-assigned q2 c"]


def test_one_configuration_can_serve_many_at_once_in_agent_order(tell: Tell) -> None:
    """R6: when a queue is given to a profile, its agents who ask get the chats there, oldest request first."""
    s = tell(pull(queues=["q"]), queues=["q", "r"])
    for agent_id in ("c", "a", "b"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}", queue="q")
    for second, agent_id in enumerate(("b", "c", "a")):
        s.at(second).asks(agent_id)
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id, queue="r")
    assert s.configures(pull(), queues=["q", "r"]) == ["chat-assigned c1 b", "chat-assigned c2 c", "chat-assigned c3 a"]


def test_agents_of_several_queue_sets_are_merged_into_one_order(tell: Tell) -> None:
    """R6, R7: who shares a queue with others is served by the age of its request, whatever else it serves."""
    profiles = [pull("one", queues=["q"]), pull("two", queues=["q", "r"]), pull("three", queues=["s", "q"])]
    s = tell(*profiles, queues=["q", "r", "s"])
    for agent_id, profile in (("a", "one"), ("b", "two"), ("c", "three"), ("d", "one")):
        s.logs_in(agent_id, profile=profile)
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    for second, agent_id in enumerate(("c", "a", "b", "d")):
        s.at(second).asks(agent_id)
    served = [s.arrives(chat_id)[1] for chat_id in ("c1", "c2", "c3", "c4")]
    assert served == ["chat-assigned c1 c", "chat-assigned c2 a", "chat-assigned c3 b", "chat-assigned c4 d"]


def test_few_agents_whose_delays_end_together_get_the_first_of_many_chats(tell: Tell) -> None:
    """R6: one chat each, though more wait and each could take any."""
    s = tell(push(delay_between_chats=30, max_sessions=3))
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in ("a", "b")])
    for chat_id in ("c1", "c2"):
        s.arrives(chat_id)
        s.accepts(s.offer(chat_id).agent_id, chat_id)
    for chat_id in ("c3", "c4", "c5"):
        s.arrives(chat_id)
    first, second = s.offer("c1").agent_id, s.offer("c2").agent_id
    assert s.until(30) == [f"chat-assigned c3 {first}", f"chat-assigned c4 {second}"]


def test_however_many_can_be_served_at_once_they_are_served_in_order(tell: Tell) -> None:
    """R6: a hundred delays that end together are served by the age of their requests."""
    s = tell(push(delay_between_chats=30, max_sessions=2))
    agents, chats = [f"a{number:02}" for number in range(100)], [f"c{number:02}" for number in range(100)]
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in agents])
    s.frame(*[event("chat-arrival", chat_id=f"first-{chat_id}") for chat_id in chats])
    had = {s.offer(f"first-{chat_id}").agent_id: f"first-{chat_id}" for chat_id in chats}
    s.frame(*[event("chat-accepted", chat_id=had[agent_id], agent_id=agent_id) for agent_id in reversed(agents)])
    s.frame(*[event("chat-arrival", chat_id=chat_id) for chat_id in chats])
    assert s.until(30) == [
        f"chat-assigned {chat_id} {agent_id}" for chat_id, agent_id in zip(chats, reversed(agents), strict=True)
    ]
