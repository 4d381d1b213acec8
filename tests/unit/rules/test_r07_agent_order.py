"""R7: who has had no chat since login comes first, by lot; then the oldest request."""

from hashlib import blake2b

import pytest

from tests.unit.rules.story import Story, Tell, event, pull

AGENTS = ("ana", "ben", "chloé", "dario", "eva", "finn")


def _lot(agent_id: str, frame: int, index: int = 0, seed: str = "") -> int:
    """The lot as the rule writes it."""
    drawn = blake2b(f"{agent_id}@{frame}.{index}".encode(), key=seed.encode(), digest_size=8)
    return int.from_bytes(drawn.digest(), "big")


def _served(s: Story, count: int) -> list[str]:
    """Who gets the next so many chats."""
    return [s.arrives(f"next-{number}")[1].split()[2] for number in range(count)]


@pytest.mark.parametrize("seed", ["", "s", "ü", "x" * 64])
def test_the_lot_is_drawn_at_login_and_seeded(tell: Tell, seed: str) -> None:
    """R7: smallest lot first, drawn from agent id, frame and index with the pool's seed as the key, in UTF-8."""
    s = tell(pull(), seed=seed)
    for agent_id in AGENTS:
        s.logs_in(agent_id)
    for agent_id in AGENTS:
        s.asks(agent_id)
    lots = {agent_id: _lot(agent_id, frame, seed=seed) for frame, agent_id in enumerate(AGENTS, start=1)}
    assert _served(s, len(AGENTS)) == sorted(AGENTS, key=lots.__getitem__)


def test_another_seed_is_another_lot(tell: Tell) -> None:
    """R7: nobody is first by name; what the seed changes is the order alone."""

    def order(seed: str) -> list[str]:
        s = tell(pull(), seed=seed)
        for agent_id in AGENTS:
            s.asks(agent_id)
        return _served(s, len(AGENTS))

    orders = [order(seed) for seed in ("1", "2", "3", "4")]
    assert len({tuple(drawn) for drawn in orders}) > 1
    assert all(sorted(drawn) == sorted(AGENTS) for drawn in orders)
    assert order("1") == orders[0]


def test_the_index_in_the_frame_is_part_of_the_lot(tell: Tell) -> None:
    """R7: agents who log in with one frame draw lots of their own, by an event or by their first request."""
    s = tell(pull())
    s.frame(*[event("agent-logged-in", agent_id=agent_id) for agent_id in AGENTS[:3]])
    s.frame(*[event("request-chat", agent_id=agent_id) for agent_id in AGENTS])
    lots = {agent_id: _lot(agent_id, 1, index) for index, agent_id in enumerate(AGENTS[:3])}
    lots |= {agent_id: _lot(agent_id, 2, index) for index, agent_id in enumerate(AGENTS) if index > 2}
    assert _served(s, len(AGENTS)) == sorted(AGENTS, key=lots.__getitem__)


def test_a_long_wait_does_not_beat_the_lot(tell: Tell) -> None:
    """R7: among agents without an offer since login neither the login's nor the request's age counts."""
    s = tell(pull())
    by_lot = sorted(("a", "b"), key=lambda agent_id: _lot(agent_id, {"a": 1, "b": 2}[agent_id]))
    for agent_id in ("a", "b"):
        s.logs_in(agent_id)
    s.asks(by_lot[1])
    s.at(600).asks(by_lot[0])
    assert _served(s, 2) == by_lot


def test_an_agent_without_a_chat_yet_comes_before_those_who_had_one(tell: Tell) -> None:
    """R7: however old the request of one who has had an offer, a newcomer is served first."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c0")
    s.asks("a")
    s.at(10).asks("b")
    assert _served(s, 2) == ["b", "a"]


@pytest.mark.parametrize("ending", ["accepted", "declined", "missed", "abandoned", "transferred"])
def test_any_offer_ends_the_newcomers_turn(tell: Tell, ending: str) -> None:
    """R7: an offer counts whatever became of it, and one by transfer too."""
    s = tell(pull())
    if ending == "transferred":
        s.logs_in("a")
        s.arrives("c0")
        s.transfers("c0", to_agent="a")
    else:
        s.asks("a")
        s.arrives("c0")
    s.asks("a")
    if ending == "accepted":
        s.accepts("a", "c0")
    elif ending == "declined":
        s.declines("a", "c0")
    elif ending == "missed":
        s.until(15)
    elif ending == "abandoned":
        s.abandons("c0")
    s.at(20).logs_in("b")
    s.releases("c0")
    s.abandons("c0")
    s.asks("b")
    assert _served(s, 1) == ["b"]


def test_after_the_first_chat_the_oldest_request_is_served_first(tell: Tell) -> None:
    """R7: the time of the request counts, not of the login nor of the last chat."""
    s = tell(pull())
    for agent_id in ("a", "b", "c"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    for second, agent_id in enumerate(("c", "a", "b")):
        s.at(second).asks(agent_id)
    assert _served(s, 3) == ["c", "a", "b"]


def test_a_request_made_anew_stands_at_the_end(tell: Tell) -> None:
    """R7: the age is that of the outstanding request; one withdrawn and made again is young."""
    s = tell(pull())
    for agent_id in ("a", "b"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
    s.at(1).asks("a")
    s.at(2).asks("b")
    s.at(3).says("request-cancelled", agent_id="a")
    s.at(4).asks("a")
    assert _served(s, 2) == ["b", "a"]


def test_who_logs_in_again_is_a_newcomer_with_a_new_lot(tell: Tell) -> None:
    """R7, R18: the offer must have been since the login that counts."""
    s = tell(pull())
    for agent_id in ("a", "b"):
        s.asks(agent_id)
        s.arrives(f"first-of-{agent_id}")
        s.accepts(agent_id, f"first-of-{agent_id}")
        s.releases(f"first-of-{agent_id}")
    s.asks("b")
    s.says("agent-logged-out", agent_id="a")
    s.at(60).asks("a")
    assert _served(s, 2) == ["a", "b"]
