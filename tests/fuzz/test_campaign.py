"""The fuzzer finds faults that were planted, and tells how to repeat them."""

import ast
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.campaign import made, run
from tests.fuzz.children import Order, fuzz
from tests.fuzz.literals import literal
from tests.fuzz.planted import Fatal, Faulty, Forgetful, Greedy
from tests.fuzz.report import report
from tests.fuzz.shrinking import shrink


@dataclass(frozen=True)
class Pair:
    """An input of two parts."""

    data: bytes
    number: int


def test_each_kind_of_failure_is_found_once_and_made_small() -> None:
    """An exception by the line that raised it, a broken property by its rule."""
    tally = run(Faulty(), 1, 3_000, most_failures=5)
    smallest = {failure.what.split(":")[0]: failure.smallest for failure in tally.failures}
    assert smallest == {"RecursionError at planted.py": "b'[[['", "no comment is let through": "b'#'"}
    assert tally.inputs == 3_000
    assert tally.outcomes["good"] + tally.outcomes["FAILED"] == 3_000


def test_a_run_ends_after_the_failures_that_were_asked_for() -> None:
    """The first one, for a test; and its seed makes its input again."""
    tally = run(Faulty(), 1, 3_000, most_failures=1)
    [failure] = tally.failures
    assert tally.inputs == failure.seed
    assert b"[[[" in made(Faulty(), failure.seed)
    assert f"--target faulty --seed {failure.seed} --count 1\n" in str(failure)


def test_a_failure_that_needs_the_inputs_before_it_is_repeated_with_them() -> None:
    """From the last time on that the target began anew."""
    [failure] = run(Forgetful(), 7, 100).failures
    assert (failure.first_seed, failure.seed) == (7, 11)
    assert "--seed 7 --count 5\n" in str(failure)


def test_an_input_that_takes_too_much_memory_is_a_failure() -> None:
    """However much the process took before."""
    tally = run(Greedy(), 1, 3)
    assert "takes no more memory than its limit" in tally.failures[0].what


def test_the_end_of_the_process_is_a_failure_with_its_trace() -> None:
    """A segmentation fault, or the system's end to a process that takes all memory, leaves nothing else."""
    tally = fuzz(Order(Fatal, 1, 3_000, 1), lambda _: None)
    assert "ended with exit code -6" in tally.failures[0].what
    assert "planted.py" in tally.failures[0].trace


@pytest.mark.parametrize("text", ["", "a'b" * 9, 'x"y' * 50, "\x00\xff" * 60, "\\" * 100, "'\"" * 80])
def test_a_literal_is_the_input(text: str) -> None:
    """Long runs as products, which Python can read as they stand."""
    case = (text, text.encode(), None, 7, (b"[" * 255 + b"]" * 255,))
    assert eval(literal(case)) == case  # noqa: S307 - what is tested
    assert len(literal(case)) < 700
    assert ast.literal_eval(literal(7)) == 7


@given(st.tuples(st.binary(max_size=200), st.text(max_size=200)))
def test_any_literal_is_the_input(case: tuple[bytes, str]) -> None:
    """Whatever is in it."""
    assert eval(literal(case)) == case  # noqa: S307 - what is tested


@given(st.binary(min_size=3, max_size=60))
def test_shrinking_ends_with_an_input_that_still_fails(data: bytes) -> None:
    """And that is no longer."""
    smallest = shrink(Pair(data, 5), lambda case: len(case.data) >= 3, most=500)
    assert (len(smallest.data), smallest.number) == (3, 0)


def test_the_report_counts_outcomes_and_names_the_slowest() -> None:
    """One table, then what came of each target's inputs."""
    tally = run(Faulty(), 1, 50, most_failures=9)
    told = "\n".join(report([tally], 1, {"faulty": Faulty}))
    assert "50 inputs from seed 1" in told
    assert "| faulty | 50 |" in told
    assert f"- good: {tally.outcomes['good']}" in told
