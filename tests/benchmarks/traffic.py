"""Mixed lifecycle traffic for the benchmarks: arrivals, requests, accepts, declines, conclusions, releases, heartbeats.

What an agent accepts must have been offered to it, so the traffic is made by running the engine. It is decided the same
however it is framed: each agent has had an offer before another logs in, so that no lot decides, and no limit runs out.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from switchboard.domain.decisions import ChatAssigned
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame

START_MS = 1_700_000_000_000


@dataclass(slots=True)
class Shape:
    """How large the centre is."""

    agents: int = 1_000
    waiting: int = 1_000
    """Chats that wait before the measured part begins."""
    queues: int = 20
    profiles: int = 8
    queues_a_profile: int = 5
    seed: int = 1


@dataclass(slots=True)
class Traffic:
    """Events in order: first what sets the scene, then what is measured."""

    setting: list[Event] = field(default_factory=list)
    measured: list[Event] = field(default_factory=list)


def make(shape: Shape, events: int) -> Traffic:
    """Traffic with `events` measured events."""
    return _Maker(shape).make(events)


def framed(events: list[Event], size: int, first: int = 0, ms_an_event: float = 0.1) -> Iterator[Frame]:
    """The events in frames of `size`, with the time that they take."""
    for number, at in enumerate(range(0, len(events), size)):
        chunk = events[at : at + size]
        n = first + number
        yield Frame(n, START_MS + int(n * size * ms_an_event), int(len(chunk) * ms_an_event), chunk)


class _Maker:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._random = random.Random(shape.seed)  # noqa: S311 - a load, not a secret
        self._engine = Engine(0)
        self._chats = 0
        self._offered: list[ChatAssigned] = []
        self._had_offer: set[str] = set()
        self._active: list[ChatAssigned] = []
        self._wrapping: list[ChatAssigned] = []
        self._into: list[Event] = []

    def make(self, events: int) -> Traffic:
        traffic = Traffic()
        self._into = traffic.setting
        self._set_the_scene()
        self._into = traffic.measured
        while len(traffic.measured) < events:
            self._happen()
        return traffic

    def _tell(self, event_type: str, **data: Any) -> None:
        event = Event(event_type, "default", data)
        self._into.append(event)
        frame = Frame(self._engine.frame + 1, START_MS, 0, [event])
        for decision in self._engine.apply(frame).decisions:
            if isinstance(decision, ChatAssigned):
                self._offered.append(decision)
                self._had_offer.add(decision.agent_id)

    def _set_the_scene(self) -> None:
        shape = self._shape
        queues = [{"name": f"queue-{number}", "max_wait": 0} for number in range(shape.queues)]
        profiles = [
            {
                "name": f"profile-{number}",
                "mode": "push" if number % 2 else "pull",
                "pull_policy": "strict-priority" if number % 3 == 0 else "first-due",
                "offer_timeout": 285,
                "queues": [
                    f"queue-{(number * shape.queues_a_profile + place) % shape.queues}"
                    for place in range(min(shape.queues_a_profile, shape.queues))
                ],
            }
            for number in range(shape.profiles)
        ]
        self._tell("pool-configured", config={"queues": queues, "profiles": profiles})
        for number in range(shape.agents):
            agent = self._agent(number)
            self._arrive()
            self._tell(
                "agent-logged-in", agent_id=agent, profile=f"profile-{number % shape.profiles}", status="unavailable"
            )
            chat = f"chat-{self._chats - 1}"
            self._tell("agent-status-changed", agent_id=agent, status="available")
            if agent not in self._had_offer:
                self._tell("chat-transferred", chat_id=chat, to_agent=agent)
        while sum(len(line.chats) for line in self._engine.pools["default"].index.waiting.values()) < shape.waiting:
            self._arrive()

    def _agent(self, number: int) -> str:
        return f"agent-{number:05}"

    def _arrive(self) -> None:
        queue = f"queue-{self._random.randrange(self._shape.queues)}"
        self._chats += 1
        self._tell("chat-arrival", chat_id=f"chat-{self._chats - 1}", queue=queue)

    def _happen(self) -> None:
        """One event, drawn so that about as many chats arrive as are concluded."""
        drawn = self._random.random()
        if drawn < 0.22:
            self._arrive()
        elif drawn < 0.44 and self._offered:
            self._decide(self._take(self._offered))
        elif drawn < 0.55:
            number = self._random.randrange(self._shape.agents)
            self._tell("request-chat", agent_id=self._agent(number - number % 2))
        elif drawn < 0.75 and self._active:
            chat = self._take(self._active)
            self._wrapping.append(chat)
            self._tell("chat-concluded", chat_id=chat.chat_id, agent_id=chat.agent_id)
        elif drawn < 0.95 and self._wrapping:
            self._tell("chat-released", chat_id=self._take(self._wrapping).chat_id)
        else:
            self._tell("agent-heartbeat", agent_id=self._agent(self._random.randrange(self._shape.agents)))

    def _decide(self, offer: ChatAssigned) -> None:
        if self._random.random() < 0.04:
            self._tell("chat-declined", chat_id=offer.chat_id, agent_id=offer.agent_id)
        else:
            self._active.append(offer)
            self._tell("chat-accepted", chat_id=offer.chat_id, agent_id=offer.agent_id)

    def _take(self, among: list[ChatAssigned]) -> ChatAssigned:
        place = self._random.randrange(len(among))
        among[place], among[-1] = among[-1], among[place]
        return among.pop()
