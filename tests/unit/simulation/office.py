"""An office in virtual time: the crowd and the real engine, each told what the other does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.codec import encode
from switchboard.simulation.cast import Cast, Line, Post
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.people import Behaviour
from switchboard.simulation.scene import Outgoing

START = 919_666_800_000
"""1999-02-22T07:00:00Z, in ms."""

RETAIL: dict[str, Any] = {
    "queues": [{"name": "accounts"}, {"name": "cards"}],
    "profiles": [
        {"name": "push-team", "max_sessions": 2},
        {"name": "pull-team", "mode": "pull", "max_sessions": 2, "pull_policy": "strict-priority"},
    ],
}
CAST = Cast(
    lines=(Line("accounts", "retail", 2.0), Line("cards", "retail")),
    posts=(
        Post("ana", "push", "retail", "push-team"),
        Post("ben", "push", "retail", "push-team"),
        Post("chloe", "pull", "retail", "pull-team"),
        Post("dario", "pull", "retail", "pull-team"),
    ),
)


@dataclass
class Record:
    """All that happened: events as they were sent, decisions as they were published."""

    sent: list[Outgoing] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    told: list[Outgoing | dict[str, Any]] = field(default_factory=list)
    """Both, in order."""

    def of(self, *types: str) -> list[dict[str, Any]]:
        """The decisions of these types."""
        return [decision for decision in self.decisions if decision["type"] in types]

    def sent_of(self, *types: str) -> list[dict[str, Any]]:
        """The bodies of the events of these types."""
        return [event.body for event in self.sent if event.type in types]


def crowd_of(
    behaviour: Behaviour, *, seed: str = "s", cast: Cast = CAST, every_ms: int = 90_000, label: str = "chat"
) -> Crowd:
    """A crowd with a customer every so often."""
    return Crowd(cast, behaviour, count(every_ms, every_ms), seed=seed, label=label)


def play(
    crowd: Crowd,
    *,
    minutes: int,
    config: dict[str, Any] = RETAIL,
    each: Callable[[], None] = lambda: None,
) -> Record:
    """Let them work for so many minutes, with a frame whenever someone does something and each second."""
    engine, record, end = Engine(0), Record(), START + minutes * 60_000
    configured = Event("pool-configured", "retail", {"config": config})
    engine.apply(Frame(0, START, 0, [configured]))
    crowd.start(START)
    now, frame = START, 0
    while now < end:
        due = crowd.next_due()
        after = min(now + 1000, end, due if due is not None else end)
        sent = crowd.due(after)
        record.sent += sent
        record.told += sent
        frame += 1
        outcome = engine.apply(Frame(frame, after, after - now, [_event(event) for event in sent]))
        now = after
        for made in outcome.decisions:
            decision = orjson.loads(encode(made))
            record.decisions.append(decision)
            record.told.append(decision)
            crowd.observe(decision, now)
        each()
    return record


def _event(event: Outgoing) -> Event:
    data = {name: value for name, value in event.body.items() if name != "pool"}
    return Event(event.type, event.body["pool"], data)
