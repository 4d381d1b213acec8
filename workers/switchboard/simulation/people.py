"""How customers and agents behave: the distributions from which every simulated delay and choice is drawn.

Only the arrivals are recorded data; all other figures are assumptions of this file. Handling and wrap-up are
log-normal, as handling times in call centres are usually found to be; patience, work stretches and breaks exponential.

What belongs to a chat (how long it takes, how patient its customer is, who ends it) is drawn from the seed and the
chat, and what belongs to an agent from the seed and the agent. So it is the same whichever agent gets the chat, under
whichever rules and in whatever order things happen: two runs differ only by what was decided.
"""

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp, inf, log
from random import Random
from typing import Literal, Protocol, TypeAlias

from switchboard.simulation.cast import Cast, Line

Away: TypeAlias = Literal["break", "absent", "log-out", "lost"]
"""Ways of going away: unavailable for a while; absent (the device fell silent); logout after the last chat; or a
connection lost during a chat."""

Answer: TypeAlias = Literal["accept", "decline", "lapse"]
"""Answer of an agent to an offer; `lapse`: no answer until the offer expires."""

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
    away_shares: tuple[tuple[Away, float], ...] = (("break", 0.5), ("absent", 0.2), ("log-out", 0.2), ("lost", 0.1))
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
class Dice:
    """Source of random draws: a seed, and a key for each draw."""

    seed: str

    def of(self, *about: object) -> Random:
        """Return a generator that depends on the seed and the key `about` only."""
        return Random("/".join((self.seed, *map(str, about))))  # noqa: S311 - a simulation, not a secret


def log_normal_ms(dice: Random, median: float, sigma: float) -> int:
    """Draw a log-normal delay in ms; `median` is in seconds."""
    return round(1000 * median * exp(sigma * dice.gauss(0.0, 1.0)))


def exponential_ms(dice: Random, mean: float) -> int:
    """Draw an exponential delay in ms; `mean` is in seconds."""
    return round(1000 * mean * dice.expovariate(1.0))


End: TypeAlias = Literal["transfer", "customer", "agent"]
"""End of a conversation: a transfer, or an end by the customer or the agent."""


class People(Protocol):
    """Delays and choices of customers and agents; all delays are in ms.

    The same arguments always give the same result, except for methods that take the agent's `dice`.
    """

    def newcomer(self, number: int) -> tuple[str, Line]:
        """Return the id and the line of the `number`-th chat, from 1."""

    def patience(self, chat_id: str, waits: int) -> int | None:
        """Return the customer's patience in the `waits`-th wait of the chat; None: the customer never gives up."""

    def talk(self, chat_id: str, stint: int) -> int:
        """Return the handling time of the `stint`-th agent who accepts the chat."""

    def end(self, chat_id: str, stint: int, transfers: int) -> End:
        """Return the end of the conversation, after a number of earlier transfers."""

    def pass_on(self, chat_id: str, stint: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """Return `to_queue` or `to_agent`, the target of a transfer in the pool; empty: no target, the chat ends."""

    def wrap_up(self, agent_id: str, chat_id: str) -> int:
        """Return the wrap-up time of the agent for the chat."""

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """Return the agent's answer to the `attempt`-th offer of the chat."""

    def answer_after(self, agent_id: str, chat_id: str, attempt: int, lasts: int) -> int:
        """Return the delay of the answer; the offer lasts `lasts` ms."""

    def click_after(self, agent_id: str, clicks: int) -> int:
        """How long the agent takes to click Request Chat once it may, the `clicks`-th time."""

    def works(self, dice: Random) -> int | None:
        """How long an agent who has come works before going away; None: until its plan says so."""

    def goes_away(self, dice: Random) -> Away:
        """How it goes away."""

    def comes_back_after(self, dice: Random) -> int:
        """How long it is away."""

    def notices_after(self, dice: Random) -> int:
        """How long an agent whom missed offers made unavailable takes to come back."""

    @property
    def heartbeat_every(self) -> int:
        """Between an agent's signs of life; 0: none."""


@dataclass(slots=True, frozen=True)
class Drawn:
    """People drawn from a seed and a behaviour: what a draw is about decides it, not when it is made."""

    behaviour: Behaviour
    dice: Dice
    cast: Cast
    label: str
    """What the chats' ids begin with; it changes no draw."""

    def newcomer(self, number: int) -> tuple[str, Line]:
        """On one of the lines, according to their shares."""
        chat_id = f"{self.label}-{number:06d}"
        lines = self.cast.lines
        if len(lines) == 1:
            return chat_id, lines[0]
        upto = list(accumulate(line.share for line in lines))
        index = bisect(upto, self._chat(chat_id, "line").random() * upto[-1])
        return chat_id, lines[min(index, len(lines) - 1)]

    def patience(self, chat_id: str, waits: int) -> int | None:
        """Exponential."""
        mean = self.behaviour.patience_mean
        return exponential_ms(self._chat(chat_id, "patience", waits), mean) if mean < inf else None

    def talk(self, chat_id: str, stint: int) -> int:
        """By the law that the behaviour names."""
        dice, behaviour = self._chat(chat_id, "talk", stint), self.behaviour
        if behaviour.handling_law == "exponential":
            return exponential_ms(dice, behaviour.handling_median / log(2))
        return log_normal_ms(dice, behaviour.handling_median, behaviour.handling_sigma)

    def end(self, chat_id: str, stint: int, transfers: int) -> End:
        """By chance; no chat is passed on twice."""
        dice = self._chat(chat_id, "end", stint)
        if not transfers and dice.random() < self.behaviour.transfer_chance:
            return "transfer"
        return "customer" if dice.random() < self.behaviour.ended_by_customer else "agent"

    def pass_on(self, chat_id: str, stint: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """To a queue of the chat's pool in two of three cases, else to a colleague who is there."""
        del stint
        dice = self._chat(chat_id, "transfer")
        queues = [line.queue for line in self.cast.lines if line.pool == pool and line.queue is not None]
        if dice.random() < 2 / 3 and queues:
            return {"to_queue": dice.choice(queues)}
        return {"to_agent": dice.choice(colleagues)} if colleagues else {}

    def wrap_up(self, agent_id: str, chat_id: str) -> int:
        """Log-normal."""
        dice = self._agent(agent_id, "wrap-up", chat_id.removeprefix(self.label))
        return log_normal_ms(dice, self.behaviour.wrap_up_median, self.behaviour.wrap_up_sigma)

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """By chance."""
        if not self.behaviour.decline_chance and not self.behaviour.lapse_chance:
            return "accept"
        drawn = self._agent(agent_id, "answer", chat_id.removeprefix(self.label), attempt).random()
        if drawn < self.behaviour.decline_chance:
            return "decline"
        return "lapse" if drawn < self.behaviour.decline_chance + self.behaviour.lapse_chance else "accept"

    def answer_after(self, agent_id: str, chat_id: str, attempt: int, lasts: int) -> int:
        """Log-normal, cut to 0.8 of the offer's time: who lets an offer lapse is drawn by `answer`."""
        if not self.behaviour.accept_median:
            return 0
        dice = self._agent(agent_id, "delay", chat_id.removeprefix(self.label), attempt)
        return min(log_normal_ms(dice, self.behaviour.accept_median, self.behaviour.accept_sigma), lasts * 4 // 5)

    def click_after(self, agent_id: str, clicks: int) -> int:
        """Log-normal."""
        dice = self._agent(agent_id, "click", clicks)
        return log_normal_ms(dice, self.behaviour.click_median, self.behaviour.click_sigma)

    def works(self, dice: Random) -> int | None:
        """Exponential."""
        mean = self.behaviour.work_mean
        return exponential_ms(dice, mean) if mean < inf else None

    def goes_away(self, dice: Random) -> Away:
        """By the shares of `Away`."""
        ways, shares = zip(*self.behaviour.away_shares, strict=True)
        away: Away = dice.choices(ways, shares)[0]
        return away

    def comes_back_after(self, dice: Random) -> int:
        """Exponential."""
        return exponential_ms(dice, self.behaviour.break_mean)

    def notices_after(self, dice: Random) -> int:
        """Exponential."""
        return exponential_ms(dice, self.behaviour.return_mean)

    @property
    def heartbeat_every(self) -> int:
        """As the behaviour says."""
        return round(1000 * self.behaviour.heartbeat_every)

    def _chat(self, chat_id: str, *about: object) -> Random:
        """What belongs to the chat: the same in every run, whatever its id begins with."""
        return self.dice.of("chat", chat_id.removeprefix(self.label), *about)

    def _agent(self, agent_id: str, *about: object) -> Random:
        return self.dice.of("agent", agent_id, *about)
