"""Recorded days of arrivals: what is shipped, what may be read, and how counts become times."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from switchboard.errors import ArrivalsError
from switchboard.simulation.recorded_days import arrival_times, read_day, shipped_days

DAY_MS = 24 * 3600 * 1000


def test_the_shipped_days_hold_the_recorded_number_of_calls() -> None:
    """The totals are those of the published data."""
    totals = {day.name: sum(day.counts) for day in shipped_days()}
    assert totals == {
        "1999-02-22": 1510,
        "1999-02-23": 1390,
        "1999-02-24": 1237,
        "1999-02-25": 1336,
        "1999-02-28": 1361,
    }
    assert all(len(day.counts) == 240 and day.bin_minutes == 6 for day in shipped_days())


def test_each_arrival_lies_in_the_bin_in_which_it_was_counted() -> None:
    """Expanding a day and counting it again gives the recorded counts, in ascending order."""
    day = shipped_days()[0]
    times = list(islice(arrival_times([day], seed="a"), sum(day.counts)))
    counted = [0] * 240
    for time in times:
        counted[time // (6 * 60_000)] += 1
    assert tuple(counted) == day.counts
    assert all(before <= after for before, after in pairwise(times))


def test_the_same_seed_places_arrivals_alike_and_another_otherwise() -> None:
    """The seed decides where in its bin an arrival is placed."""
    days = shipped_days()
    first, again, other = (list(islice(arrival_times(days, seed=seed), 3000)) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_a_later_start_shows_the_same_arrivals_from_there_on() -> None:
    """Starting at ten o'clock leaves out what came before and moves nothing else."""
    days = shipped_days()
    whole = list(islice(arrival_times(days, seed="a"), 2000))
    ten = 10 * 3600 * 1000
    later = list(islice(arrival_times(days, seed="a", from_minute=600), 1000))
    assert later == [time - ten for time in whole if time >= ten][:1000]


def test_after_the_last_day_the_first_comes_again() -> None:
    """Five days of arrivals never run out."""
    days = shipped_days()
    total = sum(sum(day.counts) for day in days)
    later = list(islice(arrival_times(days, seed="a"), total + 100))[total:]
    assert all(5 * DAY_MS <= time < 6 * DAY_MS for time in later)


def test_a_day_without_a_call_has_no_arrivals(tmp_path: Path) -> None:
    """A file of zeros ends at once instead of turning for ever."""
    file = tmp_path / "quiet.csv"
    file.write_text("start,calls\n09:00,0\n09:15,0\n")
    assert list(arrival_times([read_day(file)], seed="a")) == []


def test_a_file_of_ones_own_may_have_other_bins_and_cover_part_of_a_day(tmp_path: Path) -> None:
    """Quarters of an hour from nine to half past."""
    file = tmp_path / "own.csv"
    file.write_text("start,calls\n09:00,2\n09:15,1\n")
    times = list(islice(arrival_times([read_day(file)], seed="a", from_minute=540), 3))
    assert [time // (15 * 60_000) for time in times] == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: expected a header"),
        ("time,calls\n09:00,1\n", ":1: expected a header with the columns start,calls"),
        ("start,calls\n09:00,1\n", "two bins or more"),
        ("start,calls\n09:00,1\n25:00,1\n", ":3: expected a time of day as HH:MM, found '25:00'"),
        ("start,calls\n09:00,1\n09:15,many\n", ":3: expected a whole number of calls, found 'many'"),
        ("start,calls\n09:00,1\n09:15\n", ":3: expected a whole number of calls, found None"),
        ("start,calls\n09:00,1\n09:15,1\n09:20,1\n", ":4: expected bins of equal length"),
        ("start,calls\n09:15,1\n09:00,1\n", ":3: expected bins of equal length in ascending order"),
        ("start,calls\n09:00,1\n22:00,1\n", "the last bin ends after midnight"),
    ],
)
def test_a_fault_in_a_file_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    """What was expected, and where."""
    file = tmp_path / "day.csv"
    file.write_text(text)
    with pytest.raises(ArrivalsError) as caught:
        read_day(file)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
