"""The simulator and the engine together obey queueing theory.

EVERY_LOAD=1 adds more loads and longer runs, 40 s.
"""

import os
from dataclasses import astuple

import pytest

from docs.erlang import PATIENCE, interval, measure, theory
from tests.depth import examples

RUNS, CONFIDENCE = 5, 0.99
EVERY_LOAD = bool(os.environ.get("EVERY_LOAD"))
# (load, chats, chats before those that are counted). The busier, the longer a queue remembers: at 0.9 about 340 chats.
PATIENT = [(0.8, examples(900, 1_500), 300)]
IMPATIENT = [(1.2, examples(700, 1_000), 200)]
if EVERY_LOAD:
    PATIENT = [(0.6, 3_000, 600), (0.8, 3_000, 600), (0.9, 8_000, 2_000)]
    IMPATIENT = [(0.9, 3_000, 600), (1.0, 3_000, 600), (1.2, 3_000, 600)]


def _held_against_theory(
    load: float, patience: float | None, chats: int, warm_up: int
) -> list[tuple[float, float, float]]:
    """Of each figure what theory says, what was measured, and half the width of its interval."""
    runs = [
        astuple(measure(load, patience=patience, seed=str(run), chats=chats, warm_up=warm_up)) for run in range(RUNS)
    ]
    truth = astuple(theory(load, patience=patience))
    return [(said, *interval(values, CONFIDENCE)) for said, values in zip(truth, zip(*runs, strict=True), strict=True)]


@pytest.mark.random
@pytest.mark.parametrize(("load", "chats", "warm_up"), PATIENT)
def test_patient_customers_wait_as_erlang_c_says(load: float, chats: int, warm_up: int) -> None:
    """Ten agents in push mode with a session each: how many chats wait, and how long on average."""
    waits, wait, abandons = _held_against_theory(load, None, chats, warm_up)
    for said, measured, width in (waits, wait):
        assert measured == pytest.approx(said, abs=width)
    assert waits[2] < 0.2
    assert abandons[1] == 0


@pytest.mark.random
@pytest.mark.parametrize(("load", "chats", "warm_up"), IMPATIENT)
def test_impatient_customers_wait_and_give_up_as_erlang_a_says(load: float, chats: int, warm_up: int) -> None:
    """The same with customers who give up: also where more work comes than can be done."""
    for said, measured, width in _held_against_theory(load, PATIENCE, chats, warm_up):
        assert measured == pytest.approx(said, abs=width)
        assert width < 0.5 * said


def test_theory_is_what_the_textbooks_print() -> None:
    """Erlang C for 10 agents and 8 Erlangs: 0.4092; with no queue tolerated, Erlang A nears Erlang B: 0.1217."""
    assert theory(0.8, patience=None).waits == pytest.approx(0.4092, abs=5e-5)
    assert theory(0.8, patience=1e-6).abandons == pytest.approx(0.1217, abs=5e-5)
