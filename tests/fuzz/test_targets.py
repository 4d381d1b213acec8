"""Hundreds of inputs of each target, thousands with `make properties`; `make fuzz` checks a million."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.depth import examples
from tests.fuzz.campaign import made, run
from tests.fuzz.target import Target
from tests.fuzz.targets import SHARES, TARGETS

COUNTS = {
    "decoder": examples(1_500, 6_000),
    "dead-letters": examples(1_400, 2_500),
    "record-batches": examples(200, 700),
    "recorded-logs": examples(200, 500),
    "routing-files": examples(230, 500),
    "web-forms": examples(300, 700),
}
"""0.5 s each, or 1 to 2 s; more inputs than the rarest outcome that must be reached needs."""


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
