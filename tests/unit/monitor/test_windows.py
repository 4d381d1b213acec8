"""Figures by windows of a minute, and by day."""

from zoneinfo import ZoneInfo

from switchboard.monitor.figures import OTHERS, Windows, start_of_day
from tests.floors import NOON

SALES = ("default", "sales")
HOUR = 3600


def counted(*moments: float, zone: str = "UTC") -> Windows:
    """Windows with an arrival at each of the times."""
    windows = Windows(ZoneInfo(zone))
    for moment in moments:
        for figures in windows.at(SALES, moment):
            figures.arrived += 1
    return windows


def test_now_is_the_running_minute_and_the_fourteen_before_it() -> None:
    """A window is dropped as a whole, after 15 minutes."""
    windows = counted(NOON, NOON + 59, NOON + 60, NOON + 14 * 60)
    assert windows.now(SALES, NOON + 14 * 60 + 59).arrived == 4
    assert windows.now(SALES, NOON + 15 * 60).arrived == 2
    assert windows.today(SALES, NOON + 15 * 60).arrived == 4


def test_a_day_ends_at_midnight_of_its_time_zone() -> None:
    """Midnight in Berlin in May is 22:00 UTC, and in January 23:00."""
    windows = counted(NOON, NOON + 10 * HOUR, zone="Europe/Berlin")
    assert (
        windows.today(SALES, NOON + 10 * HOUR - 1).arrived == 2
    )  # the second is in the future, since clocks of routers may be ahead
    assert windows.today(SALES, NOON + 10 * HOUR).arrived == 1
    assert start_of_day(NOON, ZoneInfo("Europe/Berlin")) == NOON - 14 * HOUR
    assert start_of_day(1705320000, ZoneInfo("Europe/Berlin")) == 1705320000 - 13 * HOUR  # 2024-01-15, noon UTC


def test_old_windows_and_days_are_dropped() -> None:
    """A queue has at most 16 windows and 2 days, and none if nothing was counted lately."""
    windows = counted(*(NOON + minute * 60 for minute in range(3 * 24 * 60)))
    assert len(windows.minutes[SALES]) == 16
    assert len(windows.days[SALES]) == 2
    windows.forget(NOON + 4 * 24 * HOUR)
    assert not windows.minutes
    assert not windows.days
    assert not windows.has_counted(SALES, windows.day(NOON + 4 * 24 * HOUR))


def test_queues_beyond_the_limit_are_counted_together() -> None:
    """Anyone on the bus can make up pools, and each of their queues would take memory for a day."""
    windows = Windows(most_queues=2)
    for pool in ("a", "b", "c", "d", "a"):
        for figures in windows.at((pool, "q"), NOON):
            figures.arrived += 1
    assert set(windows.days) == {("a", "q"), ("b", "q"), OTHERS}
    assert [windows.today(queue, NOON).arrived for queue in (("a", "q"), ("c", "q"), OTHERS)] == [2, 0, 2]
