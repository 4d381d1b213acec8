"""Patience is estimated from waits that mostly ended otherwise."""

from math import inf
from pathlib import Path

import pytest

from switchboard.simulation.people import Behaviour
from switchboard.whatif.recorded_people import exponential, fit_patience, uniform
from switchboard.whatif.scenario import read_recorded
from tests.unit.replay.whatif.office import write_day


def test_patience_is_found_again_in_a_log_of_people_whose_patience_is_known(tmp_path: Path) -> None:
    """Four minutes on average; most waits end by an answer, so the mean of those who gave up would be far too low."""
    patience = 240.0
    people = Behaviour(handling_median=200.0, patience_mean=patience, work_mean=inf)
    log = write_day(tmp_path / "day.jsonl", agents=4, hours=24, behaviour=people)
    fit = read_recorded(log, 2.0, lambda: None).statistics.all_patience
    assert fit.abandoned > 100
    assert fit.low < 1000 * patience < fit.high
    assert fit.high < 1.4 * fit.low


def test_all_time_waited_counts_but_only_those_who_gave_up_divide_it() -> None:
    """The maximum likelihood for an exponential with censored waits."""
    fit = fit_patience([(10_000, True), (20_000, False), (30_000, True)])
    assert (fit.mean, fit.abandoned) == (30_000, 2)


def test_where_nobody_gave_up_nobody_ever_does() -> None:
    """There is nothing to estimate from; the report says so."""
    fit = fit_patience([(10_000, False)])
    assert fit.mean == inf
    assert exponential(fit.mean, 0.5) is None


def test_what_is_drawn_depends_on_what_it_is_about_alone() -> None:
    """The same for the same chat in each variant, even in all numbers, another for another chat."""
    drawn = [uniform("1", "patience", number) for number in range(2000)]
    assert drawn == [uniform("1", "patience", number) for number in range(2000)]
    assert sum(drawn) / 2000 == pytest.approx(0.5, abs=0.02)
    assert len(set(drawn)) == 2000
