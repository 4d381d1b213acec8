"""Many inputs of one target, one after another in this process."""

import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.fuzz.literals import literal
from tests.fuzz.memory import PeakMemory
from tests.fuzz.shrinking import shrink
from tests.fuzz.target import BrokenError, Target, require

RENEW_EVERY: Final = 1_000
"""Inputs after which a target begins anew: a failure that needs its forerunners needs no more than these."""


@dataclass(slots=True)
class Failure:
    """An input that breaks a property, or raises what it should not."""

    target: str
    seed: int
    first_seed: int
    """The seed to start from: other than `seed` where the inputs before are needed."""
    what: str
    trace: str
    smallest: str
    """The smallest input found that fails in the same way, as a Python literal."""

    def __str__(self) -> str:
        count = self.seed - self.first_seed + 1
        return (
            f"{self.target}, seed {self.seed}: {self.what}\n"
            f"  repeat: python -m tests.fuzz --target {self.target} --seed {self.first_seed} --count {count}\n"
            f"  input: {self.smallest}\n{self.trace}"
        )


@dataclass(slots=True)
class Tally:
    """What came of the inputs."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Processor seconds that the slowest input took to check."""
    slowest_seed: int = 0
    growth: int = 0
    """The most bytes that one input took beyond what was in use before it."""
    growth_seed: int = 0
    peak: int = 0
    """Peak memory of the process, bytes."""
    failures: list[Failure] = field(default_factory=list)


def made(target: Target[Any], seed: int) -> Any:
    """The input of a seed."""
    return target.generate(Random(f"{target.name} {seed}"))  # noqa: S311 - repeatable, not secret


def run(
    target: Target[Any],
    seed: int,
    count: int,
    *,
    most_failures: int = 1,
    before: Callable[[int, Tally], None] | None = None,
) -> Tally:
    """Check the inputs of `count` seeds from `seed` on.

    Args:
        target: what is fuzzed; it is renewed first.
        seed: the first input's; the next has the next number.
        count: how many inputs.
        most_failures: the run ends after so many failures that differ in kind.
        before: called before each input with its seed and the figures so far.
    """
    tally = Tally(target.name)
    kinds: set[str] = set()
    memory = PeakMemory()
    began = time.monotonic()
    for number in range(seed, seed + count):
        if (number - seed) % RENEW_EVERY == 0:
            target.renew()
            first = number
        if before is not None:
            before(number, tally)
        case = made(target, number)
        resident, at = memory.begin(), time.thread_time()
        try:
            outcome = target.check(case)
            took, grown = time.thread_time() - at, memory.peak() - resident
            require(grown <= target.growth_limit, "one input takes no more memory than its limit", grown)
        except Exception as error:  # noqa: BLE001 - any of them is what is looked for
            outcome, took, grown = "FAILED", time.thread_time() - at, 0
            kind = _kind(error)
            if kind not in kinds:
                kinds.add(kind)
                tally.failures.append(_failure(target, number, first, case, error))
        tally.inputs += 1
        tally.outcomes[outcome] += 1
        if took > tally.slowest:
            tally.slowest, tally.slowest_seed = took, number
        if grown > tally.growth:
            tally.growth, tally.growth_seed = grown, number
        if len(kinds) >= most_failures:
            break
    tally.seconds = time.monotonic() - began
    tally.peak = memory.highest
    memory.close()
    return tally


def _kind(error: Exception) -> str:
    """The same text for failures that have the same cause, as far as can be seen."""
    if isinstance(error, BrokenError):
        return error.rule
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "/switchboard/" in each.filename] or list(frames)
    last = ours[-1]
    return f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}"


def _failure(target: Target[Any], seed: int, first: int, case: Any, error: Exception) -> Failure:
    kind = _kind(error)

    def still_fails(other: Any) -> bool:
        target.renew()
        try:
            target.check(other)
        except Exception as found:  # noqa: BLE001 - any of them is what is looked for
            return _kind(found) == kind
        return False

    alone = still_fails(case)
    smallest = shrink(case, still_fails) if alone else case
    target.renew()
    what = f"{type(error).__name__}: {str(error)[:500]}"
    trace = "".join(traceback.format_exception(error))
    return Failure(target.name, seed, seed if alone else first, f"{kind}: {what}", trace, literal(smallest))
