"""How customers and agents behave: the distributions from which every simulated delay and choice is drawn.

None of it is recorded anywhere: the arrivals are real, the rest is what this file states. Handling and wrap-up are
log-normal, as handling times in call centres are usually found to be; patience, work stretches and breaks exponential.

What belongs to a chat (how long it takes, how patient its customer is, who ends it) is drawn from the seed and the
chat, and what belongs to an agent from the seed and the agent. So it is the same whichever agent gets the chat, under
whichever rules and in whatever order things happen: two runs differ only by what was decided.
"""

from dataclasses import dataclass, replace
from math import exp
from random import Random
from typing import Literal, TypeAlias

Away: TypeAlias = Literal["break", "absent", "log-out", "lost"]
"""How an agent goes away: unavailable for a while; absent (the device fell silent); logs out when the last chat is
done; or the connection is lost in mid-chat."""

Answer: TypeAlias = Literal["accept", "decline", "lapse"]
"""What an agent does with an offer: `lapse` is to do nothing."""

Law: TypeAlias = Literal["log-normal", "exponential"]
"""The shape of a distribution."""


@dataclass(slots=True, frozen=True)
class Behaviour:
    """Times are in seconds; a median and a sigma are those of a log-normal, a mean is an exponential's."""

    handling_median: float = 300.0
    handling_sigma: float = 0.7
    handling_law: Law = "log-normal"
    """Of one stint: a chat that is transferred has another with the next agent. An exponential of the
    same median has no sigma."""
    patience_mean: float = 600.0
    """How long a customer waits before giving up, from entering a queue until an agent accepts; inf: for ever."""
    ended_by_customer: float = 0.6
    """The chance that it is the customer who ends the conversation."""
    transfer_chance: float = 0.05
    """The chance that the first agent passes the chat on: two in three to a queue of the pool, else to a colleague."""

    accept_median: float = 1.5
    accept_sigma: float = 0.5
    """A delay to accept is cut to 0.8 of the offer's time: who lets an offer lapse is drawn below."""
    decline_chance: float = 0.02
    lapse_chance: float = 0.01
    click_median: float = 2.0
    click_sigma: float = 0.6
    """From wanting a chat to clicking Request Chat, in pull mode."""
    wrap_up_median: float = 45.0
    wrap_up_sigma: float = 0.6

    work_mean: float = 3600.0
    """From coming (back) to going away; inf: never."""
    break_mean: float = 600.0
    return_mean: float = 120.0
    """How long an agent takes to notice being made unavailable by missed offers, and to come back."""
    away_shares: tuple[tuple[Away, float], ...] = (("break", 0.5), ("absent", 0.2), ("log-out", 0.2), ("lost", 0.1))
    heartbeat_every: float = 0.0
    """Between an agent's heartbeats; 0: none."""

    def sped_up(self, speed: float) -> "Behaviour":
        """The same at `speed` times the pace, to go with arrivals that are sped up.

        Reactions (accepting, clicking) and heartbeats keep their pace, for what they are measured against does: the
        router's offer timeouts and its limits on silence run in real time.
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
    """Where draws come from: a seed, and what the draw is about."""

    seed: str

    def of(self, *about: object) -> Random:
        """A generator that depends on the seed and on what it is about, and on nothing else."""
        return Random("/".join((self.seed, *map(str, about))))  # noqa: S311 - a simulation, not a secret


def log_normal_ms(dice: Random, median: float, sigma: float) -> int:
    """A log-normal delay in ms, its median given in seconds."""
    return round(1000 * median * exp(sigma * dice.gauss(0.0, 1.0)))


def exponential_ms(dice: Random, mean: float) -> int:
    """An exponential delay in ms, its mean given in seconds."""
    return round(1000 * mean * dice.expovariate(1.0))
