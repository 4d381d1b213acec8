"""I1 to I8, told from frames and decisions alone: each decision is booked, each frame's end is looked over."""

from typing import Any, Final

from switchboard.domain.events import Frame
from switchboard.domain.rfc3339 import parse_ms
from tests.property.books import AgentBook, ChatBook, PoolBook, fall_silent, note

REMEMBERED_MS: Final = 600_000


class InvariantChecker:
    """Follows a steady history; raises AssertionError where an invariant is broken."""

    def __init__(self) -> None:
        self.pools: dict[str, PoolBook] = {}
        self.clock = 0
        self.service = 0

    def follow(self, frame: Frame, decisions: list[dict[str, Any]]) -> None:
        """Book a frame and what was decided in it, and look at where that leaves everyone."""
        began, was = self.service, self.clock
        self.service += frame.run
        self.clock = frame.at
        for event in frame.events:
            pool = self.pools.setdefault(event.pool, PoolBook())
            rejected = any(decision["type"] == "request-rejected" for decision in decisions)
            if event.type == "chat-arrival":
                self._arrives(pool, event.data["chat_id"], decisions)
            note(pool, event, self.service, rejected=rejected)
        for decision in decisions:
            # In a steady history the clock, which decisions are stamped with, and service time move together.
            service = began + parse_ms(decision["at"]) - was if frame.run else self.service
            _book(self.pools[decision["pool"]], decision, service)
        for pool in self.pools.values():
            fall_silent(pool, self.service)
            _at_rest(pool, self.service)

    def _arrives(self, pool: PoolBook, chat_id: str, decisions: list[dict[str, Any]]) -> None:
        known = chat_id in pool.chats or self.service < pool.closed.get(chat_id, -REMEMBERED_MS) + REMEMBERED_MS
        queued = [decision for decision in decisions if decision["type"] == "chat-queued"]
        assert [decision["chat_id"] for decision in queued] == ([] if known else [chat_id]), "I4: an arrival"


def _book(pool: PoolBook, decision: dict[str, Any], service: int) -> None:
    agent_id = decision.get("agent_id")
    if decision["type"] == "chat-requested":
        agent = pool.agents[decision["agent_id"]]
        assert agent.request is None, f"I7: {agent_id} has a request already"
        agent.request = "push"
    elif decision["type"] == "agent-made-unavailable":
        agent = pool.agents[decision["agent_id"]]
        agent.status, agent.by_misses, agent.request = "unavailable", True, None
    elif decision["type"] == "chat-queued":
        assert decision["chat_id"] not in pool.chats, "I4: open already"
        pool.chats[decision["chat_id"]] = ChatBook(decision["queue"], (decision["arrived_at"], pool.arrivals))
        pool.arrivals += 1
    elif not decision["type"].endswith("-rejected"):
        assert decision["chat_id"] in pool.chats, f"I4: {decision['type']} of a chat that is not open"
        _book_chat(pool, pool.chats[decision["chat_id"]], decision, service)


def _book_chat(pool: PoolBook, chat: ChatBook, decision: dict[str, Any], service: int) -> None:
    match decision["type"]:
        case "chat-assigned":
            _book_offer(pool, chat, decision, service)
        case "assignment-confirmed":
            _end_offer(pool, chat, decision)
            chat.stage = "active"
        case "assignment-ended":
            _end_offer(pool, chat, decision)
            if decision["reason"] in ("declined", "missed"):
                chat.passed[decision["agent_id"]] = service
            chat.stage, chat.agent_id = "ended", None
        case "chat-requeued":
            assert chat.stage != "offered", "I3: waits again while the offer stands"
            chat.stage, chat.agent_id, chat.queue = "waiting", None, decision["queue"]
            if decision["reason"] == "transferred":
                chat.passed.clear()
        case "chat-wrapping":
            assert chat.stage == "active", "only an active chat is wrapped up"
            assert chat.agent_id == decision["agent_id"], "I2: with another agent"
            chat.stage = "wrapping"
        case "chat-closed":
            assert chat.stage != "offered", "I3: closed while the offer stands"
            assert chat.agent_id == decision["agent_id"], "I2: closed with another agent"
            del pool.chats[decision["chat_id"]]
            pool.closed[decision["chat_id"]] = service


def _book_offer(pool: PoolBook, chat: ChatBook, decision: dict[str, Any], service: int) -> None:
    agent = pool.agents[decision["agent_id"]]
    assert chat.stage != "offered", "I2: in two offers"
    if decision["origin"] == "transfer":
        chat.passed.clear()
    else:
        assert chat.stage == "waiting", "I2: with an agent already"
        assert agent.request == decision["origin"], "an offer serves an outstanding request"
        agent.request = None
        older = [
            other
            for other in pool.may_take(decision["agent_id"], service)
            if other.queue == chat.queue and other.place < chat.place
        ]
        assert not older, f"I6: {decision['chat_id']} passes over an older chat of its queue"
    assert agent.available, "an offer to an agent who is not available"
    chat.stage, chat.agent_id, chat.offer_id = "offered", decision["agent_id"], decision["offer_id"]
    sessions = len(pool.held(decision["agent_id"]))
    assert sessions == decision["sessions"], "I2: sessions counted otherwise"
    assert sessions <= pool.limit(agent) == decision["max_sessions"], "I1: beyond max_sessions"
    assert decision["offer_id"] not in pool.offers_made, "I3: an offer id used twice"
    pool.offers_made.add(decision["offer_id"])
    pool.offers.add(decision["offer_id"])
    agent.last_offer = service


def _end_offer(pool: PoolBook, chat: ChatBook, decision: dict[str, Any]) -> None:
    assert decision["offer_id"] in pool.offers, "I3: no such offer stands"
    told = (chat.stage, chat.agent_id, chat.offer_id)
    assert told == ("offered", decision["agent_id"], decision["offer_id"]), "I2: another offer of the chat"
    pool.offers.remove(decision["offer_id"])


def _at_rest(pool: PoolBook, service: int) -> None:
    """What must hold after each frame."""
    for chat_id, chat in pool.chats.items():
        assert chat.stage != "ended", f"I3: {chat_id} neither waits nor is offered nor closed after its offer"
        assert chat.agent_id is None or chat.agent_id in pool.agents, f"I2: {chat_id} is with one who is gone"
    for agent_id, agent in pool.agents.items():
        if not agent.available or len(pool.held(agent_id)) >= pool.limit(agent):
            continue
        undecided = any(chat.stage == "offered" for chat in pool.held(agent_id))
        asks = agent.request is not None
        assert asks or undecided or pool.mode(agent) == "pull", f"I8: {agent_id} should have requested"
        if asks and _rested(pool, agent, service):
            assert not list(pool.may_take(agent_id, service)), f"I5: {agent_id} could have been served"


def _rested(pool: PoolBook, agent: AgentBook, service: int) -> bool:
    """Whether the delay between chats has passed."""
    delay = pool.profile(agent).delay_between_chats * 1000
    return agent.last_offer is None or service >= agent.last_offer + delay
