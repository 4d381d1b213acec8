"""How patient customers are, from waits that mostly ended otherwise; and resampling."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log, sqrt
from typing import Final

ENOUGH: Final = 30
"""Observations from which a queue or an agent speaks for itself; with fewer, all of them together do."""


@dataclass(slots=True, frozen=True)
class Patience:
    """An exponential's mean, in ms; inf where nobody ever gave up."""

    mean: float
    abandoned: int
    low: float
    high: float
    """Its 95 % interval."""


def fit_patience(waits: Iterable[tuple[int, bool]]) -> Patience:
    """The maximum likelihood of exponential patience, from waits and whether the customer gave up at their end.

    That is all time waited over the number who gave up: a wait that an answer ended tells that patience was longer.
    """
    total = abandoned = 0
    for wait, gave_up in waits:
        total += wait
        abandoned += gave_up
    if not abandoned:
        return Patience(inf, 0, inf, inf)
    mean = total / abandoned
    # The rate's standard error is rate / sqrt(n): 3.84 is the square of 1.96.
    spread = sqrt(3.84 / abandoned)
    return Patience(mean, abandoned, mean / (1 + spread), mean / (1 - spread) if spread < 1 else inf)


def uniform(*about: object) -> float:
    """A number from 0 to 1, always the same for the same thing: what it is about decides it, not when it is drawn."""
    digest = blake2b("/".join(map(str, about)).encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def exponential(mean: float, drawn: float) -> int | None:
    """The exponential of this mean at a number from 0 to 1, in ms; None where the mean is inf."""
    return round(-mean * log(1 - drawn)) if mean < inf else None


def resample(observed: Sequence[int], drawn: float) -> int:
    """One of what was observed."""
    return observed[int(drawn * len(observed))]
