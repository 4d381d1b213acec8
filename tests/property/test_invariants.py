"""I1 to I8 hold after every frame of any history, as told from its frames and decisions alone."""

from collections import Counter
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.journal.codec import encode
from tests.property.histories import histories, random_history, steadied
from tests.property.invariants import InvariantChecker
from tests.property.shrinking import shrink, told


def broken(history: list[Frame], happened: Counter[str] | None = None) -> str | None:
    """Which invariant breaks where; None: all hold. `happened` counts the decisions."""
    engine, checker = Engine(0), InvariantChecker()
    for frame in history:
        decisions: list[dict[str, Any]] = [orjson.loads(encode(decision)) for decision in engine.apply(frame).decisions]
        if happened is not None:
            happened.update(decision["type"] for decision in decisions)
        try:
            checker.follow(frame, decisions)
        except AssertionError as error:
            return f"frame {frame.n}: {error}\n" + "\n".join(str(decision) for decision in decisions)
    return None


def hold(history: list[Frame], happened: Counter[str] | None = None) -> None:
    """Fail with the shortest history in which an invariant breaks."""
    if broken(history, happened) is None:
        return
    shortest = steadied(shrink(history, still_broken)) or history
    raise AssertionError(f"\n{told(shortest)}\n{broken(shortest)}")


def still_broken(candidate: list[Frame]) -> bool:
    """Whether a shorter history still breaks an invariant, as far as it can be told."""
    steady = steadied(candidate)
    return steady is not None and broken(steady) is not None


@settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(history=histories(steady=True))
def test_the_invariants_hold_after_every_frame(history: list[Frame]) -> None:
    """I1 to I8: whatever happens in whatever order."""
    hold(history)


def test_the_invariants_hold_in_long_histories_in_which_everything_happens() -> None:
    """I1 to I8: the same, for histories too long for hypothesis to draw; each type of decision is among theirs."""
    happened: Counter[str] = Counter()
    for seed in range(50):
        hold(random_history(seed, 200, steady=True), happened)
    assert len(happened) == 13, happened
