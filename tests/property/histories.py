"""Random histories: frames of events over few ids, so that they collide, chosen so that chats get somewhere.

The reference model runs alongside, only so that the generator can name standing offers, agents who are there and
times at which timers are due.
"""

from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from switchboard.domain.events import EVENT_TYPES, Event, Frame
from switchboard.domain.rfc3339 import format_ms
from tests.property.configurations import PROFILES, QUEUES, UNKNOWN, random_config
from tests.reference.model import ReferenceEngine
from tests.reference.state import Chat, Pool
from tests.reference.timers import pending

POOLS: Final = ("default", "Z")
AGENTS: Final = ("a", "B", "é", "z")
START: Final = 1_760_000_000_000
WEIGHTS: Final = {
    "chat-arrival": 8,
    "request-chat": 8,
    "chat-accepted": 18,
    "chat-declined": 3,
    "chat-concluded": 6,
    "agent-logged-in": 5,
    "chat-released": 4,
    "chat-transferred": 4,
    "pool-configured": 2,
    "chat-abandoned": 2,
    "agent-status-changed": 3,
    "agent-capacity-changed": 2,
}
"""How often each type is chosen; 1 where it is not named."""
STAGES: Final = {
    "chat-accepted": ("offered",),
    "chat-declined": ("offered",),
    "chat-concluded": ("active",),
    "chat-released": ("wrapping", "active"),
    "chat-abandoned": ("waiting", "offered", "active"),
    "chat-transferred": ("waiting", "offered", "active", "wrapping"),
}
"""In which stages of its chat an event does something."""


def weight(kind: str, stages: set[str]) -> float:
    """How often a type is chosen while the open chats are in these stages."""
    fits = kind not in STAGES or not stages.isdisjoint(STAGES[kind])
    return WEIGHTS.get(kind, 1) * (1 if fits else 0.1)


def random_history(seed: int, length: int) -> list[Frame]:
    """`length` frames, always the same ones for the same `seed`."""
    return _History(Random(seed)).frames(length)  # noqa: S311 - a test's dice


def histories(least: int = 5, most: int = 60) -> st.SearchStrategy[list[Frame]]:
    """The same as a strategy, so that hypothesis shrinks what fails."""
    dice = st.randoms(use_true_random=False)
    return st.builds(lambda rng, length: _History(rng).frames(length), dice, st.integers(least, most))


class _History:
    """A history in the making: each has its own likings, so that some are rich in what others lack."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.model = ReferenceEngine(0)
        self.pools = POOLS if rng.random() < 0.3 else POOLS[:1]
        self.configured = rng.random() < 0.9
        self.agents = rng.sample(AGENTS, rng.randint(2, len(AGENTS)))
        self.liking = {kind: rng.choice((0.2, 1, 1, 3)) for kind in EVENT_TYPES}
        self.at = START
        self.arrivals = 0

    def frames(self, length: int) -> list[Frame]:
        return [self.frame(n) for n in range(length)]

    def frame(self, n: int) -> Frame:
        run = 0 if n == 0 else self.run()
        self.at += self.drift(run)
        frame = Frame(n, self.at, run)
        self.model.pass_time(frame)
        if n == 1 and self.configured:
            self.happen(frame, Event("pool-configured", self.pools[0], {"config": random_config(self.rng)}))
        for _ in range(self.count() - len(frame.events)):
            self.happen(frame, self.event())
        return frame

    def count(self) -> int:
        """How many events a frame gets."""
        return self.rng.choice((0, 1, 1, 1, 1, 1, 2, 3, self.rng.randint(4, 8)))

    def happen(self, frame: Frame, event: Event) -> None:
        self.model.happen(frame.n, len(frame.events), event)
        frame.events.append(event)

    def run(self) -> int:
        """Service time to let pass: none, round, odd, long, or just up to, before or past a timer's time."""
        rng = self.rng
        match rng.choices("0rtobl", (50, 20, 16, 10, 1.5, 0.7))[0]:
            case "r":
                return rng.choice((1000, 1000, 1000, 2000, 3000, 5000))
            case "t":
                due = sorted(timer[0] for pool in self.model.pools.values() for timer in pending(pool))
                ahead = [time - self.model.service for time in due[:4] if time > self.model.service]
                return max(0, rng.choice(ahead) + rng.choice((0, 0, 0, -1, 1, 1000))) if ahead else 1000
            case "o":
                return rng.randint(1, 4000)
            case "b":
                return rng.choice((30_000, 60_000, 61_001))
            case "l":
                return rng.choice((60_000, 599_999, 600_000, 1_800_000))
        return 0

    def drift(self, run: int) -> int:
        """How far `at` goes while `run` passes."""
        rng = self.rng
        if rng.random() < 0.7:
            return run
        return rng.choice((0, run // 2, run + rng.randint(0, 3000), run + 60_000, -1000, -rng.randint(1, 90_000)))

    def event(self) -> Event:
        rng = self.rng
        pool = rng.choice(self.pools)
        state = self.model.pools.get(pool, Pool(pool, 0))
        stages = {chat.stage for chat in state.chats.values()}
        weights = [weight(kind, stages) * self.liking[kind] for kind in EVENT_TYPES]
        kind = rng.choices(EVENT_TYPES, weights)[0]
        return Event(kind, pool, self.data(kind, state))

    def data(self, kind: str, pool: Pool) -> dict[str, Any]:
        if kind == "pool-configured":
            return {"config": random_config(self.rng)}
        if kind == "chat-arrival":
            return self.arrival(pool)
        if kind.startswith("chat-"):
            return self.about_chat(kind, pool)
        return self.about_agent(kind, pool)

    def arrival(self, pool: Pool) -> dict[str, Any]:
        rng = self.rng
        data: dict[str, Any] = {"chat_id": self.chat_id(pool)}
        if len(pool.chats) < 5 and rng.random() < 0.8:
            self.arrivals += 1
            data["chat_id"] = f"c{self.arrivals}"
        self.maybe(data, "queue", (*QUEUES, *QUEUES, UNKNOWN), 0.8)
        if rng.random() < 0.4:
            shift = rng.choice((-1, 1)) * rng.choice((0, 1, 500, 1000, 2000, 3600_000))
            text = format_ms(self.model.clock + shift)
            data["arrived_at"] = rng.choice((text, text.replace("Z", "999Z"), text.replace("Z", "+02:00")))
        return data

    def about_chat(self, kind: str, pool: Pool) -> dict[str, Any]:
        rng = self.rng
        fitting = [chat for chat in pool.chats.values() if chat.stage in STAGES[kind]]
        chat = rng.choice(fitting) if fitting and rng.random() < 0.85 else None
        data: dict[str, Any] = {"chat_id": self.chat_id(pool) if chat is None else chat.id}
        if kind in ("chat-accepted", "chat-declined"):
            data["agent_id"] = self.holder(chat, 0.9)
            if kind == "chat-accepted":
                self.maybe(data, "accepted_at", (format_ms(self.model.clock - 1500),), 0.2)
            if rng.random() < 0.4:
                data["offer_id"] = self.offer_id(chat)
        if kind in ("chat-concluded", "chat-released") and rng.random() < 0.4:
            data["agent_id"] = self.holder(chat, 0.7)
        if kind == "chat-concluded":
            self.maybe(data, "by", ("agent", "customer", "system"))
        if kind == "chat-transferred":
            if rng.random() < 0.5:
                data["to_queue"] = rng.choice((*QUEUES, UNKNOWN))
            else:
                data["to_agent"] = rng.choice([*pool.agents, *pool.agents, rng.choice(self.agents)])
        return data

    def about_agent(self, kind: str, pool: Pool) -> dict[str, Any]:
        rng = self.rng
        busy = [chat.agent_id for chat in pool.chats.values() if chat.agent_id is not None]
        data: dict[str, Any] = {
            "agent_id": rng.choice(busy) if busy and rng.random() < 0.4 else rng.choice(self.agents)
        }
        match kind:
            case "request-chat":
                self.maybe(data, "request_id", tuple(f"r{number}" for number in range(11)))
                self.maybe(data, "profile", (*PROFILES, UNKNOWN), 0.4)
                self.maybe(data, "requested_at", (format_ms(self.model.clock - 1500),), 0.2)
            case "agent-logged-in":
                self.maybe(data, "profile", (*PROFILES, UNKNOWN))
                self.maybe(data, "status", ("available", "unavailable"), 0.2)
                self.maybe(data, "mode", ("push", "pull"), 0.3)
                self.maybe(data, "max_sessions", (1, 2, 3, 4), 0.3)
            case "agent-status-changed":
                data["status"] = rng.choice(("available", "available", "unavailable"))
                self.maybe(data, "reason", ("lunch",), 0.2)
            case "agent-capacity-changed":
                which = rng.choice(("mode", "max_sessions", "both"))
                if which != "mode":
                    data["max_sessions"] = rng.choice((1, 2, 3, 4))
                if which != "max_sessions":
                    data["mode"] = rng.choice(("push", "pull"))
        return data

    def agent_id(self, kind: str, pool: Pool) -> str:
        """An agent: often one who holds chats, or to whom the event means more than to others."""
        rng = self.rng
        fitting = [chat.agent_id for chat in pool.chats.values() if chat.agent_id is not None]
        if kind in ("agent-present", "request-chat", "agent-absent") and rng.random() < 0.5:
            fitting = [agent.id for agent in pool.agents.values() if agent.absent or agent.unavailable_by_misses]
        return rng.choice(fitting) if fitting and rng.random() < 0.5 else rng.choice(self.agents)

    def maybe(self, data: dict[str, Any], name: str, values: tuple[Any, ...], chance: float = 0.5) -> None:
        if self.rng.random() < chance:
            data[name] = self.rng.choice(values)

    def chat_id(self, pool: Pool) -> str:
        """Any chat's: open, closed, or never heard of."""
        known = [*pool.chats, *pool.closed, *pool.ended_early]
        return self.rng.choice([*known, f"c{self.arrivals + 1}", f"c{self.arrivals + 2}"])

    def holder(self, chat: Chat | None, chance: float) -> str:
        """The chat's agent, most often."""
        if chat is not None and chat.agent_id is not None and self.rng.random() < chance:
            return chat.agent_id
        return self.rng.choice(self.agents)

    def offer_id(self, chat: Chat | None) -> str:
        """The standing offer's id, or one that is stale or was never made."""
        if chat is not None and chat.offer_id is not None and self.rng.random() < 0.7:
            return chat.offer_id
        return f"default/0/{self.rng.randint(0, 9)}/{self.rng.randint(0, 2)}"
