"""The random histories that several tests of this folder look at, generated once per run."""

from random import Random

import pytest

from switchboard.domain.events import Frame
from tests.depth import examples
from tests.property.histories import random_history
from tests.property.mutations import Decisions, decided


@pytest.fixture(scope="session")
def long_histories() -> list[list[Frame]]:
    """25 or 60 histories of 120 frames: longer than hypothesis can draw. Tests must not change a history."""
    return [random_history(seed, 120) for seed in range(examples(25, 60))]


@pytest.fixture(scope="session")
def long_decisions(long_histories: list[list[Frame]]) -> list[Decisions]:
    """The engine's decisions on the long histories."""
    return [decided(history) for history in long_histories]


@pytest.fixture(scope="session")
def short_histories() -> list[list[Frame]]:
    """25 or 100 histories of 5 to 60 frames. Tests must not change a history."""
    lengths = Random(0)  # noqa: S311 - a test's dice
    return [random_history(5000 + number, lengths.randint(5, 60)) for number in range(examples(25, 100))]
