"""Behaviour of customers and agents: the distributions of all simulated delays and choices.

Only the arrivals are recorded data; all other figures are assumptions of this file. Handling and wrap-up times are
log-normal, as handling times in call centres usually are. Patience, work times and breaks are exponential.

The draws of a chat (handling time, patience, end) depend on the seed and the chat alone, those of an agent on the seed
and the agent. Two runs with the same seed therefore differ only by the router's decisions.
"""

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp, inf, log
from random import Random
from typing import Literal, Protocol, TypeAlias

from switchboard.simulation.cast import Cast, Line

Absence: TypeAlias = Literal["break", "absent", "log-out", "lost"]
"""Kinds of absence: a break; absent, because the device is silent; a logout after the last chat; or a lost connection
during a chat."""

Answer: TypeAlias = Literal["accept", "decline", "lapse"]
"""Answer of an agent to an offer. `lapse`: no answer until the offer expires."""

Law: TypeAlias = Literal["log-normal", "exponential"]
"""The shape of a distribution."""


@dataclass(slots=True, frozen=True)
class Behaviour:
    """Parameters of behaviour. Times are in seconds; median and sigma describe a log-normal, a mean an exponential."""

    handling_median: float = 300.0
    handling_sigma: float = 0.7
    handling_law: Law = "log-normal"
    """Handling time with one agent; a transferred chat has another handling time with the next agent. An exponential of
    the same median has no sigma."""
    patience_mean: float = 600.0
    """Time from entering a queue until a customer without an accepted offer gives up; inf: never."""
    ended_by_customer: float = 0.6
    """Chance that the customer ends the conversation."""
    transfer_chance: float = 0.05
    """Chance that the first agent transfers the chat: two in three to a queue of the pool, else to a colleague."""

    accept_median: float = 1.5
    accept_sigma: float = 0.5
    """Delay to accept, cut to 0.8 of the offer's time: lapsed offers are drawn by `lapse_chance`."""
    decline_chance: float = 0.02
    lapse_chance: float = 0.01
    click_median: float = 2.0
    click_sigma: float = 0.6
    """Time from having a free session to clicking Request Chat, in pull mode."""
    wrap_up_median: float = 45.0
    wrap_up_sigma: float = 0.6

    work_mean: float = 3600.0
    """Time from the login or return to the next absence; inf: no absences."""
    break_mean: float = 600.0
    return_mean: float = 120.0
    """Time until an agent made unavailable by missed offers notices and returns."""
    absence_shares: tuple[tuple[Absence, float], ...] = (
        ("break", 0.5),
        ("absent", 0.2),
        ("log-out", 0.2),
        ("lost", 0.1),
    )
    heartbeat_every: float = 0.0
    """Time between the heartbeats of an agent; 0: no heartbeats."""

    def sped_up(self, speed: float) -> "Behaviour":
        """Return the behaviour at `speed` times the pace, to match arrivals at the same speed.

        Reactions (accepting, clicking) and heartbeats keep their pace, for the router's
        offer timeouts and limits on silence run in real time.
        """
        return replace(
            self,
            handling_median=self.handling_median / speed,
            patience_mean=self.patience_mean / speed,
            wrap_up_median=self.wrap_up_median / speed,
            work_mean=self.work_mean / speed,
            break_mean=self.break_mean / speed,
            return_mean=self.return_mean / speed,
        )


@dataclass(slots=True, frozen=True)
class SeededRandom:
    """A source of random generators: one seed, and a key for each generator."""

    seed: str

    def generator(self, *key: object) -> Random:
        """Return a generator that depends on the seed and the key alone."""
        return Random("/".join((self.seed, *map(str, key))))  # noqa: S311 - a simulation, not a secret


def log_normal_ms(rng: Random, median: float, sigma: float) -> int:
    """Draw a log-normal delay in ms; `median` is in seconds."""
    return round(1000 * median * exp(sigma * rng.gauss(0.0, 1.0)))


def exponential_ms(rng: Random, mean: float) -> int:
    """Draw an exponential delay in ms; `mean` is in seconds."""
    return round(1000 * mean * rng.expovariate(1.0))


ConversationEnd: TypeAlias = Literal["transfer", "customer", "agent"]
"""End of a conversation: a transfer, or an end by the customer or the agent."""


class People(Protocol):
    """Delays and choices of customers and agents; all delays are in ms.

    The same arguments always give the same result, except for methods that take the agent's `rng`.
    """

    def new_chat(self, number: int) -> tuple[str, Line]:
        """Return the id and the line of the `number`-th chat, from 1."""

    def patience(self, chat_id: str, waits: int) -> int | None:
        """Return the customer's patience in the `waits`-th wait of the chat; None: the customer never gives up."""

    def handling_time(self, chat_id: str, handling: int) -> int:
        """Return the handling time of the `handling`-th agent who accepts the chat."""

    def conversation_end(self, chat_id: str, handling: int, transfers: int) -> ConversationEnd:
        """Return the end of the conversation, after a number of earlier transfers."""

    def transfer_target(self, chat_id: str, handling: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """Return `to_queue` or `to_agent`, the target of a transfer in the pool; empty: no target, the chat ends."""

    def wrap_up_time(self, agent_id: str, chat_id: str) -> int:
        """Return the wrap-up time of the agent for the chat."""

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """Return the agent's answer to the `attempt`-th offer of the chat."""

    def answer_delay(self, agent_id: str, chat_id: str, attempt: int, offer_time: int) -> int:
        """Return the delay of the answer to an offer that expires after `offer_time` ms."""

    def click_delay(self, agent_id: str, clicks: int) -> int:
        """Return the delay of the agent's `clicks`-th click on Request Chat, from the time a click is possible."""

    def work_time(self, rng: Random) -> int | None:
        """Return the time from the login or return to the next absence; None: the agent's plan has the absences."""

    def absence(self, rng: Random) -> Absence:
        """Return the kind of the agent's next absence."""

    def absence_time(self, rng: Random) -> int:
        """Return the duration of an absence."""

    def return_delay(self, rng: Random) -> int:
        """Return the time until an agent made unavailable by missed offers returns."""

    @property
    def heartbeat_every(self) -> int:
        """Time between the heartbeats of an agent; 0: no heartbeats."""


@dataclass(slots=True, frozen=True)
class DrawnPeople:
    """People drawn from a seed and a behaviour. A draw depends on its key, not on the order of draws."""

    behaviour: Behaviour
    random: SeededRandom
    cast: Cast
    label: str
    """Prefix of the chat ids. No draw depends on the prefix."""

    def new_chat(self, number: int) -> tuple[str, Line]:
        """A chat on one of the lines, drawn by their shares."""
        chat_id = f"{self.label}-{number:06d}"
        lines = self.cast.lines
        if len(lines) == 1:
            return chat_id, lines[0]
        upto = list(accumulate(line.share for line in lines))
        index = bisect(upto, self._chat(chat_id, "line").random() * upto[-1])
        return chat_id, lines[min(index, len(lines) - 1)]

    def patience(self, chat_id: str, waits: int) -> int | None:
        """Exponential, with the mean `patience_mean`."""
        mean = self.behaviour.patience_mean
        return exponential_ms(self._chat(chat_id, "patience", waits), mean) if mean < inf else None

    def handling_time(self, chat_id: str, handling: int) -> int:
        """Distributed by `handling_law`."""
        rng, behaviour = self._chat(chat_id, "talk", handling), self.behaviour
        if behaviour.handling_law == "exponential":
            return exponential_ms(rng, behaviour.handling_median / log(2))
        return log_normal_ms(rng, behaviour.handling_median, behaviour.handling_sigma)

    def conversation_end(self, chat_id: str, handling: int, transfers: int) -> ConversationEnd:
        """Drawn by `transfer_chance` and `ended_by_customer`. A chat is transferred once at most."""
        rng = self._chat(chat_id, "end", handling)
        if not transfers and rng.random() < self.behaviour.transfer_chance:
            return "transfer"
        return "customer" if rng.random() < self.behaviour.ended_by_customer else "agent"

    def transfer_target(self, chat_id: str, handling: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """A queue of the pool in two of three cases, else a colleague."""
        del handling
        rng = self._chat(chat_id, "transfer")
        queues = [line.queue for line in self.cast.lines if line.pool == pool and line.queue is not None]
        if rng.random() < 2 / 3 and queues:
            return {"to_queue": rng.choice(queues)}
        return {"to_agent": rng.choice(colleagues)} if colleagues else {}

    def wrap_up_time(self, agent_id: str, chat_id: str) -> int:
        """Log-normal, by `wrap_up_median` and `wrap_up_sigma`."""
        rng = self._agent(agent_id, "wrap-up", chat_id.removeprefix(self.label))
        return log_normal_ms(rng, self.behaviour.wrap_up_median, self.behaviour.wrap_up_sigma)

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """Drawn by `decline_chance` and `lapse_chance`."""
        if not self.behaviour.decline_chance and not self.behaviour.lapse_chance:
            return "accept"
        drawn = self._agent(agent_id, "answer", chat_id.removeprefix(self.label), attempt).random()
        if drawn < self.behaviour.decline_chance:
            return "decline"
        return "lapse" if drawn < self.behaviour.decline_chance + self.behaviour.lapse_chance else "accept"

    def answer_delay(self, agent_id: str, chat_id: str, attempt: int, offer_time: int) -> int:
        """Log-normal, cut to 0.8 of the offer's time, because `answer` draws the offers that lapse."""
        if not self.behaviour.accept_median:
            return 0
        rng = self._agent(agent_id, "delay", chat_id.removeprefix(self.label), attempt)
        return min(log_normal_ms(rng, self.behaviour.accept_median, self.behaviour.accept_sigma), offer_time * 4 // 5)

    def click_delay(self, agent_id: str, clicks: int) -> int:
        """Log-normal, by `click_median` and `click_sigma`."""
        rng = self._agent(agent_id, "click", clicks)
        return log_normal_ms(rng, self.behaviour.click_median, self.behaviour.click_sigma)

    def work_time(self, rng: Random) -> int | None:
        """Exponential, with the mean `work_mean`."""
        mean = self.behaviour.work_mean
        return exponential_ms(rng, mean) if mean < inf else None

    def absence(self, rng: Random) -> Absence:
        """Drawn by `absence_shares`."""
        kinds, shares = zip(*self.behaviour.absence_shares, strict=True)
        kind: Absence = rng.choices(kinds, shares)[0]
        return kind

    def absence_time(self, rng: Random) -> int:
        """Exponential, with the mean `break_mean`."""
        return exponential_ms(rng, self.behaviour.break_mean)

    def return_delay(self, rng: Random) -> int:
        """Exponential, with the mean `return_mean`."""
        return exponential_ms(rng, self.behaviour.return_mean)

    @property
    def heartbeat_every(self) -> int:
        """`heartbeat_every` of the behaviour, in ms."""
        return round(1000 * self.behaviour.heartbeat_every)

    def _chat(self, chat_id: str, *key: object) -> Random:
        """A generator for a chat, which does not depend on the prefix of the chat id."""
        return self.random.generator("chat", chat_id.removeprefix(self.label), *key)

    def _agent(self, agent_id: str, *key: object) -> Random:
        """A generator for an agent."""
        return self.random.generator("agent", agent_id, *key)
