"""Counters tell what commits made visible, and each chat's wait once."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.codec import BadInput
from switchboard.kafka.record_merge import Taken
from switchboard.router.counters import Tally
from switchboard.router.label_names import LabelNames
from tests.samples import sample

pools = (f"counted-{number}" for number in count())


class Counted:
    """An engine whose frames are committed and counted at once, with one pool that no other test has."""

    def __init__(self) -> None:
        self.pool = next(pools)
        self.engine = Engine(0)
        self.tally = Tally(self.engine, LabelNames())
        self.at = 1_000_000
        queues = [{"name": "q", "overflow_after": 40, "overflow_to": "help"}, {"name": "help", "max_wait": 60}]
        profiles = [{"name": "a", "mode": "pull", "offer_timeout": 10, "reoffer_after": 0, "wrap_up": False}]
        self.tell("pool-configured", config={"queues": queues, "profiles": profiles})

    def tell(self, kind: str, after: float = 0, **data: Any) -> None:
        """One frame of one event, so many seconds after the one before."""
        self.at += int(after * 1000)
        event = Event(kind, self.pool, data)
        outcome = self.engine.apply(Frame(self.engine.frame + 1, self.at, int(after * 1000), [event]))
        self.tally.count([Taken(self.at, 0, event, None)], outcome, self.at)

    def restore(self) -> None:
        """The shard is taken over: another engine, made of the rows, and another tally."""
        self.engine = Engine.restore(0, self.engine.rows())
        self.tally = Tally(self.engine, LabelNames())

    def told(self, name: str, **of: str) -> float | None:
        """What a metric of the pool says now."""
        return sample(name, pool=self.pool, **of)

    def waits(self, queue: str = "q") -> dict[str, float]:
        """How many first waits ended, by outcome."""
        outcomes = ("answered", "abandoned", "short-abandoned", "timed-out")
        found = {each: self.told("switchboard_waits_ended_total", queue=queue, outcome=each) for each in outcomes}
        return {each: number for each, number in found.items() if number}


@pytest.fixture
def counted() -> Counted:
    """A pool of its own."""
    return Counted()


def test_a_chat_is_answered_once_and_its_wait_runs_to_the_accepted_offer(counted: Counted) -> None:
    """From arrival to acceptance, declined offers between included; a second agent's acceptance is no second answer."""
    counted.tell("chat-arrival", chat_id="c", queue="q")
    counted.tell("request-chat", after=3, agent_id="ana")
    counted.tell("chat-declined", after=2, chat_id="c", agent_id="ana")
    counted.tell("request-chat", after=1, agent_id="ana")
    counted.tell("chat-accepted", after=4, chat_id="c", agent_id="ana")
    assert counted.waits() == {"answered": 1}
    assert counted.told("switchboard_wait_seconds_sum", queue="q") == 10
    assert counted.told("switchboard_wait_seconds_bucket", queue="q", le="10.0") == 1
    assert counted.told("switchboard_wait_seconds_bucket", queue="q", le="5.0") == 0
    assert counted.told("switchboard_accept_seconds_sum", queue="q") == 4
    counted.tell("chat-transferred", after=100, chat_id="c", to_queue="help")
    counted.tell("request-chat", agent_id="bob")
    counted.tell("chat-accepted", after=1, chat_id="c", agent_id="bob")
    counted.tell("chat-concluded", chat_id="c", agent_id="bob")
    assert counted.waits() == {"answered": 1}
    assert counted.waits("help") == {}
    assert counted.told("switchboard_offers_ended_total", queue="q", outcome="accepted") == 1
    assert counted.told("switchboard_offers_ended_total", queue="q", outcome="declined") == 1
    assert counted.told("switchboard_offers_ended_total", queue="help", outcome="accepted") == 1
    assert counted.told("switchboard_arrivals_total", queue="q") == 1


@pytest.mark.parametrize(("patience", "outcome"), [(4.9, "short-abandoned"), (5, "abandoned")])
def test_who_gives_up_within_5_s_is_told_apart(counted: Counted, patience: float, outcome: str) -> None:
    """So that service level can be told without short abandons; one who was offered to an agent counts alike."""
    counted.tell("chat-arrival", chat_id="c", queue="q")
    counted.tell("request-chat", agent_id="ana")
    counted.tell("chat-abandoned", after=patience, chat_id="c")
    assert counted.waits() == {outcome: 1}
    assert counted.told("switchboard_offers_ended_total", queue="q", outcome="chat-abandoned") == 1


def test_a_chat_counts_for_the_queue_in_which_it_arrived(counted: Counted) -> None:
    """Though it overflowed and timed out in another, and though the shard was taken over in between."""
    counted.tell("chat-arrival", chat_id="c", queue="q")
    counted.tell("agent-heartbeat", after=41, agent_id="nobody")
    counted.restore()
    counted.tell("agent-heartbeat", after=2000, agent_id="nobody")
    assert counted.waits() == {"timed-out": 1}
    assert counted.waits("help") == {}


def test_a_takeover_counts_no_chat_again(counted: Counted) -> None:
    """One that an agent holds was answered; one that is offered is still to be."""
    for chat, agent in (("c", "ana"), ("d", "bob")):
        counted.tell("chat-arrival", chat_id=chat, queue="q")
        counted.tell("request-chat", agent_id=agent)
    counted.tell("chat-accepted", chat_id="c", agent_id="ana")
    counted.restore()
    counted.tell("chat-accepted", after=7, chat_id="d", agent_id="bob")
    counted.tell("chat-concluded", chat_id="c", agent_id="ana")
    assert counted.waits() == {"answered": 2}
    assert counted.told("switchboard_wait_seconds_sum", queue="q") == 7


def test_refusals_are_counted_by_reason(counted: Counted) -> None:
    """An accept for a chat that nobody knows, a request of an agent who is away."""
    counted.tell("chat-accepted", chat_id="c", agent_id="ana")
    counted.tell("agent-logged-in", agent_id="ana", status="unavailable")
    counted.tell("request-chat", agent_id="ana")
    refusals = "switchboard_refusals_total"
    assert counted.told(refusals, type="accept-rejected", reason="unknown-chat") == 1
    assert counted.told(refusals, type="request-rejected", reason="not-available") == 1


@pytest.fixture
def step() -> Callable[[str, dict[str, str]], Callable[[], float]]:
    """How much a metric without a pool has grown since."""

    def begin(name: str, of: dict[str, str]) -> Callable[[], float]:
        before = sample(name, **of) or 0
        return lambda: (sample(name, **of) or 0) - before

    return begin


def test_events_ignored_ones_and_dead_letters_are_counted(
    counted: Counted, step: Callable[[str, dict[str, str]], Callable[[], float]]
) -> None:
    """By type, by why, by reason; a frame's events are told from publishing to the commit, never below zero."""
    ignored = step("switchboard_events_ignored_total", {"type": "chat-released", "why": "unknown-chat"})
    events = step("switchboard_events_total", {"type": "chat-released"})
    dead = step("switchboard_dead_letters_total", {"reason": "not-json"})
    spans = step("switchboard_event_to_decision_seconds_count", {})
    counted.tell("chat-released", chat_id="c")
    counted.tally.count([Taken(0, 6, BadInput("not-json", "", "default"), None)], None, counted.at)
    assert (ignored(), events(), dead(), spans()) == (1, 1, 1, 1)
