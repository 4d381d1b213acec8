"""Hundreds or thousands of inputs of each target; `make fuzz` checks a million."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuzz.campaign import made, run
from tests.fuzz.target import Target
from tests.fuzz.targets import SHARES, TARGETS

COUNTS = {
    "decoder": 6_000,
    "dead-letters": 2_500,
    "record-batches": 700,
    "recorded-logs": 500,
    "routing-files": 500,
    "web-forms": 700,
}
"""1 to 2 s each, and at least twice as many inputs as the rarest outcome that must be reached needs."""


@pytest.fixture(params=COUNTS)
def target(request: pytest.FixtureRequest) -> Iterator[Target[Any]]:
    """Each target."""
    each = TARGETS[request.param]()
    yield each
    each.close()


def test_nothing_but_what_is_promised_comes_out(target: Target[Any]) -> None:
    """An event, a dead letter or a message of ours; and each outcome there is comes out for some input."""
    tally = run(target, 1, COUNTS[target.name], most_failures=3)
    assert not tally.failures, "\n".join(map(str, tally.failures))
    assert target.outcomes <= set(tally.outcomes), target.outcomes - set(tally.outcomes)


def test_an_input_is_made_again_from_its_seed(target: Target[Any]) -> None:
    """So a failure is repeated by its seed, on any machine."""
    for seed in range(1, 30):
        assert made(target, seed) == made(target, seed)


def test_a_run_is_shared_out_among_all_targets() -> None:
    """None is forgotten."""
    assert COUNTS.keys() == SHARES.keys() == TARGETS.keys()
    assert sum(SHARES.values()) == pytest.approx(1)
