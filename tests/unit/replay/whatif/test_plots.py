"""The report's pictures: what stands in them as text."""

import re
from pathlib import Path

import pytest

from switchboard.whatif import report_page
from switchboard.whatif.comparison import Result, compare
from switchboard.whatif.rule_variants import Variant, parse_variant
from switchboard.whatif.scenario import read_recorded
from tests.unit.replay.whatif.office import write_day

LONG = "profile.max_sessions=2, agents +1, profile.offer_timeout=20"
HOUR = 3600


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Of twenty minutes."""
    log: Path = write_day(tmp_path_factory.mktemp("whatif") / "day.jsonl", hours=1 / 3, every_seconds=20)
    day = read_recorded(log, 2.0, lambda: None)
    variants = [Variant("unchanged"), Variant(LONG, parse_variant("agents=+1").settings)]
    return compare(day, variants, ("1", "2"), 20_000)


def test_a_short_log_has_points_and_a_clock_of_its_own(results: list[Result]) -> None:
    """No label of the clock stands there twice."""
    picture = report_page.waits_over_the_day(results, ", UTC")
    clock = re.findall(r">(\d\d:\d\d)<", picture)
    assert len(clock) >= 4
    assert len(set(clock)) == len(clock)
    lines = re.findall(r'<path d="((?:[ML] [\d.]+ [\d.]+\s*){8,})"', picture)
    assert len(lines) >= 2, "a line of each variant, of eight points or more"


@pytest.mark.parametrize(
    ("seconds", "bin_seconds", "step"),
    [
        (40, 10, 5),
        (20 * 60, 60, 300),
        (HOUR, 300, 600),
        (6 * HOUR, 1800, HOUR),
        (24 * HOUR, 1800, 3 * HOUR),
        (72 * HOUR, 1800, 12 * HOUR),
    ],
)
def test_bins_and_labels_go_with_the_length_of_the_log(seconds: int, bin_seconds: int, step: int) -> None:
    """Half an hour is the longest bin."""
    assert (report_page.bin_of(seconds), report_page.step_of(seconds)) == (bin_seconds, step)


def test_a_time_of_day_goes_round() -> None:
    """With its seconds where labels are nearer than a minute."""
    assert report_page.time_of_day(25 * HOUR + 60, with_seconds=False) == "01:01"
    assert report_page.time_of_day(HOUR + 5, with_seconds=True) == "01:00:05"


def test_names_are_told_whole(results: list[Result]) -> None:
    """Over several lines, so that those that begin alike can be told apart."""
    for picture in (
        report_page.waits_over_the_day(results, ""),
        report_page.by_variant(results, "wait", None, shares=False),
        report_page.assignments(results),
    ):
        words = " ".join(re.findall(r"<text[^>]*>([^<]*)<", picture)) + " ".join(
            re.findall(r"<tspan[^>]*>([^<]*)<", picture)
        )
        assert "…" not in words
        for word in LONG.split():
            assert word in words
